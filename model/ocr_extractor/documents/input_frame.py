"""Reads what a caller gives: documents (ids and bytes, or an error) and the pages to read."""

from __future__ import annotations

import base64
import binascii
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ocr_extractor.documents.limits import too_many_bytes
from ocr_extractor.errors import DocumentError, InputError, RequestError, shorten

Source = str | os.PathLike[str] | bytes | bytearray | memoryview
"""A document on this machine: its path, or its bytes."""

# How MLflow 3.17 hands over a null string (Spark) and a null document (`inputs`, `instances`).
_NULLS = {"nan", "None"}
# Bytes that begin like this are text: `inputs` and `instances` requests deliver base64 so. The
# formats named may begin with printable characters, the others do not.
_TEXT = re.compile(rb"(?!%PDF|GIF8|RIFF)[\x20-\x7e\s]+")

# Each range is compared with each page of each document.
_MAX_CHARACTERS = 10_000
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True)
class InputDocument:
    """One row of the input.

    Attributes:
        doc_id: The caller's id, None when there is none.
        content: The document's bytes, or the error that stands for them.
    """

    doc_id: str | None
    content: bytes | DocumentError


def to_documents(frame: pd.DataFrame, max_documents: int = sys.maxsize) -> Iterator[InputDocument]:
    """Read the columns `image` and, where present, `doc_id`; other columns are ignored.

    Raises:
        RequestError: There is no column `image`, or there are more than `max_documents` rows.
    """
    if "image" not in frame.columns:
        raise RequestError(
            f"The input has no column 'image' (found: {shorten(list(frame.columns))}): send the "
            "document's bytes in it."
        )
    _check_count(len(frame), max_documents)
    ids = frame["doc_id"] if "doc_id" in frame.columns else [None] * len(frame)
    for doc_id, value in zip(ids, frame["image"], strict=True):
        yield InputDocument(_to_id(doc_id), _to_content(value))


def is_source(given: object) -> bool:
    """Tell whether this is one document, not several."""
    return isinstance(given, str | os.PathLike | bytes | bytearray | memoryview)


def read_sources(
    sources: Sequence[Source], max_documents: int, max_bytes: int
) -> list[InputDocument]:
    """Read documents that are on this machine; the id of a file is its path.

    Args:
        sources: The documents.
        max_documents: Most documents; if there are more, none is read.
        max_bytes: Most bytes that are read of a file.

    Raises:
        OSError: A path cannot be opened.
        RequestError: There are more than `max_documents`.
    """
    _check_count(len(sources), max_documents)
    return [_read_source(each, max_bytes) for each in sources]


def _read_source(source: Source, max_bytes: int) -> InputDocument:
    if not isinstance(source, str | os.PathLike):
        return InputDocument(None, _to_content(source))
    doc_id = _storable(str(source))
    with Path(source).open("rb") as file:
        if (size := os.fstat(file.fileno()).st_size) > max_bytes:
            return InputDocument(doc_id, too_many_bytes(size, max_bytes))
        data = file.read(max_bytes + 1)  # a device and a file in /proc state no size
    content = too_many_bytes(None, max_bytes) if len(data) > max_bytes else _to_content(data)
    return InputDocument(doc_id, content)


def _check_count(count: int, max_documents: int) -> None:
    if count > max_documents:
        raise RequestError(
            f"The call has {count:,} documents, more than max_documents={max_documents:,}: "
            "send them in several calls or raise the limit."
        )


def _to_id(value: Any) -> str | None:
    if value is None or value is pd.NA or str(value) in _NULLS:
        return None
    return _storable(str(value))


def _storable(doc_id: str) -> str:
    """Return an id with "?" for what UTF-8 does not have: undecoded bytes of a file's name.

    No database takes them, and one such id would cost the traces of other documents, too.
    """
    return doc_id.encode("utf-8", "replace").decode("utf-8")


def _to_content(value: Any) -> bytes | DocumentError:
    """Return the document's bytes, or why there are none."""
    try:
        return _to_bytes(value)
    except DocumentError as error:
        return error


def _to_bytes(value: Any) -> bytes:
    """Return the document's bytes; base64 text, which some request shapes deliver, is decoded."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        return _decode(data) if _TEXT.fullmatch(data[:32]) else data
    if isinstance(value, str):
        return _decode(value.encode("ascii", "replace"))
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):  # noqa: PLR0124 - NaN
        raise _missing()
    raise InputError(
        "wrong_type", f"The image is a {type(value).__name__}: send the document's bytes."
    )


def _missing() -> InputError:
    return InputError("missing_image", "The row has no image: send the document's bytes.")


def _decode(text: bytes) -> bytes:
    if text[:5].decode("ascii", "replace") in _NULLS:
        raise _missing()
    try:
        # The command `base64` writes lines.
        return base64.b64decode(text.strip().translate(None, b"\r\n"), validate=True)
    except binascii.Error:
        raise InputError(
            "not_base64",
            "The document is text, and not the base64 of an image or PDF: send the file's bytes, "
            "over REST as base64. Paths and URLs are never opened.",
        ) from None


@dataclass(frozen=True)
class PageSelection:
    """Page numbers as a caller writes them.

    Attributes:
        ranges: (first, last) page of each range, from 1, both included; none for all pages.
    """

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> PageSelection:
        """Read "1-3,7"; an empty text stands for all pages.

        Raises:
            RequestError: The text is no list of pages, or is too long.
        """
        if not text.strip():
            return cls()
        if len(text) > _MAX_CHARACTERS:
            raise RequestError(
                f"pages has {len(text):,} characters, and may have {_MAX_CHARACTERS:,}: write "
                "ranges, as in 1-3,7."
            )
        matches = [_RANGE.fullmatch(part.strip()) for part in text.split(",")]
        ranges = tuple((int(m[1]), int(m[2] or m[1])) for m in matches if m)
        if None in matches or any(not 1 <= first <= last for first, last in ranges):
            raise RequestError(
                f"pages is {shorten(text)!r}: write page numbers from 1 as in 1-3,7."
            )
        return cls(ranges)

    def of(self, page_count: int) -> list[int]:
        """Return the wanted pages of a document, in page order and each once.

        Raises:
            InputError: The document has none of them.
        """
        numbers = range(1, page_count + 1)
        if not self.ranges:
            return list(numbers)
        found = [
            number
            for number in numbers
            if any(first <= number <= last for first, last in self.ranges)
        ]
        if not found:
            raise InputError(
                "no_such_page",
                f"None of the document's {page_count} pages is in `pages`: ask for others.",
            )
        return found
