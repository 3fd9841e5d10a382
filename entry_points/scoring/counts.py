"""Additive counts of one form, and the metrics computed from their sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of one form, or sums over several forms.

    Attributes:
        true: True pairs.
        predicted: Predicted pairs with an answer.
        fuzzy: Pairs matched one to one whose question and answer both have a similarity of at
            least `FUZZY_SIMILARITY` after `normalise`; the most there can be.
        exact: Pairs matched one to one that are equal after `normalise`.
        nospace: The same with all spaces removed.
        questions: Questions matched as in `fuzzy`, whatever their answers.
        blanks: Blank fields: questions that have text and no linked answer.
        blank_correct: Blank fields that were reported as blank.
        blank_invented: Blank fields that were given an answer.
        hallucinated: Predicted answers that are not on the page.
        repeated: Predicted pairs that repeat another pair although the form does not.
        answer_characters: Characters of the true answers to the questions that were found.
        answer_errors: Edits that turn the answers as read into these.
        failed: Forms that were not read.
        unparsed: Failed forms for which the answer of the LLM could not be used.
    """

    true: int = 0
    predicted: int = 0
    fuzzy: int = 0
    exact: int = 0
    nospace: int = 0
    questions: int = 0
    blanks: int = 0
    blank_correct: int = 0
    blank_invented: int = 0
    hallucinated: int = 0
    repeated: int = 0
    answer_characters: int = 0
    answer_errors: int = 0
    failed: int = 0
    unparsed: int = 0

    def metrics(self) -> dict[str, float]:
        """Return the shares of `shares` as plain numbers."""
        sums = {name: np.asarray(count, np.float64) for name, count in asdict(self).items()}
        return {name: float(value) for name, value in shares(sums).items()}


COUNTS: tuple[str, ...] = tuple(field.name for field in fields(Counts))


LOWER_IS_BETTER = frozenset(
    {
        "blank_missed",
        "blank_invented",
        "hallucination_rate",
        "duplicate_rate",
        "answer_cer",
        "parse_failure_rate",
    }
)
"""The metrics that count errors; all others are best at 1."""


def shares(sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Return the metrics that are one sum over another, element by element.

    Args:
        sums: Numbers of any one shape by the name of a `Counts` field.

    Returns:
        Values of that shape by metric, in [0, 1]; `answer_cer` can be more. A share of nothing is
        0 for an error rate. For the others it is 1 where there was nothing to find and nothing
        was predicted, unless a form failed, else 0.
    """
    true, predicted, blanks = sums["true"], sums["predicted"], sums["blanks"]
    both = true + predicted
    right = np.where(both + sums["failed"] > 0, 0.0, 1.0)
    right_blank = np.where(sums["failed"] > 0, 0.0, 1.0)
    wrong = np.zeros_like(both)

    def share(part: Numbers, whole: Numbers, of_nothing: Numbers) -> Numbers:
        return np.where(whole > 0, part / np.maximum(whole, 1.0), of_nothing)

    mentioned = sums["blank_correct"] + sums["blank_invented"]
    missed = blanks - mentioned
    return {
        "pair_f1": share(2 * sums["fuzzy"], both, right),
        "pair_precision": share(sums["fuzzy"], predicted, right),
        "pair_recall": share(sums["fuzzy"], true, right),
        "pair_f1_exact": share(2 * sums["exact"], both, right),
        "pair_f1_nospace": share(2 * sums["nospace"], both, right),
        "question_f1": share(2 * sums["questions"], both, right),
        "answer_cer": share(sums["answer_errors"], sums["answer_characters"], wrong),
        "blank_correct": share(sums["blank_correct"], blanks, right_blank),
        "blank_missed": share(missed, blanks, wrong),
        "blank_invented": share(sums["blank_invented"], blanks, wrong),
        "blank_honesty": share(
            sums["blank_correct"], mentioned, np.where(blanks > 0, 0.0, right_blank)
        ),
        "hallucination_rate": share(sums["hallucinated"], predicted, wrong),
        "duplicate_rate": share(sums["repeated"], predicted, wrong),
    }
