"""The result of a search, and whether it is better than the current prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from entry_points.scoring.bootstrap import Difference


@dataclass(frozen=True)
class PromptCandidate:
    """One template that was tried.

    Attributes:
        template: Its text.
        score: Its mean score on the development forms.
        examples: The ids of the forms that the search has put into it, separated by commas.
    """

    template: str
    score: float
    examples: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the best template gains on the validation forms.

    Attributes:
        metric: What is compared: `pair_f1`, or of fields `value_f1`.
        forms: How many there are.
        before: The metric with the first template.
        after: The metric with the best one.
        gain: Their difference.
    """

    metric: str
    forms: int
    before: float
    after: float
    gain: Difference

    def __str__(self) -> str:
        gain = self.gain
        return (
            f"{self.metric} {self.before:.3f} -> {self.after:.3f} on {self.forms} forms, "
            f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], p {gain.p_value:.4f}"
        )


@dataclass(frozen=True)
class OptimizationResult:
    """What was found.

    Attributes:
        candidates: The templates that the search kept, the first one first.
        best: The one that reads the development forms best.
        verdict: Its gain; None if the best template is the first one.
    """

    candidates: Sequence[PromptCandidate]
    best: PromptCandidate
    verdict: Verdict | None

    @property
    def wins(self) -> bool:
        """Whether the whole 95 % confidence interval of the gain is above 0."""
        return self.verdict is not None and self.verdict.gain.low > 0
