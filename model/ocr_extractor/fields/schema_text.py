"""The text of a schema file, JSON or YAML, to plain JSON of a bounded size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from ocr_extractor.errors import SchemaError, shorten

# What a tag of a prompt version takes: the schema is stored there.
MAX_CHARACTERS = 100_000


def read_text(text: str) -> Any:
    """Read the text of a schema: JSON if it starts with `{` or `[`, YAML otherwise.

    Raises:
        SchemaError: It is neither, is too large, or has a key twice; the message names the line.
    """
    if len(text) > MAX_CHARACTERS:
        raise _too_long(len(text))
    plain = text.lstrip("\ufeff \t\r\n")
    try:
        if plain.startswith(("{", "[")):
            return json.loads(plain, object_pairs_hook=_object)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 -- a SafeLoader
    except json.JSONDecodeError as error:
        raise SchemaError(
            f"The schema is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise SchemaError(
            f"The schema is not valid YAML: {line}{shorten(error.problem)}."
        ) from None
    except (yaml.YAMLError, ValueError) as error:  # a control character, a number of 5,000 digits
        raise SchemaError(f"The schema cannot be read: {shorten(error)}.") from None
    except RecursionError:
        raise _too_deep() from None


def plain_json(document: Any) -> dict[str, Any]:
    """Return a copy of a document that is plain JSON and small enough to be stored.

    Raises:
        SchemaError: It is not an object, too deep, too large, or holds a value that JSON does not
            have.
    """
    if not isinstance(document, Mapping):
        raise SchemaError(
            f"The schema is {shorten(repr(document), 40)}: write a JSON Schema of type object."
        )
    try:
        stored = json.dumps(document, allow_nan=False)
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise _too_deep() from None
    except UnicodeEncodeError:
        raise SchemaError("The schema has half a surrogate pair: write the character.") from None
    except (TypeError, ValueError) as error:
        raise SchemaError(
            f"The schema has a value that JSON does not have ({shorten(error)}): put it in quotes."
        ) from None
    if len(stored) > MAX_CHARACTERS:
        raise _too_long(len(stored))
    copy: dict[str, Any] = json.loads(stored)
    return copy


def _too_long(characters: int) -> SchemaError:
    return SchemaError(
        f"The schema has {characters:,} characters, and may have {MAX_CHARACTERS:,}: a tag of the "
        "prompt version holds it. Shorten its descriptions, or split it."
    )


def _too_deep() -> SchemaError:
    return SchemaError(
        "The schema is nested too deeply: objects may be nested one level deep. Move inner fields "
        "up."
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise SchemaError(f"The schema has the key {shorten(repr(key))} twice: remove one.")
        found[key] = value
    return found


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses keys that are no texts, and aliases, which may multiply."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node that is no alias."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, "aliases are not supported, use $ref", mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping of texts that are there once."""
        seen = set()
        for key, _ in node.value:
            name, fault = shorten(repr(key.value)), ""
            if key.tag != "tag:yaml.org,2002:str":
                fault = f"the key {name} is not a text: put it in quotes"
            elif key.value in seen:
                fault = f"the key {name} is there twice"
            if fault:
                raise yaml.constructor.ConstructorError(None, None, fault, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)
