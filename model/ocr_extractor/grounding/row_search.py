"""Finds a table's rows: each on the text row of the page that has most of its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocr_extractor.grounding.text_folding import fold
from ocr_extractor.grounding.text_search import NOT_FOUND, PageIndex
from ocr_extractor.ocr.neighbours import share_row
from ocr_extractor.ocr.words import union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.grounding.text_search import Finding
    from ocr_extractor.ocr.words import Word

_CHOICES = 8
"""Text rows that are searched for a table's row."""

_BACK_COST = 0.3
"""Score lost by a row that stands above the one before, or on the same text row."""

_WRAPPED = 0.9
"""A cell with a lower score in its text row may go on in the next one."""


class TextRow:
    """Words beside each other on a page, across all columns, from left to right; box in px."""

    def __init__(self, words: Sequence[Word]) -> None:
        """Take the words of a row, at least one."""
        self.words = sorted(words, key=lambda word: word.box[0])
        self.box = union(word.box for word in words)
        self.folded = "".join(fold(word.text) for word in self.words)
        self._index: PageIndex | None = None
        self._found: dict[str, list[Finding]] = {}

    def find(self, text: str) -> list[Finding]:
        """Return the best findings of a text in the row, best first."""
        if text not in self._found:
            if self._index is None:
                self._index = PageIndex(self.words)
            self._found[text] = self._index.find(text)
        return self._found[text]


def text_rows(words: Sequence[Word]) -> list[TextRow]:
    """Return a page's rows, from top to bottom."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (word.box[1] + word.box[3], word.box[0])):
        row = next((row for row in rows[-3:] if share_row(row[-1].box, word.box)), None)
        if row is None:
            rows.append([word])
        else:
            row.append(word)
    return [TextRow(row) for row in rows]


def place_rows(
    cells: Sequence[Sequence[str | None]], rows: Sequence[TextRow], index: PageIndex
) -> list[list[Finding]]:
    """Return where the cells of a table stand, row by row.

    A row gets the text row that says most of it; of several that say as much, the first one below
    the row before. All cells of a row are found in its text row, or, if they are wrapped, from
    there on.

    Args:
        cells: The texts of each row, as an LLM gave them; None and "" are not looked for.
        rows: The page's text rows.
        index: The page's words.
    """
    placed = []
    last = -1
    wrapped: dict[str, list[Finding]] = {}
    for texts in cells:
        said = [text or "" for text in texts]
        scored = [
            (_score(found) - _BACK_COST * (at <= last), -abs(at - last - 1), at, found)
            for at in _likely(said, rows, last)
            if any(found := _in_row(said, rows[at]))
        ]
        best = max(scored, key=lambda each: each[:2], default=None)
        found = best[3] if best else [NOT_FOUND] * len(said)
        if best is not None:
            last = best[2]
            for at, text in enumerate(said):
                if " " in text.strip() and found[at].score < _WRAPPED:
                    if text not in wrapped:
                        wrapped[text] = index.find(text)
                    found[at] = _wrapped(found[at], wrapped[text], rows[last].box)
        placed.append(found)
    return placed


def _score(found: Sequence[Finding]) -> float:
    return sum(finding.score for finding in found)


def _likely(texts: Sequence[str], rows: Sequence[TextRow], last: int) -> list[int]:
    """Return the rows that say most of the texts at a glance, those that follow the last first."""
    folded = [fold(text) for text in texts if text]

    def said(at: int) -> int:
        return sum(len(text) for text in folded if text in rows[at].folded)

    return sorted(range(len(rows)), key=lambda at: (-said(at), abs(at - last - 1)))[:_CHOICES]


def _in_row(texts: Sequence[str], row: TextRow) -> list[Finding]:
    """Find texts in one row, the longest first, no characters twice."""
    found = [NOT_FOUND] * len(texts)
    used = 0
    for at in sorted(range(len(texts)), key=lambda at: -len(texts[at])):
        free = (each for each in row.find(texts[at]) if not each.mask & used) if texts[at] else ()
        found[at] = next(iter(free), NOT_FOUND)
        used |= found[at].mask
    return found


def _wrapped(found: Finding, anywhere: Sequence[Finding], row: Box) -> Finding:
    """Return the finding of a cell that begins in the row, if it says more of it."""
    better = [
        each
        for each in anywhere
        if each.box and each.score > found.score and each.box[1] < row[3] and each.box[3] > row[1]
    ]
    return max(better, key=lambda each: each.worth, default=found)
