"""A page cut into segments, with the features of each segment alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ocr_extractor.engines.local.learned.geometry import NOWHERE
from ocr_extractor.engines.local.learned.ink import INK
from ocr_extractor.engines.local.learned.shape import shape_columns
from ocr_extractor.ocr.text_shapes import announces_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.engines.local.learned.columns import Columns, Floats, Values, Whole
    from ocr_extractor.engines.local.learned.geometry import Geometry
    from ocr_extractor.engines.local.learned.ink import Ink
    from ocr_extractor.engines.local.learned.segmentation import LearnedSegment

LABELS = ("question", "answer", "header", "other")
STYLE = (*INK, "pitch", "height")
"""The columns that tell one typeface, or one pen, from another."""

ANSWERED_BY, SAME_QUESTION, SAME_ANSWER = 1, 2, 3
"""What the geometric rules say of two segments."""

_UNLIKE = 0.25
_FAR = 30.0


@dataclass(frozen=True)
class PageFeatures:
    """A page cut into n segments, at least one; `rules` is (n, n), see `mark_rules`."""

    segments: tuple[LearnedSegment, ...]
    geometry: Geometry
    ink: Ink
    rules: Whole

    @property
    def size(self) -> int:
        """The number of segments."""
        return len(self.segments)

    @cached_property
    def own(self) -> Columns:
        """The features of each segment alone."""
        return _own_columns(self)


def mark_rules(
    pairs: Sequence[tuple[Box, Sequence[Box]]], geometry: Geometry
) -> tuple[Whole, list[tuple[frozenset[int], frozenset[int]]]]:
    """Find the segments of the pairs that the geometric rules found.

    Args:
        pairs: The boxes of each question and of its answer's parts.
        geometry: Of n segments.

    Returns:
        (n, n): ANSWERED_BY where the second segment answers the first one, SAME_QUESTION and
        SAME_ANSWER where both are of one, else 0; and the (question, answer) segments of each pair.
    """
    size = len(geometry.box)
    said = np.zeros((size, size), np.intp)
    found = []
    for question_box, answer_boxes in pairs:
        question = np.flatnonzero(_inside(geometry.box, question_box))
        parts = [_inside(geometry.box, box) for box in answer_boxes]
        answer = np.setdiff1d(np.flatnonzero(np.any(parts, axis=0)), question)
        said[np.ix_(question, question)] = SAME_QUESTION
        said[np.ix_(answer, answer)] = SAME_ANSWER
        said[np.ix_(question, answer)] = ANSWERED_BY
        found.append((frozenset(question.tolist()), frozenset(answer.tolist())))
    np.fill_diagonal(said, 0)
    return said, found


def _inside(boxes: Values, box: Box) -> NDArray[np.bool_]:
    """Tell which of the boxes lie in `box` with more than half of their area."""
    x0, y0, x1, y1 = boxes.T
    width = np.minimum(x1, box[2]) - np.maximum(x0, box[0])
    height = np.minimum(y1, box[3]) - np.maximum(y0, box[1])
    area = np.maximum(0, width) * np.maximum(0, height)
    return np.asarray(area > 0.5 * (x1 - x0) * (y1 - y0))


def _own_columns(features: PageFeatures) -> Columns:
    segments, height = features.segments, features.geometry.height
    dark = np.array([np.mean([atom.ink for atom in segment.atoms], axis=0) for segment in segments])
    dark -= np.median(dark, axis=0)
    pitch = np.array([(each.box[2] - each.box[0]) / len(each.text) for each in segments]) / height
    words = [[atom.word for atom in segment.atoms] for segment in segments]
    begins, ends = _foot_line(features)
    return {
        **{name: dark[:, n] for n, name in enumerate(INK)},
        "pitch": pitch - np.median(pitch),
        "height": features.geometry.heights / height,
        "line begins": begins,
        "line ends": ends,
        "ends a label": np.array([announces_value(each.text) for each in segments], np.float64),
        "has a colon": np.array([any(w.text[-1] in ":;" for w in of) for of in words], np.float64),
        "words": np.array([len(of) for of in words], np.float64),
        "ruled": np.array([np.mean([w.underlined for w in of]) for of in words]),
        "kind": np.array([each.atoms[0].kind for each in segments], np.float64),
        "mark": np.array([each.atoms[0].mark for each in segments], np.float64),
        "walled": np.array([of[0].walled for of in words], np.float64),
        "cut before": np.array([each.cut_before for each in segments]),
        "cut after": np.array([each.cut_after for each in segments]),
        **shape_columns([each.text for each in segments]),
    }


def _foot_line(features: PageFeatures) -> tuple[Values, Values]:
    """Measure the line at a segment's foot, in text heights.

    Returns:
        How far right of the segment's left end it begins, how far right of its right end it ends.
    """
    x0, _, x1, y1 = features.geometry.box.T[:, :, None]
    start, y, end = features.ink.level.T
    near = (abs(y - y1) < 0.4 * features.geometry.heights[:, None]) & (start < x1) & (end > x0)
    first = np.where(near, start, NOWHERE).min(axis=1, initial=NOWHERE)
    last = np.where(near, end, -NOWHERE).max(axis=1, initial=-NOWHERE)
    height = features.geometry.height
    begins = np.clip((first - x0[:, 0]) / height, -20, 20)
    return begins, np.clip((last - x1[:, 0]) / height, -20, _FAR)


def labelled(prefix: str, probabilities: Floats | Values) -> Columns:
    """Return (rows, labels) probabilities as columns."""
    return {
        f"{prefix} {label}": probabilities[:, n].astype(np.float64)
        for n, label in enumerate(LABELS)
    }


def of_others(probabilities: Floats, rows: Whole) -> Values:
    """Return the labels' probabilities of other segments; of none, all alike."""
    return np.where((rows >= 0)[:, None], probabilities[rows], _UNLIKE).astype(np.float64)


def rule_columns(features: PageFeatures) -> Columns:
    """Return the features of each segment that come from the geometric rules."""
    answered = features.rules == ANSWERED_BY
    return {
        "rules: question": answered.any(axis=1).astype(np.float64),
        "rules: answer": answered.any(axis=0).astype(np.float64),
        "rules: answers": answered.sum(axis=1).astype(np.float64),
    }
