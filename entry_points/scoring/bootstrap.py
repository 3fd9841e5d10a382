"""Confidence intervals of scores and of their differences: the bootstrap over forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from entry_points.scoring.counts import Numbers
from entry_points.scoring.scores import Score, aggregate, weighted

RESAMPLES = 10_000
LEVEL = 0.95

_BLOCK = 1_000  # resamples at a time: 5,000 forms take 40 MB instead of 400
_SEED = 20260101


@dataclass(frozen=True, slots=True)
class Difference:
    """How much one reading of some forms scores above another reading of the same forms.

    Attributes:
        value: The first one's metric less the second one's.
        low: Lower end of the 95 % interval.
        high: Its upper end.
        p_value: Two-sided, (0, 1]; below 0.05 where the interval leaves out 0.
    """

    value: float
    low: float
    high: float
    p_value: float


def intervals(scores: Mapping[str, Score]) -> dict[str, tuple[float, float]]:
    """Return the 95 % percentile bootstrap interval of every headline metric.

    Forms are drawn with replacement and every metric is computed from each draw, the
    micro averages from the drawn forms' summed counts (Efron and Tibshirani, An Introduction to
    the Bootstrap, 1993, chapter 13). The same scores give the same intervals.

    Returns:
        (low, high) by metric, of the metrics of `aggregate`.
    """
    drawn = _resampled(list(scores.values()))
    return {name: _interval(values) for name, values in drawn.items()}


def differences(one: Mapping[str, Score], other: Mapping[str, Score]) -> dict[str, Difference]:
    """Compare two readings of the same forms: `one` less `other`, for every headline metric.

    Paired: each resample draws the same forms for both. The p-value inverts the interval (Efron
    and Tibshirani 1993, section 15.4): twice the smaller share of resamples on one side of 0,
    2 min(1 + #(d <= 0), 1 + #(d >= 0)) / (1 + resamples), at most 1; the added ones (Davison and
    Hinkley, Bootstrap Methods and their Application, 1997, section 4.2) keep it above 0.

    Returns:
        The differences by metric, of the metrics that both have.

    Raises:
        ValueError: The forms are not the same.
    """
    if strangers := sorted(one.keys() ^ other.keys()):
        raise ValueError(
            f"{len(strangers)} form(s) were scored on one side only, the first is "
            f"{strangers[0][:80]!r}: compare readings of the same forms."
        )
    # In the same order, so that a draw means the same forms for both.
    ours, theirs = list(one.values()), [other[doc_id] for doc_id in one]
    value, base = aggregate(ours), aggregate(theirs)
    drawn, drawn_base = _resampled(ours), _resampled(theirs)
    return {
        name: _difference(value[name] - base[name], drawn[name] - drawn_base[name])
        for name in value
        if name in base
    }


def _resampled(forms: Sequence[Score]) -> dict[str, Numbers]:
    """Return (RESAMPLES,) values by metric; equal numbers of forms are drawn alike."""
    blocks = [weighted(forms, weights) for weights in _draws(len(forms))]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _draws(forms: int) -> Iterator[Numbers]:
    """Yield (_BLOCK, forms) tables of how often each form was drawn."""
    rng = np.random.default_rng(_SEED)
    for _ in range(RESAMPLES // _BLOCK):
        drawn = rng.multinomial(forms, np.full(forms, 1 / forms), size=_BLOCK)
        yield drawn.astype(np.float64)


def _interval(values: Numbers) -> tuple[float, float]:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, (tail, 1 - tail))
    return float(low), float(high)


def _difference(value: float, drawn: Numbers) -> Difference:
    drawn = drawn.round(12)  # sums that should be equal may differ in the last digit
    low, high = _interval(drawn)
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return Difference(value, low, high, min(1.0, 2 * (1 + beyond) / (1 + len(drawn))))
