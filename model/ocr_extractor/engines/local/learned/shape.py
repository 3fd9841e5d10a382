"""The look of the characters of a text, as numbers."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

import numpy as np

from ocr_extractor.ocr.text_shapes import is_tick

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocr_extractor.engines.local.learned.columns import Columns, Whole

GRAMS = 1 << 13
"""Different numbers that an n-gram can have."""

_LONGEST_GRAM = 4


def shape_columns(texts: Sequence[str]) -> Columns:
    """Return a row of numbers for each text, none of which is empty."""
    rows = np.array([_shape(text) for text in texts], np.float64).reshape(len(texts), len(SHAPES))
    return dict(zip(SHAPES, rows.T, strict=True))


SHAPES = (
    "length",
    "digits",
    "letters",
    "capitals",
    "begins with a capital",
    "begins with a digit",
    "begins with a small letter",
    "begins with a bracket",
    "ends in a colon",
    "ends in a stop",
    "ends in a bracket",
    "ends in a question mark",
    "has $",
    "has #",
    "has /",
    "has -",
    "is a tick",
)


def _shape(text: str) -> tuple[float, ...]:
    length, first, last = len(text), text[0], text[-1]
    return (
        length,
        sum(map(str.isdigit, text)) / length,
        sum(map(str.isalpha, text)) / length,
        sum(map(str.isupper, text)) / length,
        first.isupper(),
        first.isdigit(),
        first.islower(),
        first == "(",
        last in ":;",
        last in ".,",
        last == ")",
        last == "?",
        "$" in text,
        "#" in text,
        "/" in text,
        "-" in text,
        is_tick(text),
    )


def gram_numbers(texts: Sequence[str]) -> Whole:
    """Return the (texts, most n-grams) numbers, [0, GRAMS), of each text's different n-grams.

    Rows are filled up with -1. An n-gram is a part of a word of up to four characters, all digits
    being alike, a whole word, the first one or the last one; its number is a hash.
    """
    found = [sorted({zlib.crc32(gram.encode()) % GRAMS for gram in _grams(t)}) for t in texts]
    numbers = np.full((len(texts), max(map(len, found), default=0)), -1, np.intp)
    for row, each in zip(numbers, found, strict=True):
        row[: len(each)] = each
    return numbers


def _grams(text: str) -> Iterator[str]:
    words = re.sub(r"\d", "0", text).split()
    for word in words:
        edged = f" {word} "
        for size in range(1, _LONGEST_GRAM + 1):
            for start in range(len(edged) - size + 1):
                yield edged[start : start + size]
        yield f"w{word.lower()}"
    yield f"<{words[0].lower()}"
    yield f">{words[-1].lower()}"
