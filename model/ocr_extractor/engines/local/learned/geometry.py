"""The relative positions of the segments of a page, as matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.engines.local.learned.columns import Values, Whole
    from ocr_extractor.engines.local.learned.segmentation import LearnedSegment
    from ocr_extractor.ocr.segments import Segment

SIDES = ("right", "left", "below", "above")

NOWHERE = 1e9
_FARTHEST = 50.0
_ON_ROW = 0.4
_IN_COLUMN = 0.2
_LOWER = 0.4


@dataclass(frozen=True)
class Geometry:
    """The places of n segments.

    Attributes:
        box: (n, 4) px.
        heights: (n,) text heights, px.
        height: Their median, px, the unit of lengths.
        row: (n, n): the part of the lower segment's height that two segments share.
        column: (n, n): the part of the narrower one's width; negative when they are apart.
        beside: (n, n): px from the segment of a row of the matrix to that of a column right of it
            on its text row; NOWHERE when it does not stand there.
        under: (n, n): px down to a segment below it in its column; NOWHERE likewise.
        nearest: By side, (n,): the nearest segment there, -1 for none.
        gaps: By side, (n,): how far it is away, text heights.
    """

    box: Values
    heights: Values
    height: float
    row: Values
    column: Values
    beside: Values
    under: Values
    nearest: dict[str, Whole]
    gaps: dict[str, Values]


def measure_geometry(segments: Sequence[LearnedSegment] | Sequence[Segment]) -> Geometry:
    """Measure a page of at least one segment."""
    box = np.array([segment.box for segment in segments], np.float64)
    heights = np.array([segment.height for segment in segments])
    x0, y0, x1, y1 = box.T
    row, column = _shared(y0, y1), _shared(x0, x1)
    other = ~np.eye(len(box), dtype=bool)
    is_right = (row > _ON_ROW) & (x0 > x0[:, None]) & other
    beside = np.where(is_right, x0 - x1[:, None], NOWHERE)
    is_below = (column > _IN_COLUMN) & (y0 > (y0 + _LOWER * heights)[:, None]) & other
    under = np.where(is_below, y0 - y1[:, None], NOWHERE)
    nearest, gaps = {}, {}
    height = float(np.median(heights))
    for side, apart in zip(SIDES, (beside, beside.T, under, under.T), strict=True):
        closest = apart.argmin(axis=1)
        distance = apart[np.arange(len(box)), closest]
        there = distance < NOWHERE
        nearest[side] = np.where(there, closest, -1)
        gaps[side] = np.where(there, np.minimum(distance / height, _FARTHEST), _FARTHEST)
    return Geometry(box, heights, height, row, column, beside, under, nearest, gaps)


def _shared(start: Values, end: Values) -> Values:
    """Return the part of the shorter one of two intervals that both cover, for all pairs."""
    shared = np.minimum(end[:, None], end) - np.maximum(start[:, None], start)
    size = end - start
    return np.asarray(shared / np.maximum(1, np.minimum(size[:, None], size)))


def ranks(values: Values, axis: int) -> Whole:
    """Return the rank of every value along an axis, 0 for the smallest."""
    return values.argsort(axis=axis, kind="stable").argsort(axis=axis, kind="stable")


def reading_order(numbers: Sequence[int], box: Values) -> list[int]:
    """Sort some segments row by row, each row from left to right."""
    rows: list[list[int]] = []
    for number in sorted(numbers, key=lambda each: box[each, 1]):
        for row in rows:
            first, this = box[row[0]], box[number]
            shared = min(first[3], this[3]) - max(first[1], this[1])
            if shared > 0.5 * min(first[3] - first[1], this[3] - this[1]):
                row.append(number)
                break
        else:
            rows.append([number])
    return [number for row in rows for number in sorted(row, key=lambda each: box[each, 0])]
