"""A page cut into pieces, with what is known of each piece by itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ocr_extractor.engines.local.learned.geometry import NOWHERE
from ocr_extractor.engines.local.learned.ink import INK
from ocr_extractor.engines.local.learned.shape import shape_columns
from ocr_extractor.engines.local.shapes import announces_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.engines.local.learned.geometry import Geometry
    from ocr_extractor.engines.local.learned.ink import Ink
    from ocr_extractor.engines.local.learned.pieces import Piece
    from ocr_extractor.engines.local.learned.table import Columns, Floats, Whole

Values = NDArray[np.float64]

LABELS = ("question", "answer", "header", "other")
STYLE = (*INK, "pitch", "height")
"""The columns that tell one typeface, or one pen, from another."""

ANSWERED_BY, SAME_QUESTION, SAME_ANSWER = 1, 2, 3
"""What the geometric rules say of two pieces."""

_UNLIKE = 0.25
_FAR = 30.0


@dataclass(frozen=True)
class Sheet:
    """A page cut into n pieces, at least one.

    Attributes:
        pieces: The pieces.
        geometry: Where they stand.
        ink: The page's ruled lines.
        rules: (n, n) what the geometric rules say of each two pieces, see `mark_rules`.
    """

    pieces: tuple[Piece, ...]
    geometry: Geometry
    ink: Ink
    rules: Whole

    @property
    def size(self) -> int:
        """The number of pieces."""
        return len(self.pieces)

    @cached_property
    def own(self) -> Columns:
        """What is known of each piece by itself."""
        return _own_columns(self)


def mark_rules(
    pairs: Sequence[tuple[Box, Sequence[Box]]], geometry: Geometry
) -> tuple[Whole, list[tuple[frozenset[int], frozenset[int]]]]:
    """Find the pieces of the pairs that the geometric rules found.

    Args:
        pairs: The boxes of each question and of its answer's parts.
        geometry: Of n pieces.

    Returns:
        (n, n): ANSWERED_BY where the second piece answers the first one, SAME_QUESTION and
        SAME_ANSWER where both are of one, else 0; and the (question, answer) pieces of each pair.
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


def _own_columns(sheet: Sheet) -> Columns:
    pieces, height = sheet.pieces, sheet.geometry.height
    dark = np.array([np.mean([atom.ink for atom in piece.atoms], axis=0) for piece in pieces])
    dark -= np.median(dark, axis=0)
    pitch = np.array([(each.box[2] - each.box[0]) / len(each.text) for each in pieces]) / height
    words = [[atom.word for atom in piece.atoms] for piece in pieces]
    begins, ends = _foot_line(sheet)
    return {
        **{name: dark[:, n] for n, name in enumerate(INK)},
        "pitch": pitch - np.median(pitch),
        "height": sheet.geometry.heights / height,
        "line begins": begins,
        "line ends": ends,
        "ends a label": np.array([announces_value(each.text) for each in pieces], np.float64),
        "has a colon": np.array([any(w.text[-1] in ":;" for w in of) for of in words], np.float64),
        "words": np.array([len(of) for of in words], np.float64),
        "ruled": np.array([np.mean([w.underlined for w in of]) for of in words]),
        "kind": np.array([each.atoms[0].kind for each in pieces], np.float64),
        "mark": np.array([each.atoms[0].mark for each in pieces], np.float64),
        "walled": np.array([of[0].walled for of in words], np.float64),
        "cut before": np.array([each.cut_before for each in pieces]),
        "cut after": np.array([each.cut_after for each in pieces]),
        **shape_columns([each.text for each in pieces]),
    }


def _foot_line(sheet: Sheet) -> tuple[Values, Values]:
    """Measure the line at a piece's foot, in text heights.

    Returns:
        How far right of the piece's left end it begins, how far right of its right end it ends.
    """
    x0, _, x1, y1 = sheet.geometry.box.T[:, :, None]
    start, y, end = sheet.ink.level.T
    near = (abs(y - y1) < 0.4 * sheet.geometry.heights[:, None]) & (start < x1) & (end > x0)
    first = np.where(near, start, NOWHERE).min(axis=1, initial=NOWHERE)
    last = np.where(near, end, -NOWHERE).max(axis=1, initial=-NOWHERE)
    height = sheet.geometry.height
    begins = np.clip((first - x0[:, 0]) / height, -20, 20)
    return begins, np.clip((last - x1[:, 0]) / height, -20, _FAR)


def labelled(prefix: str, probabilities: Floats | Values) -> Columns:
    """Return (rows, labels) probabilities as columns."""
    return {
        f"{prefix} {label}": probabilities[:, n].astype(np.float64)
        for n, label in enumerate(LABELS)
    }


def of_others(probabilities: Floats, rows: Whole) -> Values:
    """Return the labels' probabilities of other pieces; of none, all alike."""
    return np.where((rows >= 0)[:, None], probabilities[rows], _UNLIKE).astype(np.float64)


def rule_columns(sheet: Sheet) -> Columns:
    """Return what the geometric rules make of each piece."""
    answered = sheet.rules == ANSWERED_BY
    return {
        "rules: question": answered.any(axis=1).astype(np.float64),
        "rules: answer": answered.any(axis=0).astype(np.float64),
        "rules: answers": answered.sum(axis=1).astype(np.float64),
    }
