"""The confidence from which on values need no person, and whether the promise holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from data.field_schema import parse_schema
from entry_points.scoring.acceptance import (
    find_acceptance,
    least_examples,
    lower_bound,
    threshold,
)
from entry_points.scoring.fields import FieldTruth
from tests.entry_points.scoring.field_rows import FAILED, NUMBER, TEXT, row


@given(st.integers(1, 300), st.data())
def test_the_bound_is_where_so_many_right_ones_become_unlikely(of, data):
    right = data.draw(st.integers(1, of))
    low = lower_bound(right, of)
    assert binom.sf(right - 1, of, low) == pytest.approx(0.05, abs=1e-6)
    assert lower_bound(0, of) == 0


def test_too_few_examples_show_nothing():
    assert least_examples(0.99) == 299
    assert threshold([(0.9, True)] * 298, 0.99) is None
    assert threshold([(0.9, True)] * 299, 0.99) == 0.9
    assert threshold([], 0.99) is None


def test_values_below_the_threshold_are_the_unsure_ones():
    judged = [(0.9, True)] * 300 + [(0.4, n % 2 == 0) for n in range(300)]
    assert threshold(judged, 0.95) == 0.9
    assert threshold([(confidence, False) for confidence, _ in judged], 0.5) is None


def draw(rng: np.random.Generator, forms: int):
    """Draw calibrated but coarse confidences: what is right follows the square of them."""
    confidences = np.round(rng.beta(6, 1, forms), 2)
    return confidences, rng.random(forms) < confidences**0.5


@pytest.mark.parametrize("precision", [0.9, 0.95, 0.97])
def test_the_promise_holds_on_forms_that_were_not_used_to_find_it(precision):
    """Of 400 calibrations at most 5 % may miss it; 8 % is what chance adds to 5 at most."""
    rng = np.random.default_rng(7)
    confidences, right = draw(rng, 200_000)
    broken = used = 0
    for _ in range(400):
        chosen = rng.choice(len(right), 400, replace=False)
        judged = list(zip(confidences[chosen].tolist(), right[chosen].tolist(), strict=True))
        least = threshold(judged, precision)
        if least is not None:
            used += 1
            broken += right[confidences >= least].mean() < precision
    assert used > 50
    assert broken / 400 <= 0.08


def test_the_cheapest_of_all_thresholds_would_break_the_promise():
    """No threshold holds: in order one is found in at most 5 %, by trying all far more often."""
    rng = np.random.default_rng(7)
    right = rng.random(200_000) < 0.9  # just too few
    confidences = rng.random(200_000)
    ordered = naive = 0
    for _ in range(200):
        chosen = rng.choice(len(right), 400, replace=False)
        judged = sorted(zip(confidences[chosen].tolist(), right[chosen].tolist(), strict=True))
        ordered += threshold(judged, 0.901) is not None
        tails = np.cumsum([each for _, each in judged[::-1]])
        naive += any(lower_bound(int(w), n) >= 0.901 for n, w in enumerate(tails, 1))
    assert ordered / 200 <= 0.09 < 0.15 < naive / 200


SCHEMA = parse_schema(
    {
        "properties": {
            "a": TEXT,
            "b": NUMBER,
            "t": {"type": "array", "items": {"properties": {"c": TEXT}}},
        }
    },
    "schema.json",
)


def test_each_field_has_its_own_confidence_and_a_failed_document_needs_a_person():
    true = {"a": "x", "b": 1.0, "t": [{"c": "u"}, {"c": "v"}]}
    truths, outputs = {}, {}
    for number in range(60):
        doc_id = str(number)
        truths[doc_id] = FieldTruth(SCHEMA, true)
        sure = number % 2
        read = {**true, "b": 1.0 if sure else 2.0}
        outputs[doc_id] = row(read, b={"confidence": 0.8 if sure else 0.3})
    outputs["59"] = FAILED
    found = find_acceptance(truths, outputs, 0.9)
    assert found.fields == {"a": 0.9, "b": 0.8, "t[].c": 0.9}
    assert found.shares == pytest.approx({"a": 59 / 60, "b": 29 / 60, "t[].c": 118 / 119})
    assert found.examples == {"a": 59, "b": 59, "t[].c": 59}
    assert found.document == 0.8
    assert found.document_share == pytest.approx(29 / 60)
    assert found.to_dict()["accept_at"] == found.fields
    nothing = find_acceptance(truths, outputs, 0.99)
    assert (nothing.fields, nothing.document, nothing.share) == ({}, None, 0)
