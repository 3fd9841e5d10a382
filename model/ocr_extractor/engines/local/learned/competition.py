"""Features of a candidate relative to the page's other candidates, for the second ranking."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ocr_extractor.engines.local.learned.ranking import Side, sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.engines.local.learned.candidates import PairCandidate
    from ocr_extractor.engines.local.learned.columns import Columns, Floats, Values
    from ocr_extractor.engines.local.learned.page_features import PageFeatures

_ALIGNED = 0.6
"""Edges that are closer than this are aligned, text heights."""

_EVEN = 0.5
"""Distances that differ by less than this are the same, text heights."""

_BLOCK = 256
"""Number of candidates compared with all others at a time: a dense page has thousands."""

Mask = NDArray[np.bool_]


def rival_columns(
    features: PageFeatures, candidates: Sequence[PairCandidate], chances: Floats
) -> Columns:
    """Describe candidates, at least one, by those that could be true instead of or beside them.

    Args:
        features: The page.
        candidates: n groups of its segments.
        chances: (n,) how likely each one is by itself.
    """
    question, answer = sides(candidates, features.size)
    asked, answered = np.array([each.boxes for each in candidates], np.float64).transpose(1, 2, 0)
    likely, height = chances.astype(np.float64), features.geometry.height
    crowd = _Crowd(likely, question, answer, asked, answered, height)
    numbers = np.arange(len(candidates))
    blocks = [_columns(crowd, rows) for rows in np.split(numbers, numbers[_BLOCK::_BLOCK])]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


@dataclass(frozen=True)
class _Crowd:
    """The n candidates of a page.

    Attributes:
        likely: (n,) how likely each one is by itself.
        question: Their questions.
        answer: Their answers.
        asked: (4, n) boxes of the questions, px.
        answered: (4, n) boxes of the answers, px.
        height: Of the page's text, px.
    """

    likely: Values
    question: Side
    answer: Side
    asked: Values
    answered: Values
    height: float

    @cached_property
    def shared(self) -> tuple[Floats, Floats, Floats]:
        """Segments that different groups share: of questions, of answers, of one and the other."""
        questions, answers = (side.each.astype(np.float32) for side in (self.question, self.answer))
        return questions @ questions.T, answers @ answers.T, questions @ answers.T


def _columns(crowd: _Crowd, rows: NDArray[np.intp]) -> Columns:
    likely = crowd.likely
    own = likely[rows]
    masks = _rivals(crowd, rows)
    columns: Columns = {"likely": own, "likely of the page": np.full_like(own, likely.sum())}
    for name, mask in masks.items():
        weights = mask * likely
        columns[f"best {name}"] = weights.max(axis=1)
        columns[f"all {name}"] = weights.sum(axis=1)
    better = masks["rival"] & (likely > own[:, None])
    columns["better rivals"] = better.sum(axis=1).astype(np.float64)
    columns["lead"] = own - columns["best rival"]
    friend = ~(masks["rival"] | (rows[:, None] == np.arange(len(likely)))) * likely
    return columns | _company_columns(crowd, rows, friend)


def _rivals(crowd: _Crowd, rows: NDArray[np.intp]) -> dict[str, Mask]:
    """Return by kind which candidates cannot be true beside each of `rows`; all are "rival"."""
    question, answer = crowd.question.number, crowd.answer.number
    of_questions, of_answers, of_both = crowd.shared
    questions = of_questions[np.ix_(question[rows], question)]
    answers = of_answers[np.ix_(answer[rows], answer)]
    swapped = of_both[np.ix_(question[rows], answer)] + of_both[np.ix_(question, answer[rows])].T
    asked, answered = crowd.question.segments, crowd.answer.segments
    other = rows[:, None] != np.arange(len(question))
    part, whole = questions == asked[rows][:, None], questions == asked
    within, without = answers == answered[rows][:, None], answers == answered
    same_question, same_answer = part & whole & other, within & without & other
    return {
        "rival": ((questions > 0) | (answers > 0) | (swapped > 0)) & other,
        "of the same question": same_question,
        "of the same answer": same_answer,
        "with a longer answer": same_question & within & ~without,
        "with a shorter answer": same_question & without & ~within,
        "with a longer question": same_answer & part & ~whole,
        "with a shorter question": same_answer & whole & ~part,
        "with swapped parts": (swapped > 0) & other,
        "for its answer": (answers > 0) & (questions == 0),
    }


def _company_columns(crowd: _Crowd, rows: NDArray[np.intp], friend: Values) -> Columns:
    """Tell how well each of `rows` fits among the candidates that can be true beside it.

    Args:
        crowd: The n candidates.
        rows: Some of their numbers.
        friend: (rows, n) how likely each candidate is, 0 for rivals.
    """
    height = crowd.height
    asked, answered = crowd.asked, crowd.answered
    beside = answered[0] >= asked[2] - height / 2

    def even(one: Values, other: Values, within: float = _ALIGNED) -> Mask:
        return np.asarray(abs(one[rows][:, None] - other) < within * height)

    same_side = beside[rows][:, None] == beside
    step, drop = answered[0] - asked[2], answered[1] - asked[3]
    total = friend.sum(axis=1) + 1e-6
    left, answer_left = even(asked[0], asked[0]), even(answered[0], answered[0])
    fits = {
        "question aligned left": left,
        "question aligned right": even(asked[2], asked[2]),
        "answer aligned left": answer_left,
        "answer aligned right": even(answered[2], answered[2]),
        "both aligned": left & answer_left,
        "question under an answer": even(asked[0], answered[0]),
        "answer under a question": even(answered[0], asked[0]),
        "on its row": even(asked[1], asked[1], _EVEN),
        "same step": even(step, step, _EVEN) & same_side,
        "same drop": even(drop, drop, _EVEN / 2) & same_side,
    }
    return {
        "is beside": beside[rows].astype(np.float64),
        "beside of the page": friend @ beside / total,
        "same side": (friend * same_side).sum(axis=1) / total,
        **{name: (friend * mask).sum(axis=1) for name, mask in fits.items()},
    }
