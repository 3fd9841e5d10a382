"""Reads documents whose fields are known: `fields/<id>.json` beside `images/` and `schema.json`.

`boxes/<id>.json`, where it is there, says on which page and where each value stands.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.errors import DatasetError
from data.field_schema import FieldSchema, Leaf, LeafType, load_schema, read_json, value_at
from data.folder import Selection, count, select
from data.forms import Box, Entity, Form
from data.splits import Split

FIELDS = "fields"
"""The folder of the truth files."""

SCHEMA = "schema.json"


@dataclass(frozen=True)
class Place:
    """Where a value stands.

    Attributes:
        page: From 1.
        box: px of the upright page.
    """

    page: int
    box: Box


@dataclass(frozen=True)
class FieldDocument:
    """One document whose true values are known.

    Attributes:
        form_id: The truth file's name without its suffix.
        image_path: The document.
        truth_paths: The truth file and the schema, then the file of boxes where there is one.
        schema: The fields that the document's kind has.
        values: The true values in the schema's shape, every key present; null for what is not on
            the document, an empty list for a table without rows.
        places: Where values stand, by path (`items[3].amount`); empty when that is not known.
    """

    form_id: str
    image_path: Path
    truth_paths: tuple[Path, ...]
    schema: FieldSchema
    values: Mapping[str, Any]
    places: Mapping[str, Place] = field(default_factory=dict)

    def expectations(self) -> dict[str, Any]:
        """Return its values as JSON values."""
        return {"values": dict(self.values)}

    def to_form(self) -> Form:
        """Return the values whose places are known as the answers of a form, to be drawn."""
        known = enumerate(self.places.items())
        answers = (Entity(n, "answer", path, at.box, page=at.page) for n, (path, at) in known)
        return Form(self.form_id, self.image_path, self.truth_paths[-1], tuple(answers), ())


def load_folder(
    folder: Path,
    *,
    split: Split | None = None,
    limit: int | None = None,
    seed: int | None = None,
    without: Collection[str] = (),
) -> list[FieldDocument]:
    """Read the documents of a folder, sorted by id.

    Args:
        folder: Holds `schema.json`, `images/` and `fields/`.
        split: Read the documents of this split; None reads all.
        limit: Read at most this many, from 1; None reads all.
        seed: Draws the `limit` documents at random; None takes the first ones.
        without: Ids to leave out, before any are drawn.

    Raises:
        DatasetError: The schema, a truth file or an image is missing or malformed, or no document
            is left to read.
    """
    found = select(folder, FIELDS, Selection(split, limit, seed, without))
    schema = load_schema(folder / SCHEMA)
    return [_read(folder, schema, truth, image) for truth, image in found]


def has_fields(folder: Path) -> bool:
    """Tell whether a dataset folder holds true values of fields."""
    return (folder / FIELDS).is_dir()


def count_documents(folder: Path) -> int:
    """Return how many documents of a folder have true values."""
    return count(folder, FIELDS)


def _read(folder: Path, schema: FieldSchema, truth: Path, image: Path) -> FieldDocument:
    values = _Reader(truth, schema).values(read_json(truth))
    boxes = folder / "boxes" / truth.name
    known = boxes.exists()
    return FieldDocument(
        form_id=truth.stem,
        image_path=image,
        truth_paths=(truth, folder / SCHEMA, *([boxes] if known else [])),
        schema=schema,
        values=values,
        places=_places(boxes, read_json(boxes)) if known else {},
    )


class _Reader:
    """Brings one truth file into the schema's shape; what does not fit is an error."""

    def __init__(self, file: Path, schema: FieldSchema) -> None:
        self._file, self._schema = file, schema

    def values(self, document: Any) -> dict[str, Any]:
        given = self._object("the file", document)
        for group in {path.split(".")[0] for path in self._schema.scalars if "." in path}:
            inner = self._object(group, given.pop(group, None) or {})
            given |= {f"{group}.{name}": value for name, value in inner.items()}
        tables = {path: given.pop(path, None) for path in self._schema.tables}
        shaped = self._shaped(self._schema.scalars, given, "")
        for path, rows in tables.items():
            if not isinstance(rows, list | None):
                raise self._fault(path, rows, "write a list of rows")
            columns = self._schema.tables[path]
            shaped[path] = [
                self._shaped(columns, self._object(f"{path}[{n}]", row), f"{path}[{n}].")
                for n, row in enumerate(rows or ())
            ]
        return shaped

    def _object(self, place: str, given: Any) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise self._fault(place, given, "write an object")
        return dict(given)

    def _shaped(
        self, leaves: Mapping[str, Leaf], given: dict[str, Any], prefix: str
    ) -> dict[str, Any]:
        shaped: dict[str, Any] = {}
        for name, leaf in leaves.items():
            _put(shaped, name, self._value(leaf, prefix + name, given.pop(name, None)))
        for name, value in given.items():
            if value is not None:
                raise self._fault(prefix + name, value, "the schema has no such field")
        return shaped

    def _value(self, leaf: Leaf, path: str, value: Any) -> Any:
        if value is None or fits(leaf.type, value):
            return value
        raise self._fault(path, value, f"write {_WRITTEN[leaf.type]}, or null")

    def _fault(self, path: str, value: Any, instead: str) -> DatasetError:
        return DatasetError(f"{self._file}: {path[:80]} is {repr(value)[:80]}: {instead}.")


_WRITTEN: Mapping[LeafType, str] = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "date": "a date as YYYY-MM-DD",
}


def fits(kind: LeafType, value: Any) -> bool:
    """Tell whether a JSON value is one of a type; null fits none."""
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "date":
            return isinstance(value, str) and _is_date(value)
        case "integer":
            whole = isinstance(value, float) and value.is_integer()
            return (isinstance(value, int) or whole) and not isinstance(value, bool)
        case "number":
            finite = isinstance(value, int | float) and abs(value) < float("inf")
            return finite and not isinstance(value, bool)


def _is_date(text: str) -> bool:
    try:
        return len(text) == 10 and bool(datetime.date.fromisoformat(text))
    except ValueError:
        return False


def from_leaves(schema: FieldSchema, leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Build a document's values, every key present, from single ones.

    Args:
        schema: The fields.
        leaves: Values by path (`items[3].amount`), each of a leaf of the schema; what is not there
            is null. Rows come in the order of their numbers, which may have gaps.
    """
    shaped: dict[str, Any] = {}
    for path in schema.scalars:
        _put(shaped, path, leaves.get(path))
    for path, columns in schema.tables.items():
        begin = f"{path}["
        numbers = {
            int(each[len(begin) :].split("]")[0]) for each in leaves if each.startswith(begin)
        }
        rows: list[dict[str, Any]] = []
        for number in sorted(numbers):
            rows.append({})
            for name in columns:
                _put(rows[-1], name, leaves.get(f"{path}[{number}].{name}"))
        _put(shaped, path, rows)
    return shaped


def to_leaves(schema: FieldSchema, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the path in the document and the value of each leaf; rows come last."""
    for path in schema.scalars:
        yield path, value_at(values, path)
    for path, columns in schema.tables.items():
        for number, row in enumerate(value_at(values, path) or ()):
            for name in columns:
                yield f"{path}[{number}].{name}", row.get(name)


def parse_value(leaf: Leaf, text: str) -> Any:
    """Return the value that a person has typed; null for an empty text.

    Raises:
        DatasetError: It is no value of the leaf's type.
    """
    if not text:
        return None
    value: Any = text
    if leaf.type not in {"string", "date"}:
        try:
            value = json.loads(text)
        except ValueError:
            value = text
    if not fits(leaf.type, value):
        wanted = _WRITTEN[leaf.type]
        raise DatasetError(f"{leaf.path[:80]} is {text[:80]!r}: write {wanted}, or nothing.")
    return value


def _put(shaped: dict[str, Any], path: str, value: Any) -> None:
    *groups, name = path.split(".")
    for group in groups:
        shaped = shaped.setdefault(group, {})
    shaped[name] = value


def _places(file: Path, document: Any) -> dict[str, Place]:
    if not isinstance(document, dict):
        raise DatasetError(f"{file} is no object: write the place of each value by its path.")
    places = {}
    for path, numbers in document.items():
        whole = isinstance(numbers, list) and all(type(each) is int for each in numbers)
        if not whole or len(numbers) != 5:
            raise DatasetError(
                f"{file}: {path[:80]} is {repr(numbers)[:80]}: write [page, x0, y0, x1, y1]."
            )
        page, x0, y0, x1, y1 = numbers
        places[path] = Place(page, (x0, y0, x1, y1))
    return places
