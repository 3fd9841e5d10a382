"""Grounds an LLM's pairs: finds their texts among the words that OCR read on the page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ocr_extractor.grounding.placement import place
from ocr_extractor.grounding.text_search import NOT_FOUND, PageIndex
from ocr_extractor.ocr.ruled_lines import find_masks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cv2.typing import MatLike
    from PIL import Image

    from ocr_extractor.contract import Box, Pair
    from ocr_extractor.grounding.text_search import Finding
    from ocr_extractor.ocr.words import Word

_MARGIN = 2
"""px around the ink, as in FUNSD's boxes."""

_STRAY = 0.2
"""Ink at the edge of a box that is this slim, in parts of its height, belongs to a line or to other
text."""


def ground(pairs: Sequence[Pair], words: Sequence[Word], image: Image.Image) -> tuple[Pair, ...]:
    """Give pairs the boxes of the words that they quote.

    Spaces do not matter; OCR errors lower the score. If a text is in several places, it gets
    the one where all pairs fit best together: answers beside or below their questions, questions in
    the order of the pairs, and words used once unless a table's cell answers its row and its
    column.

    Returns:
        The pairs in their order, with `grounded`, boxes, and as confidence how well question and
        answer agree with the page: the answer's score in [0, 1], halved where the question is not
        found. 0 when the answer is not on the page.
    """
    if not words:
        return tuple(_grounded(pair, NOT_FOUND, NOT_FOUND) for pair in pairs)
    placed = place(pairs, PageIndex(words))
    grounded = [_grounded(pair, *both) for pair, both in zip(pairs, placed, strict=True)]
    boxes = [box for pair in grounded for box in (pair.question_box, pair.answer_box)]
    tight = iter(tightened(boxes, words, image))
    return tuple(
        replace(pair, question_box=next(tight), answer_box=next(tight)) for pair in grounded
    )


def _grounded(pair: Pair, question: Finding, answer: Finding) -> Pair:
    blank = pair.answer is None
    score = question.score if blank else answer.score * (1 + question.score) / 2
    return replace(
        pair,
        question_box=question.box,
        answer_box=answer.box,
        grounded=bool(question.mask if blank else answer.mask),
        confidence=min(max(score, 0.0), 1.0),
    )


def tightened(
    boxes: Sequence[Box | None], words: Sequence[Word], image: Image.Image
) -> list[Box | None]:
    """Return boxes that end a little outside the text's ink, px; None stays None."""
    ink = find_masks(words, image).text()
    return [box and _tight(box, ink) for box in boxes]


def _tight(box: Box, ink: MatLike) -> Box:
    """Return the box, px, a little outside its ink; the same box if there is no ink."""
    import numpy as np

    height, width = ink.shape
    left, top = max(0, box[0] - _MARGIN), box[1]
    part = ink[top : box[3], left : box[2] + _MARGIN]
    if not part.any():
        return box
    part = _without_strays(part)
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    return (
        max(0, left + int(columns[0]) - _MARGIN),
        max(0, top + int(rows[0]) - _MARGIN),
        min(width, left + int(columns[-1]) + 1 + _MARGIN),
        min(height, top + int(rows[-1]) + 1 + _MARGIN),
    )


def _without_strays(ink: MatLike) -> MatLike:
    """Return the ink in a box without slim pieces at its edge, unless there is no other ink."""
    import cv2

    height, width = ink.shape
    _, pieces, table, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    x, y, wide, tall = table[:, :4].T
    stray = ((y == 0) | (y + tall == height)) & (tall <= _STRAY * height)
    stray |= ((x == 0) | (x + wide == width)) & (wide <= _STRAY * height)
    stray[0] = True  # the paper
    kept = ~stray[pieces]
    return kept if kept.any() else ink
