"""Confidences of fields are shares of right values: in general, and on a user's few documents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entry_points.training.field_calibration import Judged, adapt, fit_curves
from ocr_extractor.engines.local.fields.ranker import Curve

SHARES = st.floats(0, 1)
WEIGHTS = st.floats(0, 5)


def judged(path: str, confidence: float, right: int, wrong: int) -> list[Judged]:
    return [Judged(path, "typed", confidence, at < right) for at in range(right + wrong)]


@given(WEIGHTS, WEIGHTS, st.floats(-5, 5), SHARES, SHARES)
def test_a_curve_never_falls_and_is_never_sure(
    rise: float, fall: float, shift: float, one: float, other: float
):
    curve = Curve(rise, fall, shift)
    low, high = sorted((one, other))
    assert 0 < curve.share(low) <= curve.share(high) < 1


@given(st.floats(0.02, 0.98))
def test_a_curve_of_ones_changes_nothing(probability: float):
    assert Curve().share(probability) == pytest.approx(probability)


@given(st.floats(0.5, 2), st.floats(-2, 2), st.floats(0.1, 0.9))
def test_a_scaled_curve_has_a_scaled_logit(slope: float, shift: float, probability: float):
    curve = Curve(0.8, 0.7, 0.1)
    [terms] = Curve.terms(np.array([probability]))
    logit = slope * float(terms @ [0.8, 0.7, 0.1]) + shift
    within = np.clip(1 / (1 + np.exp(-logit)), 0.01, 0.99)
    assert curve.scaled(slope, shift).share(probability) == pytest.approx(within, abs=1e-3)


def test_many_values_give_the_share_that_was_right():
    rng = np.random.default_rng(0)
    said = rng.uniform(0.05, 0.95, 4000)
    values = [
        Judged("a", kind, each, bool(rng.random() < 0.8 * each))
        for each in said
        for kind in ("text", "cell")
    ]
    curves = fit_curves(values)
    assert list(curves) == ["text"]
    for each in (0.2, 0.5, 0.9):
        assert curves["text"].share(each) == pytest.approx(0.8 * each, abs=0.05)


def test_low_probabilities_that_were_never_right_keep_a_little():
    values = judged("a", 0.3, 0, 8) + judged("a", 0.9, 900, 100)
    assert fit_curves(values)["typed"].share(0.3) >= 0.01


@pytest.mark.parametrize(
    ("right", "wrong", "least", "most"),
    [
        pytest.param(4, 0, 0.8, 0.9, id="little evidence moves little"),
        pytest.param(40, 10, 0.78, 0.82, id="as expected"),
        pytest.param(10, 40, 0.2, 0.35, id="much worse"),
        pytest.param(50, 0, 0.9, 0.99, id="always right"),
    ],
)
def test_a_users_values_move_the_general_curve(right: int, wrong: int, least: float, most: float):
    own = adapt({"typed": Curve()}, judged("a", 0.8, right, wrong))
    assert least <= own["a"].share(0.8) <= most


def test_a_field_that_is_misread_is_less_sure_than_the_others():
    values = judged("bad", 0.8, 8, 24) + judged("good", 0.8, 30, 2)
    own = adapt({"typed": Curve()}, values)
    assert own["bad"].share(0.8) < 0.5 < 0.8 < own["good"].share(0.8)


def test_few_values_that_are_as_sure_as_the_general_curve_says_leave_it():
    general = Curve(1.5, 0.5, -1)
    own = adapt({"typed": general}, judged("a", general.share(0.8), 3, 3))
    assert own["a"].share(0.8) == pytest.approx(general.share(0.8), abs=0.08)


def test_cells_have_no_general_curve_to_start_from():
    values = [Judged("items[].price", "cell", 0.8, right=False)] * 20
    assert adapt({"typed": Curve(0, 0, 4)}, values)["items[].price"].share(0.8) < 0.5


def test_no_values_leave_the_general_curves():
    assert adapt({"typed": Curve()}, []) == {}
