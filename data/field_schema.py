"""Reads of a `schema.json` what judging needs: the leaves, their types, and the checks.

The model reads the same file with more care (`ocr_extractor.fields`) and refuses what it does not
support; here a file is plain JSON, because the truth knows nothing of the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from data.errors import DatasetError

LeafType = Literal["string", "number", "integer", "boolean", "date"]
_TYPES = get_args(LeafType)
_ROW = re.compile(r"\[\d*\]")


@dataclass(frozen=True)
class Leaf:
    """A scalar of the schema, or a column of one of its tables.

    Attributes:
        path: `total`, `seller.name`, or `items[].amount` for a column.
        type: What its values are; a date is an ISO text.
        critical: `x-critical`: whether the gate of `promote` judges it by itself.
    """

    path: str
    type: LeafType = "string"
    critical: bool = False


@dataclass(frozen=True)
class FieldSchema:
    """The fields of a dataset.

    Attributes:
        scalars: The leaves that a document has once, by path.
        tables: The columns of each array by the array's path; a column by its name in a row.
        checks: `x-checks`: what holds between the values, as texts.
    """

    scalars: Mapping[str, Leaf]
    tables: Mapping[str, Mapping[str, Leaf]]
    checks: tuple[str, ...] = ()

    @property
    def leaves(self) -> dict[str, Leaf]:
        """All leaves by path, tables last."""
        columns = (leaf for each in self.tables.values() for leaf in each.values())
        return {**self.scalars, **{leaf.path: leaf for leaf in columns}}

    @property
    def critical(self) -> tuple[str, ...]:
        """The paths of the leaves that the gate judges by themselves."""
        return tuple(path for path, leaf in self.leaves.items() if leaf.critical)


def pattern(path: str) -> str:
    """Return the schema's path of a document's: `items[].amount` of `items[3].amount`."""
    return _ROW.sub("[]", path)


def value_at(values: Any, path: str) -> Any:
    """Return what stands in nested objects at a path without rows; None where nothing does."""
    for key in path.split("."):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def load_schema(path: Path) -> FieldSchema:
    """Read a schema file.

    Raises:
        DatasetError: It is missing or no JSON, or it has a construct that no dataset can have.
    """
    return parse_schema(read_json(path), str(path))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: It is missing, not UTF-8 or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}): put it there.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8: save it as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is no JSON ({str(error)[:80]}): correct it.") from error


def parse_schema(document: Any, source: str) -> FieldSchema:
    """Read a JSON Schema.

    Args:
        document: Plain JSON.
        source: What to call it in messages.

    Raises:
        DatasetError: It is no object with properties, or one of its properties is no field.
    """
    walk = _Walk(document, source)
    scalars: dict[str, Leaf] = {}
    tables: dict[str, dict[str, Leaf]] = {}
    for path, node in walk.members(document, ""):
        if node.get("type") == "array":
            rows = walk.plain(node.get("items"), f"{path}[]")
            tables[path] = {
                column.removeprefix(f"{path}[]."): walk.leaf(column, inner)
                for column, inner in walk.members(rows, f"{path}[].")
            }
        else:
            scalars[path] = walk.leaf(path, node)
    checks = document.get("x-checks", ())
    if not isinstance(checks, list | tuple) or not all(isinstance(each, str) for each in checks):
        raise DatasetError(f"{source}: x-checks is {str(checks)[:80]!r}: give a list of texts.")
    return FieldSchema(scalars, tables, tuple(checks))


class _Walk:
    """Goes through a JSON Schema; a reference leads into its own `$defs`."""

    _DEEPEST = 8

    def __init__(self, document: Any, source: str) -> None:
        self._document, self._source = document, source

    def members(self, node: Any, prefix: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
        """Yield (path, node) of each scalar and array; nested objects are gone through."""
        properties = node.get("properties") if isinstance(node, Mapping) else None
        if not isinstance(properties, Mapping) or not properties or depth > self._DEEPEST:
            raise self._fault(prefix.rstrip(".") or "the schema", "an object with `properties`")
        for name, inner in properties.items():
            found = self.plain(inner, prefix + name)
            if "properties" in found:
                yield from self.members(found, f"{prefix}{name}.", depth + 1)
            else:
                yield prefix + name, found

    def plain(self, node: Any, path: str) -> Mapping[str, Any]:
        """Return a node with its references followed, and its alternatives without null."""
        for _ in range(self._DEEPEST):
            if not isinstance(node, Mapping):
                raise self._fault(path, "an object such as {'type': 'string'}")
            choices = [each for each in node.get("anyOf", ()) if each != {"type": "null"}]
            if "$ref" in node:
                target = value_at(self._document, str(node["$ref"])[2:].replace("/", "."))
                node = {**(target or {}), **{k: v for k, v in node.items() if k != "$ref"}}
            elif len(choices) == 1:
                node = {**choices[0], **{k: v for k, v in node.items() if k != "anyOf"}}
            else:
                return node
        raise self._fault(path, "a schema without circular references")

    def leaf(self, path: str, node: Mapping[str, Any]) -> Leaf:
        named = node.get("type")
        kinds = [each for each in _listed(named) if each != "null"]
        if not kinds and "enum" in node:
            kinds = ["string"]
        if len(kinds) != 1 or kinds[0] not in _TYPES:
            raise self._fault(path, f"one of the types {', '.join(_TYPES[:-1])}")
        is_date = kinds[0] == "string" and node.get("format") == "date"
        return Leaf(path, "date" if is_date else kinds[0], node.get("x-critical") is True)

    def _fault(self, path: str, instead: str) -> DatasetError:
        return DatasetError(f"{self._source}: {path[:80]} is no field: write {instead}.")


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value] if value is not None else []
