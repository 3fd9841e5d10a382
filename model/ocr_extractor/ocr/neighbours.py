"""The positions of segments relative to each other: beside, below, aligned."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ocr_extractor.contract import Box, Pair
    from ocr_extractor.ocr.segments import Segment

_SAME_ROW = 0.5
"""Two boxes share a row when they overlap by this part of the lower one's height."""

_SAME_COLUMN = 0.3
"""Two boxes share a column when they overlap by this part of the narrower one's width."""


def _overlap(start: int, end: int, other_start: int, other_end: int) -> float:
    """Return the part of the shorter interval that both cover; negative when they are apart."""
    shared = min(end, other_end) - max(start, other_start)
    return shared / max(1, min(end - start, other_end - other_start))


def share_row(box: Box, other: Box) -> bool:
    """Tell whether two boxes stand on one text row."""
    return _overlap(box[1], box[3], other[1], other[3]) >= _SAME_ROW


def share_column(box: Box, other: Box) -> bool:
    """Tell whether one box stands above the other."""
    return _overlap(box[0], box[2], other[0], other[2]) >= _SAME_COLUMN


def overlap_sideways(box: Box, other: Box) -> bool:
    """Tell whether some vertical line meets both boxes."""
    return min(box[2], other[2]) > max(box[0], other[0])


def share_middle(box: Box, other: Box) -> bool:
    """Tell whether the middle of one box lies within the other."""
    return any(
        inner[0] + inner[2] in range(2 * outer[0], 2 * outer[2])
        and inner[1] + inner[3] in range(2 * outer[1], 2 * outer[3])
        for inner, outer in ((box, other), (other, box))
    )


def insert_in_order(pairs: list[Pair], added: Pair) -> None:
    """Put a pair with a question box where it belongs in reading order."""
    box = added.question_box
    place = (
        at
        for at, pair in enumerate(pairs)
        if box and pair.question_box and _comes_before(box, pair.question_box)
    )
    pairs.insert(next(place, len(pairs)), added)


def _comes_before(box: Box, other: Box) -> bool:
    return box[0] < other[0] if share_row(box, other) else box[1] < other[1]


class Neighbours:
    """The segments of a page with each one's nearest neighbour on its row.

    Distances are in text heights of the segment that is asked about.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = segments
        self._right: dict[Segment, Segment] = {}
        self._left: dict[Segment, Segment] = {}
        for segment in segments:
            beside = [other for other in segments if _is_right_of(other, segment)]
            if beside:
                self._right[segment] = min(beside, key=lambda other: other.box[0])
        for segment, right in self._right.items():
            left = self._left.get(right)
            if left is None or segment.box[2] > left.box[2]:
                self._left[right] = segment

    def right(self, segment: Segment) -> Segment | None:
        """Return the nearest segment to the right on the same row."""
        return self._right.get(segment)

    def left(self, segment: Segment) -> Segment | None:
        """Return the nearest segment to the left on the same row."""
        return self._left.get(segment)

    def next(self, segment: Segment, reach: float) -> Segment | None:
        """Return the right neighbour within `reach`, unless another segment is nearer to it."""
        right = self._right.get(segment)
        if right is None or self._left[right] is not segment:
            return None
        return right if gap_beside(segment, right) <= reach else None

    def below(
        self, segment: Segment, reach: float, suits: Callable[[Segment], bool]
    ) -> Segment | None:
        """Return the nearest segment below within `reach` for which `suits` holds."""
        found = [
            other
            for other in self.segments
            if is_below(other, segment) and gap_below(segment, other) <= reach and suits(other)
        ]
        return min(found, key=lambda other: other.box[1], default=None)

    def has_text_above(self, segment: Segment, reach: float) -> bool:
        """Tell whether another segment stands right above, closer than `reach`."""
        return any(
            share_column(other.box, segment.box)
            and is_below(segment, other)
            and (segment.box[1] - other.box[3]) / segment.height < reach
            for other in self.segments
        )


def _is_right_of(other: Segment, segment: Segment) -> bool:
    return (
        other.box[0] > segment.box[0]
        and gap_beside(segment, other) >= -0.5
        and share_row(segment.box, other.box)
    )


def gap_beside(segment: Segment, right: Segment) -> float:
    """Return the white space from `segment` to `right`, in its text heights."""
    return (right.box[0] - segment.box[2]) / segment.height


def gap_below(segment: Segment, lower: Segment) -> float:
    """Return the white space from `segment` down to `lower`, in its text heights."""
    return (lower.box[1] - segment.box[3]) / segment.height


def is_below(lower: Segment, segment: Segment) -> bool:
    """Tell whether `lower` stands on a lower row; OCR boxes of close rows may overlap a bit."""
    return (
        lower.box[1] > segment.box[1] + 0.4 * segment.height and gap_below(segment, lower) >= -0.5
    )


def in_reading_order(segments: Iterable[Segment]) -> list[Segment]:
    """Return the segments row by row, each row from left to right."""
    rows: list[list[Segment]] = []
    for segment in sorted(segments, key=lambda each: each.box[1]):
        row = next((row for row in rows[-3:] if share_row(row[0].box, segment.box)), None)
        if row is None:
            rows.append([segment])
        else:
            row.append(segment)
    return [segment for row in rows for segment in sorted(row, key=lambda each: each.box[0])]
