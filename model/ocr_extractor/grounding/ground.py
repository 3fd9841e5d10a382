"""Grounds an LLM's pairs: finds their texts among the words that OCR read, and places them."""

from __future__ import annotations

from dataclasses import replace
from heapq import nlargest
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from ocr_extractor.grounding.text_folding import MARK, fold
from ocr_extractor.grounding.text_search import NOT_FOUND, PageIndex, gaps
from ocr_extractor.ocr.ruled_lines import find_masks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cv2.typing import MatLike
    from PIL import Image

    from ocr_extractor.contract import Box, Pair
    from ocr_extractor.grounding.text_search import Finding, PageIndex
    from ocr_extractor.ocr.words import Word

_MARGIN = 2
"""px around the ink, as in FUNSD's boxes."""

_STRAY = 0.2
"""Ink at the edge of a box that is this slim, in parts of its height, belongs to a line or to other
text."""

# Score lost by an answer that is not directly beside or below its question.
_APART_COST = 0.01  # a line height
_DIAGONAL_COST = 0.5
_BEFORE_COST = 0.3
_UNEVEN_COST = 0.2  # a line height by which an answer on the row is higher
_MAX_UNEVEN_COST = 0.5
_MAX_APART_COST = 0.9

_REUSE_COST = 0.3
"""Score lost by a text that shares all of its characters with another one, such as the cell of a
table that answers its row and its column."""

_ORDER_COST = 0.1
"""Score lost by a question that is placed before the question of the previous pair."""

_PAIR_CHOICES = 20
_BEAM = 30
"""Number of placements of all pairs so far that the search keeps."""


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


class _Choice(NamedTuple):
    """A way to place a pair, or half of it; the score is that of the pair alone."""

    score: float
    question: Finding
    answer: Finding


class _State(NamedTuple):
    """A way to place the first pairs of a page.

    Attributes:
        score: Of all of them.
        used: A bit for each character of the page, set for used ones.
        last: Place of the last question, px; None if none was found.
        placed: How each is placed: the last one, and those before it.
    """

    score: float
    used: int
    last: Box | None
    placed: _Placed | None


_Placed = tuple[_Choice, "_Placed | None"]
"""A list whose beginning is shared: an LLM may answer with very many pairs."""


def place(pairs: Sequence[Pair], index: PageIndex) -> tuple[tuple[Finding, Finding], ...]:
    """Return the finding of each pair's question and of its answer.

    A beam search over the pairs in their order for the best total score: the found part of each
    text, minus penalties for answers far from their questions, for words that are used twice, and
    for questions out of reading order.
    """
    states = [_State(0.0, 0, None, None)]
    for pair in pairs:
        choices = _choices(pair, index)
        longer = ((_score(*both), both) for both in product(states, choices))
        best = nlargest(_BEAM, longer, key=lambda scored: scored[0])
        states = [_longer(score, state, choice) for score, (state, choice) in best]
    found, placed = [], states[0].placed
    while placed is not None:
        choice, placed = placed
        found.append((choice.question, choice.answer))
    return tuple(reversed(found))


def _score(state: _State, choice: _Choice) -> float:
    """Return the score of the first pairs of a page together with the next one."""
    score = state.score + choice.score
    for finding in (choice.question, choice.answer):
        if twice := finding.mask & state.used:
            score -= _REUSE_COST * twice.bit_count() / finding.mask.bit_count()
    if state.last and choice.question.box and gaps(state.last, choice.question.box)[2]:
        score -= _ORDER_COST
    return score


def _longer(score: float, state: _State, choice: _Choice) -> _State:
    used = state.used | choice.question.mask | choice.answer.mask
    return _State(score, used, choice.question.box or state.last, (choice, state.placed))


def _choices(pair: Pair, index: PageIndex) -> list[_Choice]:
    """Return the best ways to place a pair or one half of it."""
    questions = [*index.find(pair.question), NOT_FOUND]
    answers = [*(index.find(pair.answer) if pair.answer else ()), NOT_FOUND]
    is_mark = fold(pair.answer or "") == MARK
    choices = []
    for question, answer in product(questions, answers):
        score = question.worth + answer.worth
        if question.box and answer.box:
            score -= _distance_cost(question.box, answer.box, is_mark=is_mark)
        if not question.mask & answer.mask:
            choices.append(_Choice(score, question, answer))
    return nlargest(_PAIR_CHOICES, choices, key=lambda choice: choice.score)


def _distance_cost(question: Box, answer: Box, *, is_mark: bool) -> float:
    """Return the score lost by the position of an answer; a tick may be before its option."""
    beside, below, back = gaps(question, answer)
    cost = _APART_COST * (beside + below) + _DIAGONAL_COST * bool(beside and below > 0.5)
    if back and not (is_mark and not below):
        cost += _BEFORE_COST
    if beside:
        top, foot = question[1] - answer[1], question[3] - answer[3]
        uneven = min(abs(top), abs(foot), abs(top + foot) / 2) / max(1, question[3] - question[1])
        cost += min(_MAX_UNEVEN_COST, _UNEVEN_COST * uneven)
    return min(cost, _MAX_APART_COST)
