"""What a form comes to in whole numbers that add up, and the shares that any sum of them makes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a form, or the sum of several, comes to.

    Attributes:
        true: True pairs.
        predicted: Predicted pairs with an answer.
        fuzzy: Pairs matched one to one whose question and answer both have a similarity of at
            least `FUZZY_SIMILARITY` after `normalise`; the most there can be.
        exact: Pairs matched one to one that are equal after `normalise`.
        nospace: The same with all spaces removed.
        questions: Questions matched as in `fuzzy`, whatever their answers.
        failed: Forms that were not read.
    """

    true: int = 0
    predicted: int = 0
    fuzzy: int = 0
    exact: int = 0
    nospace: int = 0
    questions: int = 0
    failed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))

    def metrics(self) -> dict[str, float]:
        """Return the shares of `shares` as plain numbers."""
        sums = {name: np.asarray(count, np.float64) for name, count in asdict(self).items()}
        return {name: float(value) for name, value in shares(sums).items()}


COUNTS: tuple[str, ...] = tuple(field.name for field in fields(Counts))


def shares(sums: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Return precision, recall and the F1 scores, element by element.

    Args:
        sums: Numbers of any one shape by the name of a `Counts` field.

    Returns:
        Values in [0, 1] of that shape by metric. Nothing to find and nothing predicted is 1,
        unless a form failed: then 0.
    """
    true, predicted = sums["true"], sums["predicted"]
    both = true + predicted
    nothing = np.where(both + sums["failed"] > 0, 0.0, 1.0)

    def share(part: Numbers, whole: Numbers) -> Numbers:
        return np.where(whole > 0, part / np.maximum(whole, 1.0), nothing)

    return {
        "pair_f1": share(2 * sums["fuzzy"], both),
        "pair_precision": share(sums["fuzzy"], predicted),
        "pair_recall": share(sums["fuzzy"], true),
        "pair_f1_exact": share(2 * sums["exact"], both),
        "pair_f1_nospace": share(2 * sums["nospace"], both),
        "question_f1": share(2 * sums["questions"], both),
    }
