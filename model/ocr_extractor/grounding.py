"""Grounds an LLM's pairs: finds their texts among the words that the OCR read on the page."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from ocr_extractor.engines.local.ruling import find_masks
from ocr_extractor.quoting import MARK, NOT_FOUND, PageIndex, fold, gaps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cv2.typing import MatLike
    from PIL import Image

    from ocr_extractor.contract import Box, Pair
    from ocr_extractor.engines.local.words import Word
    from ocr_extractor.quoting import Finding

# Scores lost by an answer that does not stand right beside or below its question.
_APART_COST = 0.01  # a line height
_DIAGONAL_COST = 0.5
_BEFORE_COST = 0.3
_UNEVEN_COST = 0.2  # a line height that one in the row stands higher
_MAX_UNEVEN_COST = 0.5
_MAX_APART_COST = 1.0

_MARGIN = 2
"""px around the ink, as in FUNSD's boxes."""


def ground(pairs: Sequence[Pair], words: Sequence[Word], image: Image.Image) -> tuple[Pair, ...]:
    """Give pairs the boxes of the words that they quote.

    Spacing does not matter, OCR errors cost score. The pairs with the best alignments choose
    first, and no word is used twice, but for what is found nowhere else: a table's cell answers
    its row and its column.

    Args:
        pairs: What an LLM said of a page.
        words: What the OCR read on it.
        image: The page.

    Returns:
        The pairs in their order, with `grounded`, boxes, and as confidence how well question and
        answer agree with the page: the answer's score in [0, 1], halved where the question is not
        found. 0 when the answer is not on the page.
    """
    if not words:
        return tuple(_grounded(pair, NOT_FOUND, NOT_FOUND) for pair in pairs)
    index = PageIndex(words)
    placed: dict[int, tuple[Finding, Finding]] = {}
    # Complete pairs before halves, unused words before used ones.
    for halves, reuse in product((False, True), repeat=2):
        left = [number for number in range(len(pairs)) if number not in placed]
        choices = [
            (score, number, both)
            for number in left
            for score, both in _choices(pairs[number], index, reuse=reuse)
        ]
        for _, number, both in sorted(choices, key=lambda choice: -choice[0]):
            complete = all(finding.places for finding in both) or pairs[number].answer is None
            if number in placed or not (complete or halves):
                continue
            if reuse or index.is_free(both):
                placed[number] = both
                index.use(both)
    nothing = (NOT_FOUND, NOT_FOUND)
    grounded = [_grounded(pair, *placed.get(at, nothing)) for at, pair in enumerate(pairs)]
    return _tightened(grounded, words, image)


def _grounded(pair: Pair, question: Finding, answer: Finding) -> Pair:
    blank = pair.answer is None
    score = question.score if blank else answer.score * (1 + question.score) / 2
    return replace(
        pair,
        question_box=question.box,
        answer_box=answer.box,
        grounded=bool(question.places if blank else answer.places),
        confidence=min(max(score, 0.0), 1.0),
    )


def _choices(
    pair: Pair, index: PageIndex, *, reuse: bool
) -> Iterator[tuple[float, tuple[Finding, Finding]]]:
    """Yield (score, (question, answer)) for all ways to place a pair or one half of it."""
    questions = index.find(pair.question, reuse=reuse)
    answers = index.find(pair.answer, reuse=reuse) if pair.answer else []
    is_mark = fold(pair.answer or "") == MARK
    for question, answer in product(questions or [NOT_FOUND], answers or [NOT_FOUND]):
        score = question.score + answer.score
        if question.box is None or answer.box is None:
            yield score, (question, answer)
        elif not question.overlaps(answer):
            cost = _distance_cost(question.box, answer.box, is_mark=is_mark)
            yield score - min(cost, _MAX_APART_COST), (question, answer)


def _distance_cost(question: Box, answer: Box, *, is_mark: bool) -> float:
    """Return the score lost by where an answer stands; a tick may stand before its option."""
    beside, below, back = gaps(question, answer)
    cost = _APART_COST * (beside + below) + _DIAGONAL_COST * bool(beside and below > 0.5)
    if back and not (is_mark and not below):
        cost += _BEFORE_COST
    if beside:
        top, foot = question[1] - answer[1], question[3] - answer[3]
        uneven = min(abs(top), abs(foot), abs(top + foot) / 2) / max(1, question[3] - question[1])
        cost += min(_MAX_UNEVEN_COST, _UNEVEN_COST * uneven)
    return cost


def _tightened(
    pairs: Sequence[Pair], words: Sequence[Word], image: Image.Image
) -> tuple[Pair, ...]:
    """Return pairs with boxes that end a little outside the text's ink."""
    import cv2

    masks = find_masks(words, image)
    ink = cv2.bitwise_and(masks.ink, cv2.bitwise_not(cv2.bitwise_or(masks.level, masks.upright)))
    return tuple(
        replace(
            pair,
            question_box=pair.question_box and _tight(pair.question_box, ink),
            answer_box=pair.answer_box and _tight(pair.answer_box, ink),
        )
        for pair in pairs
    )


def _tight(box: Box, ink: MatLike) -> Box:
    """Return the box, px, a little outside the ink in it; itself when there is none."""
    import numpy as np

    height, width = ink.shape
    left, top = max(0, box[0] - _MARGIN), box[1]
    part = ink[top : box[3], left : box[2] + _MARGIN]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if not len(rows):
        return box
    return (
        max(0, left + int(columns[0]) - _MARGIN),
        max(0, top + int(rows[0]) - _MARGIN),
        min(width, left + int(columns[-1]) + 1 + _MARGIN),
        min(height, top + int(rows[-1]) + 1 + _MARGIN),
    )
