"""The text of a schema file, JSON or YAML, to plain JSON of a bounded size and depth."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import yaml

from ocr_extractor.errors import SchemaError, shorten

# What a tag of a prompt version takes: the schema is stored there.
MAX_CHARACTERS = 100_000
# A schema that can be used has 12 levels at most; deeper ones are told so by their construct.
_MAX_DEPTH = 200


def read_text(text: str) -> Mapping[str, Any]:
    """Read the text of a schema: JSON if it starts with `{` or `[`, YAML otherwise.

    Raises:
        SchemaError: It is neither, is too large, or has a key twice; the message names the line.
    """
    if len(text) > MAX_CHARACTERS:
        raise _too_long(len(text))
    try:
        if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
            loaded = json.loads(
                text.lstrip("\ufeff"), object_pairs_hook=_object, parse_constant=_no_number
            )
        else:
            loaded = yaml.load(text, Loader=_Loader)  # noqa: S506 -- a SafeLoader
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
    if not isinstance(loaded, Mapping):
        raise SchemaError(
            f"The schema is {shorten(repr(loaded), 40)}: write a JSON Schema of type object."
        )
    return loaded


def plain_json(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a document that is plain JSON and small enough to be stored.

    Raises:
        SchemaError: It is too deep, too large, or holds a value that JSON does not have.
    """
    characters = 0
    todo: list[tuple[str, Any, int]] = [("#", document, 0)]
    while todo:
        path, value, depth = todo.pop()
        if depth > _MAX_DEPTH:
            raise _too_deep()
        for each in _checked(path, value):
            characters += len(each)
        # An alias of YAML counts wherever it stands, so that a bomb stops here.
        if characters > MAX_CHARACTERS:
            raise _too_long(characters)
        if isinstance(value, Mapping):
            todo += [(f"{path}/{key}", each, depth + 1) for key, each in value.items()]
        elif isinstance(value, list | tuple):
            todo += [(f"{path}/{index}", each, depth + 1) for index, each in enumerate(value)]
    stored = json.dumps(document)
    if len(stored) > MAX_CHARACTERS:
        raise _too_long(len(stored))
    copy: dict[str, Any] = json.loads(stored)
    return copy


def _checked(path: str, value: Any) -> Iterator[str]:
    """Yield the texts that a value itself brings, as many characters as it takes at least."""
    match value:
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise SchemaError(
                        f"{shorten(path)} has the key {shorten(repr(key))}, which is not a text: "
                        'put it in quotes, such as "no".'
                    )
                yield _encodable(path, key) + ":,"
        case str():
            yield _encodable(path, value) + ","
        case list() | tuple():
            yield ","
        case None | bool() | int():
            yield ","
        case float() if math.isfinite(value):
            yield ","
        case _:
            raise SchemaError(
                f"{shorten(path)} is {shorten(repr(value))}, which JSON does not have: put it in "
                "quotes."
            )


def _encodable(path: str, text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise SchemaError(
            f"{shorten(path)} has a text with half a surrogate pair: {shorten(repr(text))}; write "
            "the character itself."
        ) from None
    return text


def _too_long(characters: int) -> SchemaError:
    return SchemaError(
        f"The schema has {characters:,} characters or more, and may have {MAX_CHARACTERS:,}: a tag "
        "of the prompt version holds it. Shorten its descriptions, or split it."
    )


def _too_deep() -> SchemaError:
    return SchemaError(
        f"The schema is nested more than {_MAX_DEPTH} levels deep: objects may be nested one level "
        "deep. Move inner fields up."
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise SchemaError(f"The schema has the key {shorten(repr(key))} twice: remove one.")
        found[key] = value
    return found


def _no_number(name: str) -> Any:
    raise SchemaError(f"The schema has the number {name}, which JSON does not have: remove it.")


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key that is there twice, and merges: they grow without end."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping of keys that are there once."""
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, "'<<' is not supported, write the keys out", key.start_mark
                )
            if (key.tag, str(key.value)) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {shorten(repr(key.value))} is there twice", key.start_mark
                )
            seen.add((key.tag, str(key.value)))
        return super().construct_mapping(node, deep)
