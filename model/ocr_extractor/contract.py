"""The contract with callers: pairs, one extraction a document, MLflow's signature of both."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in px, origin top-left, end exclusive."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One question of a form with its answer.

    Attributes:
        question: The printed label, as it stands on the page.
        answer: What was filled in; None for a field that was left blank.
        page: The page the question stands on, from 1.
        confidence: Probability in [0, 1] that the pair is right; None when not estimated.
        question_box: Where the question stands, px of the upright page; None when unknown.
        answer_box: Where the answer stands, px of the upright page; None when unknown.
    """

    question: str
    answer: str | None
    page: int = 1
    confidence: float | None = None
    question_box: Box | None = None
    answer_box: Box | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as plain JSON values, boxes as lists."""
        row = asdict(self)
        for side in ("question_box", "answer_box"):
            if row[side] is not None:
                row[side] = list(row[side])
        return row
