"""Words of text lines, as an OCR reads them without fault."""

from __future__ import annotations

from collections.abc import Iterable

from ocr_extractor.ocr.words import Word

_LETTER, _SPACE, _HEIGHT = 9, 8, 18


def read_words(lines: Iterable[tuple[tuple[int, int], str]]) -> tuple[Word, ...]:
    """Return the words of text lines, each with the (x, y) of its begin, px."""
    found = []
    for number, ((left, top), text) in enumerate(lines):
        start = left
        for word in text.split():
            end = start + _LETTER * len(word)
            found.append(Word(word, (start, top, end, top + _HEIGHT), number))
            start = end + _SPACE
    return tuple(found)
