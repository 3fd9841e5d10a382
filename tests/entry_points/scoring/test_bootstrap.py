"""Intervals and paired differences, held against scipy's bootstrap and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from entry_points.scoring.bootstrap import differences, intervals
from entry_points.scoring.counts import Counts
from entry_points.scoring.forms import FormScore
from entry_points.scoring.scores import aggregate


def form(true, predicted, right, anls=0.5, failed=0):
    counts = Counts(true, predicted, right, right, right, right, failed)
    return FormScore(counts, anls, anls)


def split(seed, forms=40, skill=0.6):
    rng = np.random.default_rng(seed)
    scores = {}
    for number in range(forms):
        true = int(rng.integers(1, 30))
        right = int(rng.binomial(true, skill))
        scores[f"form-{number}"] = form(true, right + int(rng.integers(0, 6)), right, rng.random())
    return scores


SHARES = st.integers(0, 9).flatmap(
    lambda true: st.integers(0, 9).flatmap(
        lambda predicted: st.builds(
            form,
            st.just(true),
            st.just(predicted),
            st.integers(0, min(true, predicted)),
            st.floats(0, 1),
        )
    )
)
SPLITS = st.lists(SHARES, min_size=1, max_size=5).map(
    lambda forms: {str(number): each for number, each in enumerate(forms)}
)


@settings(max_examples=15)
@given(SPLITS)
def test_intervals_lie_in_0_to_1_for_every_headline_metric(scores):
    found = intervals(scores)
    assert found.keys() == aggregate(scores.values()).keys()
    assert all(0 <= low <= high <= 1 + 1e-12 for low, high in found.values())


def test_intervals_are_scipys_percentile_bootstrap():
    scores = split(seed=1)
    counts = [score.counts for score in scores.values()]
    columns = tuple(
        np.array([getattr(each, name) for each in counts], dtype=np.float64)
        for name in ("fuzzy", "true", "predicted")
    )

    def pair_f1(fuzzy, true, predicted, axis):
        return 2 * fuzzy.sum(axis=axis) / (true.sum(axis=axis) + predicted.sum(axis=axis))

    theirs = stats.bootstrap(
        columns,
        pair_f1,
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=10_000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert intervals(scores)["pair_f1"] == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_the_same_scores_give_the_same_intervals():
    assert intervals(split(seed=3)) == intervals(split(seed=3))


def test_forms_that_are_all_alike_leave_no_doubt():
    scores = {str(number): form(4, 4, 3) for number in range(5)}
    low, high = intervals(scores)["pair_f1"]
    assert low == high == pytest.approx(3 / 4)


def test_an_interval_holds_the_truth_about_19_times_in_20():
    held = 0
    for seed in range(40):
        low, high = intervals(split(seed, forms=60))["pair_recall"]
        held += low <= 0.6 <= high
    assert 34 <= held <= 40


@settings(max_examples=15)
@given(SPLITS)
def test_a_reading_does_not_differ_from_itself(scores):
    for found in differences(scores, scores).values():
        assert (found.value, found.low, found.high, found.p_value) == (0, 0, 0, 1)


@settings(max_examples=15)
@given(SPLITS, st.randoms(use_true_random=False))
def test_swapping_the_readings_turns_the_sign(scores, rng):
    other = dict(zip(scores, rng.sample(list(scores.values()), len(scores)), strict=True))
    there, back = differences(scores, other), differences(other, scores)
    for name, found in there.items():
        assert found.value == pytest.approx(-back[name].value)
        assert (found.low, found.high) == pytest.approx((-back[name].high, -back[name].low))
        assert found.p_value == back[name].p_value


def test_one_pair_more_on_every_form_is_certain_although_forms_differ_by_more():
    better = {str(right): form(30, 30, right) for right in range(1, 31)}
    worse = {str(right): form(30, 30, right - 1) for right in range(1, 31)}
    low, high = intervals(better)["pair_f1"]
    found = differences(better, worse)["pair_f1"]
    assert (found.value, found.low, found.high) == pytest.approx((1 / 30,) * 3)
    assert found.value < high - low
    assert found.p_value == pytest.approx(2 / 10_001)


def test_chance_alone_is_rarely_called_a_difference():
    called = sum(
        differences(split(seed), split(seed + 1000))["pair_recall"].p_value < 0.05
        for seed in range(20)
    )
    assert called <= 4


def test_the_p_value_is_below_a_twentieth_where_the_interval_leaves_out_0():
    for seed in range(10):
        found = differences(split(seed), split(seed + 500, skill=0.66))["pair_f1"]
        assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high)


def test_the_order_of_the_forms_does_not_matter_to_a_difference():
    one, other = split(seed=5), split(seed=6)
    turned = dict(reversed(other.items()))
    assert differences(one, other) == differences(one, turned)


def test_other_forms_are_refused():
    with pytest.raises(ValueError, match=r"1 form.*'form-39'.*same forms"):
        differences(split(seed=1), split(seed=1, forms=39))
