"""The rule that decides whether an extractor may replace the champion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from entry_points.comparing.evidence import Evidence, UsageTotals
from entry_points.scoring.bootstrap import Difference, differences
from entry_points.scoring.scores import Score


@dataclass(frozen=True)
class Gate:
    """The limits that a candidate must keep to replace the champion.

    Attributes:
        max_drop: How far below 0 the 95 % interval of a headline metric's difference may begin;
            for metrics of blank fields, how far below 0 it may end.
        max_cost_ratio: Highest cost of a page, as a multiple of the champion's.
        min_forms: Fewest forms that can be judged by.
    """

    max_drop: float = 0.02
    max_cost_ratio: float = 2.0
    min_forms: int = 8

    def objections(self, candidate: Evidence, champion: Evidence) -> list[str]:
        """Return why the candidate must not replace the champion; nothing if it may."""
        forms = len(candidate.scores)
        if forms < self.min_forms:
            return [f"{forms} forms are too few to judge by: at least {self.min_forms}"]
        if candidate.learned_from:
            return [
                f"its local weights have learned from {candidate.learned_from} of the {forms} "
                "forms: evaluate both on others, with -P without=<ids of those forms>"
            ]
        found = differences(candidate.scores, champion.scores)
        return [*self._losses(found, champion.kind), *self._cost(candidate.usage, champion.usage)]

    def _losses(self, found: dict[str, Difference], judged: Score) -> Iterator[str]:
        for name in judged.gated:
            difference = found.get(name)  # a field that no form has is not judged
            if difference and difference.low < -self.max_drop:
                yield (
                    f"{name} may be worse by {-difference.low:.3f}, more than {self.max_drop:g} "
                    f"({describe(difference)})"
                )
        # Blank fields are few and their intervals are wide: only a proven loss counts.
        for name, loss in judged.HONESTY.items():
            if name in found and found[name].high < -self.max_drop:
                yield f"{loss} ({describe(found[name])})"
        if found["coverage"].value < 0:
            yield f"it fails on more forms (coverage {found['coverage'].value:+.3f})"

    def _cost(self, candidate: UsageTotals | None, champion: UsageTotals | None) -> Iterator[str]:
        if candidate is None or champion is None:
            yield (
                "the cost of a page is not known, because all pages came from the cache: evaluate "
                "both with -P cache=none"
            )
            return
        ours, theirs, unit = comparable_usage(candidate, champion)
        if ours > self.max_cost_ratio * theirs:
            yield (
                f"a page costs {ours:,.4g} {unit} instead of {theirs:,.4g}, more than "
                f"{self.max_cost_ratio:g} times as much"
            )


def comparable_usage(one: UsageTotals, other: UsageTotals) -> tuple[float, float, str]:
    """Return the cost of a page for both, and the unit: USD, or tokens if a price is missing."""
    if one.cost is not None and other.cost is not None:
        return one.cost, other.cost, "USD"
    return one.tokens, other.tokens, "tokens"


def describe(difference: Difference) -> str:
    """Write a difference with its 95 % interval and p-value."""
    return (
        f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}], "
        f"p {difference.p_value:.3f}"
    )
