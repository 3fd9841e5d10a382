"""A page as the candidates of fields need it: segments, their rows, and blocks of lines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ocr_extractor.engines.local.learned.geometry import measure_geometry
from ocr_extractor.ocr.segments import find_segments
from ocr_extractor.ocr.text_shapes import has_digits, has_letters, is_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocr_extractor.engines.local.learned.columns import Values, Whole
    from ocr_extractor.engines.local.learned.geometry import Geometry
    from ocr_extractor.ocr.segments import Segment
    from ocr_extractor.ocr.words import Word

_MOST_LINES = 6
"""Lines of a block: addresses have fewer."""

_MOST_GAP = 1.3
"""White space between two lines of a block, text heights of the page."""

_SAME_HEIGHT = 0.6
"""Lines of a block are at least so high, of 1, as its highest one."""

_ALIGNED = 1.2
"""How far lines of a block may be out of line, at the left or in the middle, text heights."""


_IN_LINE = 2.0
"""How far a heading and the rows below it may be out of line, text heights."""


@dataclass(frozen=True)
class Layout:
    """The n segments of a page that has words.

    Attributes:
        segments: From top to bottom.
        geometry: Their places.
        rows: (n,) the number of each one's row, from the top.
        outer: What all of them cover, px.
    """

    segments: list[Segment]
    geometry: Geometry
    rows: Whole
    outer: Values

    @classmethod
    def of(cls, words: Sequence[Word]) -> Layout | None:
        """Measure a page; None where it has no text."""
        segments = [each for each in find_segments(words) if each.text.strip()]
        if not segments:
            return None
        geometry = measure_geometry(segments)
        box = geometry.box
        outer = np.concatenate([box[:, :2].min(axis=0), box[:, 2:].max(axis=0)])
        return cls(segments, geometry, _rows(box), outer)

    @cached_property
    def firsts(self) -> list[int]:
        """The first segment of each one's row, -1 where it is that itself."""
        first: dict[int, int] = {}
        rows, box = self.rows.tolist(), self.geometry.box
        for at in np.argsort(box[:, 0], kind="stable").tolist():
            first.setdefault(rows[at], at)
        return [first[row] if first[row] != at else -1 for at, row in enumerate(rows)]

    @cached_property
    def headers(self) -> list[int]:
        """The nearest segment above each one that looks like a label, -1 for none."""
        above = self.geometry.nearest["above"].tolist()
        found: dict[int, int] = {}
        for at in np.argsort(self.geometry.box[:, 1], kind="stable").tolist():
            upper = above[at]
            text = self.segments[upper].text if upper >= 0 else ""
            found[at] = upper if is_label(text) and not has_digits(text) else found.get(upper, -1)
        return [found[at] for at in range(len(above))]

    @cached_property
    def sections(self) -> list[int]:
        """The nearest heading above the first segment of each one's row, -1 for none.

        A heading is a label that stands alone in its row, in line with the rows below it.
        """
        box, rows = self.geometry.box, self.rows
        alone = np.bincount(rows)[rows] == 1
        texts = [segment.text for segment in self.segments]
        heads = [n for n in np.flatnonzero(alone).tolist() if is_label(texts[n])]
        heads = [n for n in heads if not has_digits(texts[n])]
        reach = _IN_LINE * self.geometry.height
        found = []
        for at, first in enumerate(self.firsts):
            line = box[first if first >= 0 else at]
            above = [
                n for n in heads if box[n, 3] <= line[1] + 1 and abs(box[n, 0] - line[0]) < reach
            ]
            found.append(max(above, key=lambda n: box[n, 1], default=-1))
        return found

    def blocks(self) -> Iterator[tuple[int, ...]]:
        """Yield the runs of two lines and more that stand below each other, as segments' numbers.

        All of a run's beginnings are runs, too: where an address ends shows its text alone.
        """
        following = self._following()
        for first in range(len(self.segments)):
            run = [first]
            while len(run) < _MOST_LINES and (lower := following[run[-1]]) >= 0:
                run.append(lower)
                yield tuple(run)

    def _following(self) -> list[int]:
        """Return for each segment the next line of its block, -1 for none."""
        geometry, box = self.geometry, self.geometry.box
        heights, unit = geometry.heights, max(geometry.height, 1.0)
        found = []
        for at, lower in enumerate(geometry.nearest["below"].tolist()):
            fits = lower >= 0 and geometry.under[at, lower] <= _MOST_GAP * max(heights[at], unit)
            fits = fits and has_letters(self.segments[at].text)
            if fits:
                low, high = sorted((heights[at], heights[lower]))
                left = abs(box[at, 0] - box[lower, 0])
                middle = abs(box[at, [0, 2]].mean() - box[lower, [0, 2]].mean())
                fits = low >= _SAME_HEIGHT * high and min(left, middle) <= _ALIGNED * high
            found.append(lower if fits else -1)
        return found


def _rows(box: Values) -> Whole:
    """Number the rows: a segment whose middle lies above a row's bottom belongs to it."""
    numbers = np.zeros(len(box), np.intp)
    bottom, row = -1.0, -1
    for at in np.argsort(box[:, 1] + box[:, 3], kind="stable"):
        if (box[at, 1] + box[at, 3]) / 2 > bottom:
            row, bottom = row + 1, box[at, 3]
        numbers[at] = row
    return numbers
