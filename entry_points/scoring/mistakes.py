"""What went wrong on one form, in words a person can act on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from entry_points.scoring.matching import FUZZY_SIMILARITY, best_matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

_NAMED = 2
_TEXT_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Mistakes:
    """The pairs of a form that did not match.

    Attributes:
        misread: (read, true) answers of the questions that were found but answered wrong, the
            least similar first.
        missed: The questions of the other true pairs, in reading order.
        invented: The questions of the other predicted pairs, in the output's order.
    """

    misread: tuple[tuple[str, str], ...] = ()
    missed: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()

    def counts(self) -> str:
        """Return how many there are of each kind, without any text of the form."""
        return (
            f"{len(self.misread)} misread, {len(self.missed)} missed, {len(self.invented)} invented"
        )

    def examples(self) -> str:
        """Return the worst of each kind on one line, texts cut to 40 characters; "" for none."""
        named = [f"read {_cut(read)} for {_cut(true)}" for read, true in self.misread[:_NAMED]]
        named += [f"missed {_cut(question)}" for question in self.missed[:_NAMED]]
        named += [f"invented {_cut(question)}" for question in self.invented[:_NAMED]]
        return "; ".join(named)


def find_mistakes(
    truth: Sequence[tuple[str, str]],
    predicted: Sequence[tuple[str, str]],
    similarity: tuple[NDArray[np.float64], NDArray[np.float64]],
    matches: Sequence[tuple[int, int]],
) -> Mistakes:
    """Sort the pairs that are not in `matches` by what happened to them.

    Args:
        truth: The true (question, answer) pairs.
        predicted: The predicted ones.
        similarity: (len(truth), len(predicted)) in [0, 1], of the questions and of the answers.
        matches: (true index, predicted index) of the pairs that are right.
    """
    questions, answers = similarity
    found = questions >= FUZZY_SIMILARITY
    for row, column in matches:
        found[row, :] = found[:, column] = False
    misread = sorted(best_matches(found, answers), key=lambda cell: answers[cell])
    seen_true = {row for row, _ in (*matches, *misread)}
    seen_predicted = {column for _, column in (*matches, *misread)}
    return Mistakes(
        misread=tuple((predicted[column][1], truth[row][1]) for row, column in misread),
        missed=tuple(q for row, (q, _) in enumerate(truth) if row not in seen_true),
        invented=tuple(q for i, (q, _) in enumerate(predicted) if i not in seen_predicted),
    )


def _cut(text: str) -> str:
    """Quote a text on one line."""
    line = " ".join(text.split())
    return repr(line if len(line) <= _TEXT_LIMIT else line[: _TEXT_LIMIT - 1] + "…")
