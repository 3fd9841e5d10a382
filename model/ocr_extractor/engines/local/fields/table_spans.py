"""Where the columns of a table stand: stripes of a page that its rows fill."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.ocr.words import Word

_RAGGED = 0.6
"""Part of the rows that must have several cells in a stripe for it to be several columns."""


@dataclass(frozen=True, slots=True)
class Run:
    """Words of a text row that belong to one cell.

    Attributes:
        words: From left to right, at least one.
        left: px.
        right: px.
    """

    words: tuple[Word, ...]
    left: int
    right: int

    @property
    def text(self) -> str:
        """Its words."""
        return " ".join(word.text for word in self.words)


def find_spans(
    rows: Sequence[Sequence[Run]], height: float, width: int, least: int | None = None
) -> list[tuple[int, int]]:
    """Return where the columns of some rows stand: what white stripes separate, px.

    Args:
        rows: The cells of each row.
        height: Of a text line, px.
        width: Of the page, px.
        least: Rows that a column fills; None for a tenth of them.
    """
    cover = np.zeros(width + 2, dtype=np.int32)
    for row in rows:
        for run in row:
            cover[max(0, run.left)] += 1
            cover[min(width, run.right)] -= 1
    filled = np.cumsum(cover) >= (least or 1 + len(rows) // 10)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], filled.astype(np.int8), [0]])))
    spans: list[tuple[int, int]] = []
    for left, right in edges.reshape(-1, 2).tolist():
        if spans and left - spans[-1][1] < 0.3 * height:
            spans[-1] = (spans[-1][0], right)
        else:
            spans.append((left, right))
    return [part for span in spans for part in _parted(span, rows)]


def _parted(span: tuple[int, int], rows: Sequence[Sequence[Run]]) -> list[tuple[int, int]]:
    """Return the columns of a stripe in which most rows have several cells, ragged ones."""
    cells = [[run for run in row if span[0] <= run.left and run.right <= span[1]] for row in rows]
    counts = Counter(len(row) for row in cells if row)
    often, times = counts.most_common(1)[0] if counts else (1, 0)
    if often < 2 or times < _RAGGED * counts.total():
        return [span]
    same = [row for row in cells if len(row) == often]
    return [
        (
            int(median(row[place].left for row in same)),
            int(median(row[place].right for row in same)),
        )
        for place in range(often)
    ]


def nearest(left: float, right: float, spans: Sequence[tuple[int, int]]) -> int:
    """Return which span an interval overlaps most, or is nearest to; -1 if there is none."""
    best = max(
        (
            (min(right, end) - max(left, start), -abs(left + right - start - end), at)
            for at, (start, end) in enumerate(spans)
        ),
        default=(0, 0, -1),
    )
    return best[2]


def match_spans(titles: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[int]:
    """Return which span each title stands above: each its own one, as near as they can be."""
    starts, ends = np.array(titles).reshape(-1, 2, 1).swapaxes(0, 1)
    lefts, rights = np.array(spans).T
    overlap = np.minimum(ends, rights) - np.maximum(starts, lefts)
    rows, columns = linear_sum_assignment(
        np.where(overlap > 0, 1000.0, 0.0) + overlap, maximize=True
    )
    over = [nearest(*title, spans) for title in titles]
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        over[row] = column
    return over
