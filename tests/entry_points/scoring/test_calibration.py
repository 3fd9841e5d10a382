"""Confidences against what was right, worked by hand and held against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from entry_points.scoring.calibration import error_left, judge_confidences, reliability
from entry_points.scoring.forms import Truth

JUDGED = st.lists(
    st.tuples(st.sampled_from([0.0, 0.05, 0.31, 0.5, 0.77, 0.93, 1.0]), st.booleans()), min_size=1
).map(lambda pairs: np.array(pairs, dtype=np.float64).T)


def test_pairs_are_judged_where_they_have_a_confidence_and_an_answer():
    def pair(question, answer, confidence):
        return {"question": question, "answer": answer, "confidence": confidence}

    truth = Truth((("Date", "June 5"), ("Name", "Ann")), (), blanks=("Fax",))
    pairs = [
        pair("Date", "June 5", 0.9),
        pair("Name", "Bob", 0.4),
        pair("Total", "9", None),
        pair("Fax", None, 0.8),
    ]
    outputs: dict[str, dict[str, Any]] = {
        "read": {"error_code": None, "pairs": pairs},
        "failed": {"error_code": "image_truncated", "pairs": [pair("Date", "June 5", 1.0)]},
    }
    judged = judge_confidences(dict.fromkeys(outputs, truth), outputs)
    assert judged.tolist() == [[0.9, 0.4], [1, 0]]


def test_without_confidences_there_is_nothing_to_judge():
    assert judge_confidences({}, {}).shape == (2, 0)


def test_ece_worked_by_hand():
    found = reliability(np.array([0.1, 0.75, 0.75, 0.95]), np.array([0.0, 1.0, 0.0, 1.0]))
    assert found.confidence.tolist() == pytest.approx([0.1, 0.75, 0.95])
    assert found.accuracy.tolist() == [0, 0.5, 1]
    assert found.pairs.tolist() == [1, 2, 1]
    assert found.ece == pytest.approx((0.1 * 1 + 0.25 * 2 + 0.05 * 1) / 4)


@pytest.mark.parametrize(
    ("confidences", "right", "error"),
    [
        ([], [], 0.0),
        ([1.0, 1.0], [True, True], 0.0),
        ([1.0, 1.0], [False, False], 1.0),
        ([0.75] * 4, [True, True, True, False], 0.0),
        # Two bins of two pairs: off by 0.2 and by 0.1.
        ([0.8, 0.8, 0.4, 0.4], [True, True, True, False], 0.15),
    ],
    ids=["none", "sure-and-right", "sure-and-wrong", "calibrated", "two-bins"],
)
def test_ece_by_bins(confidences, right, error):
    found = reliability(np.array(confidences), np.array(right, float))
    assert found.ece == pytest.approx(error)


@given(JUDGED)
def test_bins_are_scikit_learns(judged):
    found = reliability(*judged)
    accuracy, confidence = calibration_curve(judged[1], judged[0], n_bins=10)
    assert found.confidence == pytest.approx(confidence)
    assert found.accuracy == pytest.approx(accuracy)
    assert 0 <= found.ece <= 1


def test_the_error_left_worked_by_hand():
    left = error_left(np.array([0.9, 0.2, 0.5, 0.5]), np.array([1.0, 0.0, 1.0, 0.0]))
    assert left.tolist() == pytest.approx([2 / 4, 1 / 4, 0.5 / 4, 0, 0])


@given(JUDGED)
def test_reviewing_more_leaves_no_more_errors_and_all_leaves_none(judged):
    left = error_left(*judged)
    assert left[0] == pytest.approx(1 - judged[1].mean())
    assert left[-1] == pytest.approx(0)
    assert np.all(np.diff(left) <= 1e-12)
