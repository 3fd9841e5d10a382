"""ANLS* agrees with its authors' implementation; the blog post's metric keeps its flaws."""

from __future__ import annotations

import pytest
from anls_star import anls_score
from hypothesis import given
from hypothesis import strategies as st

from entry_points.scoring.published_metrics import anls, key_value_accuracy

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


@pytest.mark.parametrize(
    ("links", "predicted", "expected"),
    [
        pytest.param([("A", "1"), ("B", "2")], [("B", "2"), ("A", "1")], 1.0, id="all right"),
        pytest.param([("A", "1"), ("B", "2")], [("A", "1")], 0.5, id="one missed"),
        pytest.param([("A", "1")], [("A", "1"), ("B", "2")], 1.0, id="made up costs nothing"),
        pytest.param([("A", "1")], [("A", "1 ")], 0.0, id="a space in the answer is an error"),
        pytest.param([("A", "x")], [("A", "X")], 0.0, id="case in the answer is an error"),
        pytest.param([("Date:", "1")], [("DATE", "1")], 1.0, id="key case and colon do not count"),
        pytest.param([("A B", "1")], [("A  B", "1")], 0.0, id="key spaces do count"),
        pytest.param([("A-B_C", "1")], [("A B C", "1")], 0.0, id="key hyphens do count"),
        pytest.param([("A", "1"), ("A", "2")], [("A", "2")], 1.0, id="the last repeat is enough"),
        pytest.param([("A", "1"), ("A", "2")], [("A", "1 2")], 0.0, id="joined answers lose"),
        pytest.param([("A", "1")], [("A", "1"), ("A", "2")], 0.0, id="a later repeat overwrites"),
        pytest.param(
            [("A", "2")],
            [("A", "1"), ("A:", "2"), ("A", "3")],
            1.0,
            id="of keys cleaned alike the last to appear first wins",
        ),
        pytest.param([("A", "")], [("A", "")], 1.0, id="an empty answer counts"),
        pytest.param([], [], 0.0, id="no link"),
    ],
)
def test_key_value_accuracy_worked_by_hand(links, predicted, expected):
    assert key_value_accuracy(links, predicted) == expected
