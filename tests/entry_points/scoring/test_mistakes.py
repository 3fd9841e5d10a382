"""The words for what went wrong."""

from __future__ import annotations

import pytest

from entry_points.scoring.forms import Truth
from entry_points.scoring.mistakes import Mistakes


def mistakes(truth, predicted):
    rows = [{"question": question, "answer": answer} for question, answer in predicted]
    return Truth(tuple(truth), ()).score({"pairs": rows, "error_code": None}).mistakes


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        pytest.param([("A", "1")], [("a:", "1")], Mistakes(), id="none"),
        pytest.param(
            [("Date", "June 5"), ("Fax", "1")],
            [("Date", "Jan 5"), ("Total", "9")],
            Mistakes(misread=(("Jan 5", "June 5"),), missed=("Fax",), invented=("Total",)),
            id="one of each",
        ),
        pytest.param(
            [("Date", "June 5"), ("Item", "soap")],
            [("Item", "zzzz"), ("Date", "June")],
            Mistakes(misread=(("zzzz", "soap"), ("June", "June 5"))),
            id="the least similar first",
        ),
        pytest.param(
            [("Line 1", "x"), ("Line 2", "x"), ("Line 3", "x")],
            [("Line 3", "x"), ("Line 1", "x")],
            Mistakes(missed=("Line 2",)),
            id="the line that is missing, not its neighbour",
        ),
        pytest.param(
            [("Phone", "1")],
            [("Phone", "1"), ("Phone", "1")],
            Mistakes(invented=("Phone",), repeated=("Phone",)),
            id="a repeat is invented",
        ),
    ],
)
def test_every_pair_has_one_fate(truth, predicted, expected):
    assert mistakes(truth, predicted) == expected


def test_examples_name_two_of_each_kind_on_one_short_line():
    found = Mistakes(
        misread=(("Jan 5", "June 5"), ("a\nb", "c" * 80), ("x", "y")),
        missed=("Date", "Fax", "Name"),
        invented=("Total",),
    )
    assert found.examples() == (
        f"read 'Jan 5' for 'June 5'; read 'a b' for '{'c' * 39}…'; "
        "missed 'Date'; missed 'Fax'; invented 'Total'"
    )


def test_each_metric_has_its_own_worst_on_one_line():
    found = Mistakes(
        misread=(("Jan 5", "June 5"),),
        missed=("Fax",),
        filled=(("Sex", "Ann"), ("Total", "47.11")),
        hallucinated=("47.11",),
        repeated=("Date",),
    )
    assert found.by_metric() == {
        "answer_cer": "read 'Jan 5' for 'June 5'",
        "blank_invented": "blank 'Sex' was read as 'Ann'; blank 'Total' was read as '47.11'",
        "hallucination_rate": "'47.11' is nowhere on the page",
        "duplicate_rate": "'Date' again",
    }
    assert Mistakes(missed=("Fax",)).by_metric() == {}


def test_counts_hold_no_text():
    assert (
        Mistakes((("1", "2"),), ("Date", "Fax"), ()).counts() == "1 misread, 2 missed, 0 invented"
    )
