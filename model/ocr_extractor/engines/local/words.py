"""Words of a page: the plain data that OCR hands to the linker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocr_extractor.contract import Box


@dataclass(frozen=True, slots=True)
class Word:
    """One word as the OCR read it.

    Attributes:
        text: Its characters, never empty and without whitespace.
        box: Where it stands, px of the page.
        line: Number of the OCR text line it belongs to; words of a line are in writing order.
        underlined: Whether a ruled line, as of a field to fill in, runs below it.
        walled: Whether an upright ruled line, as of a table cell, stands close on its left.
    """

    text: str
    box: Box
    line: int
    underlined: bool = False
    walled: bool = False

    def part(self, start: int, end: int) -> Word:
        """Return characters `start` (inclusive) to `end` (exclusive) as a word of their own.

        The box is cut in proportion to the characters, as the OCR itself places them.
        """
        x0, y0, x1, y1 = self.box
        step = (x1 - x0) / len(self.text)
        box = (floor(x0 + start * step), y0, ceil(x0 + end * step), y1)
        return replace(self, text=self.text[start:end], box=box)


def union(boxes: Iterable[Box]) -> Box:
    """Return the smallest box around all `boxes`, px; at least one is needed."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)
