"""ANLS*, held against its authors' implementation."""

from __future__ import annotations

import pytest
from anls_star import anls_score
from hypothesis import given
from hypothesis import strategies as st

from entry_points.scoring.anls import anls

TEXT = st.text("abcA \n.", max_size=6) | st.text(max_size=4)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=5)


def records(pairs):
    return [{"question": question, "answer": answer} for question, answer in pairs]


@given(PAIRS, PAIRS)
def test_anls_is_the_authors_on_random_pairs(truth, predicted):
    assert anls(truth, predicted) == pytest.approx(anls_score(records(truth), records(predicted)))


@given(PAIRS.flatmap(lambda pairs: st.tuples(st.just(pairs), st.permutations(pairs))))
def test_order_does_not_matter(both):
    truth, shuffled = both
    assert anls(truth, shuffled) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param("June 5", 1.0, id="same"),
        pytest.param("  JUNE\n5 ", 1.0, id="case and whitespace"),
        pytest.param("Jan 5", (1 + 4 / 6) / 2, id="two of six wrong"),
        pytest.param("Jun", (1 + 3 / 6) / 2, id="half is the least that counts"),
        pytest.param("Ju", 1 / 2, id="less than half is nothing"),
    ],
)
def test_one_answer_worked_by_hand(answer, expected):
    assert anls([("Date", "June 5")], [("Date", answer)]) == pytest.approx(expected)


def test_letters_are_lower_cased_and_not_folded_as_the_authors_do():
    assert anls([("Date", "Straße")], [("Date", "STRASSE")]) == pytest.approx((1 + 5 / 7) / 2)


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        pytest.param(0, 0, 1.0, id="nothing to find, nothing found"),
        pytest.param(2, 0, 0.0, id="nothing found"),
        pytest.param(0, 2, 0.0, id="all invented"),
        pytest.param(4, 3, 0.75, id="one missed"),
        pytest.param(3, 4, 0.75, id="one invented"),
    ],
)
def test_missed_and_invented_pairs_cost_alike(truth, predicted, expected):
    same = [("Date", "June 5")] * 4
    assert anls(same[:truth], same[:predicted]) == pytest.approx(expected)
