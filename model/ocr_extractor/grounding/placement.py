"""Places all pairs of a page together, so that questions and answers fit best."""

from __future__ import annotations

from heapq import nlargest
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from ocr_extractor.grounding.text_folding import MARK, fold
from ocr_extractor.grounding.text_search import NOT_FOUND, gaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.contract import Box, Pair
    from ocr_extractor.grounding.text_search import Finding, PageIndex

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
        choices: How each is placed.
    """

    score: float
    used: int
    last: Box | None
    choices: tuple[_Choice, ...]


def place(pairs: Sequence[Pair], index: PageIndex) -> tuple[tuple[Finding, Finding], ...]:
    """Return the finding of each pair's question and of its answer.

    A beam search over the pairs in their order for the best total score: the found part of each
    text, minus penalties for answers far from their questions, for words that are used twice, and
    for questions out of reading order.
    """
    states = [_State(0.0, 0, None, ())]
    for pair in pairs:
        choices = _choices(pair, index)
        longer = ((_score(*both), both) for both in product(states, choices))
        best = nlargest(_BEAM, longer, key=lambda scored: scored[0])
        states = [_longer(score, state, choice) for score, (state, choice) in best]
    return tuple((choice.question, choice.answer) for choice in states[0].choices)


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
    return _State(score, used, choice.question.box or state.last, (*state.choices, choice))


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
