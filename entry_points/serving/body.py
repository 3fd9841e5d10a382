"""Reads the body of a request into the frame and params of one call."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

Record = Mapping[str, Any]

# Values that a body may have besides its rows, for params and for texts with commas. More values
# would take a hundred times the memory of the body.
_SPARE_VALUES = 100_000
# Values that a row may have: two are used, the others are further columns of a caller's frame.
_VALUES_A_ROW = 32

_HALVES = re.compile("[\ud800-\udfff]")


class HttpError(Exception):
    """A request cannot be answered; the message says what to change and does not quote it."""

    def __init__(self, message: str, status: int = 400, code: str = "invalid_request") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Call:
    """The columns `image` (base64 text, None for null) and `doc_id` of one call, and its params."""

    frame: pd.DataFrame
    params: dict[str, Any]


def read_body(
    data: bytes | bytearray, params: Mapping[str, type], max_documents: int = sys.maxsize
) -> Call:
    """Read a request in one of the four shapes of MLflow's scoring server.

    The extractor decodes the base64 of the images, strictly and document by document; paths and
    URLs in its place are never opened. `params` has the types of the extractor's params.

    Raises:
        HttpError: The body has another shape or too many documents; it is not quoted.
    """
    # Each value but the first follows one of these. Without a parser, those in texts count too.
    values = sum(data.count(mark) for mark in (b",", b"[", b"{"))
    if values > (most := _SPARE_VALUES + _VALUES_A_ROW * max_documents):
        raise HttpError(
            f"The body has more than {most:,} values, and max_documents={max_documents:,}: send "
            "fewer documents at once, without other columns."
        )
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise HttpError("The body is not JSON in UTF-8.") from None
    shapes = [shape for shape in _SHAPES if isinstance(body, dict) and shape in body]
    if len(shapes) != 1 or body.keys() - {*shapes, "params"}:
        raise HttpError(
            f"The body needs exactly one of {', '.join(_SHAPES)}, and only params beside it."
        )
    [shape] = shapes
    records = _SHAPES[shape](shape, body[shape])
    if len(records) > max_documents:
        raise HttpError(
            f"The request has {len(records):,} documents, more than max_documents="
            f"{max_documents:,}: send them in several requests or raise the limit."
        )
    if records and not any("image" in record for record in records):
        raise HttpError(f"{shape} has no image: give each document's bytes as base64 text.")
    rows = [_row(shape, number, record) for number, record in enumerate(records, start=1)]
    frame = pd.DataFrame(rows, columns=["image", "doc_id"], dtype=object)
    return Call(frame, _read_params(body.get("params"), params))


def _row(shape: str, number: int, record: Record) -> tuple[str | None, str | None]:
    image, doc_id = record.get("image"), record.get("doc_id")
    if not isinstance(image, str | None):
        raise HttpError(
            f"Document {number} of {shape}: image is neither text nor null: give the base64 of "
            "the file's bytes."
        )
    if not isinstance(doc_id, str | int | None) or not _is_unicode(str(doc_id)):
        raise HttpError(
            f"Document {number} of {shape}: doc_id is neither text, a whole number nor null."
        )
    return image, None if doc_id is None else str(doc_id)


def _read_params(given: Any, known: Mapping[str, type]) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict) or given.keys() - known.keys():
        raise HttpError(f"params is not an object with only the keys {', '.join(known)}.")
    for name, value in given.items():
        if not isinstance(value, known[name]) or not _is_unicode(str(value)):
            raise HttpError(f"params.{name} is not a {known[name].__name__}.")
    return given


def _is_unicode(text: str) -> bool:
    """Tell whether text is free of lone surrogates, which JSON can contain and UTF-8 cannot."""
    return not _HALVES.search(text)


def _from_records(shape: str, value: Any) -> list[Record]:
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise HttpError(f'{shape} is not a list of objects like {{"image": "<base64>"}}.')
    return value


def _from_columns(shape: str, value: Any) -> list[Record]:
    if not isinstance(value, dict):
        return _from_records(shape, value)
    columns = list(value.values())
    if not all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
        raise HttpError(f"{shape} has columns that are not lists of the same length.")
    return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]


def _from_split(shape: str, value: Any) -> list[Record]:
    columns, rows = (
        (value.get("columns"), value.get("data")) if isinstance(value, dict) else (None, None)
    )
    if (
        not isinstance(columns, list)
        or not all(isinstance(name, str) for name in columns)
        or not isinstance(rows, list)
        or not all(isinstance(row, list) and len(row) == len(columns) for row in rows)
    ):
        raise HttpError(
            f"{shape} needs columns, a list of names, and data, a list of rows of that length."
        )
    return [dict(zip(columns, row, strict=True)) for row in rows]


_SHAPES: dict[str, Callable[[str, Any], list[Record]]] = {
    "dataframe_records": _from_records,
    "dataframe_split": _from_split,
    "inputs": _from_columns,
    "instances": _from_records,
}
