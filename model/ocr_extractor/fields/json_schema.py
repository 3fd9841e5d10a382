"""The subset of JSON Schema 2020-12 that describes fields, also as pydantic writes it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, NoReturn, cast, get_args

from ocr_extractor.errors import SchemaError, shorten
from ocr_extractor.fields.date_text import told_order
from ocr_extractor.fields.members import DateOrder, Field, Group, Member, Table, Type, leaves_of

# An LLM that copies more than this from one page loses some; a form has rarely 100.
MAX_FIELDS = 500
MAX_NAME = 64

_SCALARS = ("string", "number", "integer", "boolean")
# Keywords that do not change what is read.
_IGNORED = frozenset(
    {"$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "title", "default", "const"}
    | {"examples", "deprecated", "readOnly", "writeOnly", "required"}
)
_EVERY = frozenset({"type", "description"})
_OF_KIND = {
    "field": _EVERY
    | {"enum", "format"}
    | {"x-labels", "x-type", "x-date-order", "x-decimal", "x-critical"},
    "object": _EVERY | {"properties", "additionalProperties"},
    "array": _EVERY | {"items", "x-labels"},
}
_INSTEAD = {
    "pattern": "leave it out: texts are kept as they are printed",
    "prefixItems": "write items: an object whose properties are the columns",
    "patternProperties": "name each field in properties",
    "oneOf": "write one type, or a type and null",
}
_BOUND = "leave it out; a rule between fields can be one of x-checks at the top, such as total >= 0"
_FORMATS = {
    "date-time": "write format: date; the time that is printed beside a date is ignored",
    "email": "write x-type: email",
    "uri": "write x-type: url",
}


class _Node(NamedTuple):
    """A resolved schema: its keywords, its type and whether null is a value."""

    path: str
    keywords: Mapping[str, Any]
    type: str
    nullable: bool


def read_members(document: Mapping[str, Any]) -> tuple[Member, ...]:
    """Read the fields, groups and tables of a schema.

    Raises:
        SchemaError: A construct is not supported; the message has its JSON pointer.
    """
    reader = _Reader(document)
    top = reader.node("#", {k: v for k, v in document.items() if k != "x-checks"})
    if top.type != "object":
        _refuse("#", f"type {top.type}", "write type: object with properties")
    members = tuple(reader.member(*each) for each in reader.properties(top))
    if (count := len(leaves_of(members))) > MAX_FIELDS:
        raise SchemaError(
            f"The schema has {count:,} fields, and may have {MAX_FIELDS:,}: split it, one schema "
            "for each kind of document, or make repeated fields an array."
        )
    return members


class _Reader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def member(self, path: str, name: str, schema: Any) -> Member:
        node = self.node(path, schema)
        if node.type == "object":
            return Group(name, self._fields(node, "a nested object"), _description(node))
        if node.type == "array":
            return self._table(node, name)
        return _field(node, name)

    def properties(self, node: _Node) -> list[tuple[str, str, Any]]:
        """Return the path, name and schema of an object's properties."""
        _check_keywords(node, "object")
        if not isinstance(node.keywords.get("additionalProperties", False), bool):
            _refuse(
                node.path, "additionalProperties with a schema", "name each field in properties"
            )
        properties = node.keywords.get("properties")
        if not isinstance(properties, Mapping) or not properties:
            _refuse(node.path, "an object without properties", "name its fields in properties")
        if len(properties) > MAX_FIELDS:
            raise SchemaError(
                f"{shorten(node.path)} has {len(properties):,} properties, and a schema may have "
                f"{MAX_FIELDS:,} fields: split it, one schema for each kind of document."
            )
        _check_names(node.path, properties)
        return [
            (f"{node.path}/properties/{name}", name, schema) for name, schema in properties.items()
        ]

    def _table(self, node: _Node, name: str) -> Table:
        _check_keywords(node, "array")
        path = f"{node.path}/items"
        row = self.node(path, node.keywords.get("items", {"type": "any"}))
        if row.type != "object":
            _refuse(
                path,
                f"an array of type {row.type}",
                "write items: an object with properties, one for each column",
            )
        columns = self._fields(row, "an object in a row")
        return Table(name, columns, _description(node) or _description(row), _labels(node))

    def _fields(self, node: _Node, where: str) -> tuple[Field, ...]:
        fields = []
        for path, name, schema in self.properties(node):
            inner = self.node(path, schema)
            if inner.type in {"object", "array"}:
                _refuse(
                    path,
                    f"type {inner.type} in {where}",
                    "objects may be nested one level deep; move its fields up, such as "
                    f"{shorten(name, 20)}_name",
                )
            fields.append(_field(inner, name))
        return tuple(fields)

    def node(self, path: str, schema: Any) -> _Node:
        """Resolve references and the alternatives with null."""
        keywords = self._resolved(path, schema)
        nullable = False
        for key in ("anyOf", "allOf"):
            if key in keywords:
                chosen, null = self._alternative(f"{path}/{key}", keywords[key])
                nullable |= null
                keywords = {**chosen, **{k: v for k, v in keywords.items() if k != key}}
        types = keywords.get("type", "string" if "enum" in keywords else "object")
        types = types if isinstance(types, list) else [types]
        nullable |= "null" in types
        match [each for each in types if each != "null"]:
            case [str(kind)] if kind in {*_SCALARS, "object", "array"}:
                return _Node(path, keywords, kind, nullable)
        _refuse(
            path,
            f"type {shorten(keywords.get('type'))}",
            f'write {", ".join(_SCALARS)}, object, array, or [one, "null"] with quotes',
        )

    def _resolved(self, path: str, schema: Any) -> Mapping[str, Any]:
        """Follow `$ref`; what stands beside it counts more than what it leads to."""
        beside: dict[str, Any] = {}
        for _ in range(10):
            if not isinstance(schema, Mapping):
                _refuse(path, shorten(repr(schema)), "write an object with a type")
            beside = {**schema, **beside}
            target = beside.pop("$ref", None)
            if target is None:
                return beside
            schema = self._definition(path, target)
        _refuse(path, "a $ref that leads to itself", "write the type out")

    def _definition(self, path: str, target: Any) -> Any:
        match str(target).split("/"):
            case ["#", ("$defs" | "definitions") as key, name]:
                name = name.replace("~1", "/").replace("~0", "~")
                found = self._document.get(key)
                if isinstance(found, Mapping) and name in found:
                    return found[name]
        _refuse(path, f"$ref {shorten(target)}", "refer to what is in $defs: #/$defs/Name")

    def _alternative(self, path: str, choices: Any) -> tuple[Mapping[str, Any], bool]:
        """Return the one alternative that is not null, and whether null is one."""
        if not isinstance(choices, list):
            _refuse(path, shorten(repr(choices)), "write a list of schemas")
        resolved = [self._resolved(f"{path}/{i}", each) for i, each in enumerate(choices[:10])]
        left = [each for each in resolved if each.get("type") != "null"]
        # What pydantic writes for a Decimal: a number, or a text that is one.
        if sorted(str(each.get("type")) for each in left) == ["number", "string"]:
            left = [each for each in left if each["type"] == "number"]
        if len(left) != 1:
            _refuse(path, f"{len(left)} alternatives", "write one type, or a type and null")
        return left[0], any(each.get("type") == "null" for each in resolved)


def _field(node: _Node, name: str) -> Field:
    _check_keywords(node, "field")
    keywords, kind = node.keywords, _type(node)
    enum, with_null = _enum(node)
    semantic = keywords.get("x-type", "")
    is_word = isinstance(semantic, str) and len(semantic) <= MAX_NAME
    _require(is_word, node, "x-type", "write one word, such as money")
    description = _description(node)
    order = keywords.get("x-date-order")
    is_order = order is None or (kind == "date" and order in get_args(DateOrder))
    _require(is_order, node, "x-date-order", "write dmy, mdy or ymd at a format: date")
    if order is None and kind == "date":
        order = told_order(description)
    decimal = keywords.get("x-decimal")
    _require(decimal in (None, ".", ","), node, "x-decimal", 'write "." or "," in quotes')
    critical = keywords.get("x-critical", False)
    _require(isinstance(critical, bool), node, "x-critical", "write true or false")
    return Field(
        name=name,
        type=kind,
        description=description,
        nullable=node.nullable or with_null,
        enum=enum,
        semantic_type=semantic.strip().casefold(),
        labels=_labels(node),
        date_order=order,
        decimal=decimal,
        critical=critical,
    )


def _type(node: _Node) -> Type:
    form = node.keywords.get("format")
    if form is None:
        return cast(Type, node.type)
    if form == "date" and node.type == "string":
        return "date"
    instead = _FORMATS.get(str(form), "leave it out, or write format: date at a type: string")
    _refuse(node.path, f"format {shorten(form)}", instead)


def _enum(node: _Node) -> tuple[tuple[str, ...], bool]:
    """Return the texts of an enum, and whether null is one of them."""
    if "enum" not in node.keywords:
        return (), False
    members = node.keywords["enum"]
    texts = [each for each in members if each is not None] if isinstance(members, list) else []
    are_texts = node.type == "string" and texts and all(isinstance(each, str) for each in texts)
    _require(are_texts, node, "enum", "write a list of texts, each in quotes")
    differ = all(each.strip() for each in texts) and len(set(texts)) == len(texts)
    _require(differ, node, "enum", "write texts that differ and are not empty")
    return tuple(texts), None in members


def _labels(node: _Node) -> tuple[str, ...]:
    labels = node.keywords.get("x-labels", [])
    labels = [labels] if isinstance(labels, str) else labels
    are_texts = isinstance(labels, list) and all(
        isinstance(each, str) and each.strip() for each in labels
    )
    _require(are_texts, node, "x-labels", 'write a list of texts, ["Total", "Summe"]')
    return tuple(" ".join(each.split()) for each in labels)


def _description(node: _Node) -> str:
    text = node.keywords.get("description", "")
    _require(isinstance(text, str), node, "description", "write a text")
    return " ".join(text.split())


def _check_keywords(node: _Node, kind: Literal["field", "object", "array"]) -> None:
    for key in node.keywords:
        if key in _OF_KIND[kind] or key in _IGNORED:
            continue
        instead = _INSTEAD.get(key, _BOUND if key.startswith(("m", "exclusive", "uniq")) else "")
        known = ", ".join(sorted(_OF_KIND[kind]))
        _refuse(node.path, shorten(key), instead or f"leave it out; {kind} takes {known}")


def _check_names(path: str, names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if not name or len(name) > MAX_NAME:
            what = "an empty name" if not name else f"a name of {len(name):,} characters"
            _refuse(path, f"{what}: '{shorten(name, 20)}'", f"use 1 to {MAX_NAME} characters")
        # Letters with their marks and digits of every script.
        if name != name.strip() or not all(
            unicodedata.category(each)[0] in "LMN" or each in "_- " for each in name
        ):
            _refuse(
                path,
                f"the name '{shorten(name)}'",
                "use letters, digits, '_', '-' and spaces between them",
            )
        folded = unicodedata.normalize("NFKC", name).casefold()
        if folded in seen:
            _refuse(
                path,
                f"the names '{shorten(seen[folded], 20)}' and '{shorten(name, 20)}'",
                "rename one, they differ in case only",
            )
        seen[folded] = name


def _require(holds: object, node: _Node, keyword: str, instead: str) -> None:
    """Refuse the value of a keyword unless a condition holds."""
    if not holds:
        _refuse(node.path, f"{keyword} {shorten(node.keywords[keyword])}", instead)


def _refuse(path: str, what: str, instead: str) -> NoReturn:
    raise SchemaError(f"{shorten(path)} of the schema has {what}: {instead}.")
