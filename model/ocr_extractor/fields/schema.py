"""A schema: the fields that a user names, what holds between them, and what an LLM is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ocr_extractor.errors import SchemaError, shorten
from ocr_extractor.fields.checks import Check
from ocr_extractor.fields.json_schema import read_members
from ocr_extractor.fields.members import Field, Group, Member, Table, leaves_of
from ocr_extractor.fields.schema_text import plain_json, read_text

__all__ = ["Field", "Group", "Member", "Schema", "Table"]

_MAX_CHECKS = 50
# More of them make the prompt long and tell an LLM nothing new.
_LABELS_TOLD = 8
_KINDS = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "yes or no",
    "date": "date",
}


@dataclass(frozen=True)
class Schema:
    """What is to be read from a document of one kind.

    Attributes:
        title: The schema's title, "" if it has none.
        members: The fields, groups and tables, in the schema's order.
        checks: What holds between the values, `x-checks`.
        document: The JSON Schema as it was given, plain JSON; it is stored with the prompt.
    """

    title: str
    members: tuple[Member, ...]
    checks: tuple[Check, ...]
    document: dict[str, Any] = field(hash=False)

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Schema:
        """Read a JSON Schema.

        Raises:
            SchemaError: A construct is not supported, or a limit is exceeded; the message has the
                JSON pointer of the place and what to write instead.
        """
        plain = plain_json(document)
        members = read_members(plain)
        leaves = leaves_of(members)
        title, checks = plain.get("title", ""), plain.get("x-checks", [])
        if not isinstance(title, str):
            raise SchemaError(f"#/title of the schema is {shorten(title)}: write a text.")
        if not isinstance(checks, list) or not all(isinstance(each, str) for each in checks):
            raise SchemaError(
                f"#/x-checks of the schema is {shorten(checks)}: write a list of texts, such as "
                '["net + tax == total"].'
            )
        if len(checks) > _MAX_CHECKS:
            raise SchemaError(
                f"#/x-checks of the schema has {len(checks)} checks, and may have {_MAX_CHECKS}: "
                "remove some."
            )
        return cls(title, members, tuple(Check.parse(text, leaves) for text in checks), plain)

    @classmethod
    def load(cls, text: str) -> Schema:
        """Read the text of a schema file, JSON or YAML.

        Raises:
            SchemaError: See `parse`; or the text is neither JSON nor YAML.
        """
        return cls.parse(read_text(text))

    def leaves(self) -> dict[str, Field]:
        """Return every field by its path's pattern: `total`, `seller.name`, `items[].amount`."""
        return leaves_of(self.members)

    def response_format(self) -> dict[str, Any]:
        """Return the strict JSON Schema of the texts that an LLM copies from a page.

        It has the shape of the user's schema; every leaf is a text or null.
        """
        return _object(
            self.members,
            "The texts that are printed on this page, copied character by character. Null: the "
            'page does not have it. "": its place is there and is blank.',
        )

    def describe(self) -> str:
        """Return the fields, one a line, as a prompt's `{{ fields }}` shows them."""
        lines = []
        for member in self.members:
            match member:
                case Field():
                    lines.append(_line(member))
                case Group(fields=inner):
                    lines.append(_title(member, "group of fields"))
                    lines += [f"  {_line(each)}" for each in inner]
                case Table(columns=inner):
                    lines.append(_title(member, "list, one entry for each row of the table"))
                    lines += [f"  {_line(each)}" for each in inner]
        return "\n".join(lines)


def _object(members: tuple[Member, ...], description: str) -> dict[str, Any]:
    built: dict[str, Any] = {"type": "object"}
    if description:
        built["description"] = description
    return built | {
        "properties": {member.name: _raw(member) for member in members},
        "required": [member.name for member in members],
        "additionalProperties": False,
    }


def _raw(member: Member) -> dict[str, Any]:
    match member:
        case Field():
            return {"type": ["string", "null"], "description": _told(member)}
        case Group(fields=fields, description=description):
            return _object(fields, description)
        case Table(columns=columns):
            description = _sentences(member.description, _printed(member.labels))
            return {
                "type": "array",
                "description": _sentences(description, "One entry for each row, in order."),
                "items": _object(columns, ""),
            }


def _line(each: Field) -> str:
    return f'- "{each.name}": {_told(each)}'


def _title(member: Group | Table, kind: str) -> str:
    labels = member.labels if isinstance(member, Table) else ()
    return f'- "{member.name}": {_sentences(f"A {kind}", member.description, _printed(labels))}'


def _told(each: Field) -> str:
    """Return what an LLM is told about a field."""
    kind = f"{_KINDS[each.type]}, {each.semantic_type}" if each.semantic_type else _KINDS[each.type]
    choices = f"One of: {', '.join(each.enum)}" if each.enum else ""
    return _sentences(
        each.description, _printed(each.labels), choices, f"The {kind} as it is printed"
    )


def _printed(labels: tuple[str, ...]) -> str:
    quoted = ", ".join(f'"{label}"' for label in labels[:_LABELS_TOLD])
    return f"Often labelled {quoted}" if quoted else ""


def _sentences(*parts: str) -> str:
    return " ".join(f"{part.removesuffix('.')}." for part in parts if part)
