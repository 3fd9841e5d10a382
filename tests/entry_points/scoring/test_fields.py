"""The score of fields, worked by hand, by what must always hold, and by another computation."""

from __future__ import annotations

import itertools
import random
import unicodedata
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from data.field_schema import parse_schema
from data.fields import Place
from entry_points.scoring.bootstrap import differences, intervals
from entry_points.scoring.field_score import FieldScore, merged_tally, metric_names
from entry_points.scoring.fields import FieldTruth
from entry_points.scoring.scores import LOWER_IS_BETTER, aggregate, score_forms
from tests.entry_points.scoring.field_rows import DATE, FAILED, NUMBER, TEXT, row, schema, values

SCHEMA = schema()


def score(read, true=None, **leaves) -> FieldScore:
    return FieldTruth(SCHEMA, values() if true is None else true).score(row(read, **leaves))


def f1(read, true=None) -> float:
    return score(read, true).metrics()["value_f1"]


CELLS = 6 + 2 * 3


@pytest.mark.parametrize(
    ("read", "right", "read_cells"),
    [
        (values(), 12, 12),
        (values(number="a-17."), 12, 12),
        (values(number=" A-17 "), 12, 12),
        (values(number="A-18"), 11, 12),
        (values(number=None), 11, 12),
        (values(date="2026-09-03"), 11, 12),
        (values(date="9.3.2026"), 11, 12),
        (values(total=30), 12, 12),
        (values(total=30.004), 12, 12),
        (values(total=30.01), 11, 12),
        (values(total="30.0"), 11, 12),
        (values(paid=None), 11, 12),
        (values(paid=True), 11, 12),
        (values(seller={"name": "Ann Smith & Co.", "vat": "DE1"}), 11, 12),
        (values(seller={"name": "Ann Smith & Co."}), 12, 12),
        (values(seller=None), 11, 12),
        (values(items=[]), 6, 6),
        (values(items=values()["items"][1:]), 9, 9),
        (values(items=values()["items"][::-1]), 12, 12),
        (values(items=[*values()["items"], {"text": "?", "pieces": 1, "amount": 1}]), 12, 15),
        (values(items=[{"text": "Red paint", "pieces": 4, "amount": 20.0}] * 2), 9, 12),
    ],
    ids=[
        "identical",
        "case and edge punctuation",
        "spaces",
        "another text",
        "not read",
        "day and month swapped",
        "date is not ISO",
        "integer for a number",
        "within the printed precision",
        "a cent too much",
        "text for a number",
        "false not read",
        "true for false",
        "invented",
        "absent key for null",
        "absent group",
        "no rows",
        "first row missing",
        "rows in another order",
        "a row too many",
        "a row twice in place of another",
    ],
)
def test_value_f1_counts_right_cells_of_those_that_are_there_and_were_read(read, right, read_cells):
    assert f1(read) == pytest.approx(2 * right / (CELLS + read_cells))
    assert score(read).metrics()["document_accuracy"] == (right == read_cells == CELLS)


def test_a_failed_document_scores_0_in_everything():
    failed = FieldTruth(SCHEMA, values()).score(FAILED)
    known = {
        name: value for name, value in failed.metrics().items() if name != "parse_failure_rate"
    }
    assert set(known.values()) == {0.0}
    assert failed.metrics()["parse_failure_rate"] == 1
    assert (failed.failed, failed.right, failed.predicted) == (True, 0, 0)
    raised = FieldTruth(SCHEMA, values()).score(None)
    assert raised.metrics()["value_f1"] == 0
    half = aggregate([failed, score(values())])
    assert (half["value_f1"], half["coverage"], half["field_f1/total"]) == (0.5, 0.5, 0.5)


def test_a_similar_text_counts_in_the_lenient_score_only():
    read = values(number="A-17", seller={"name": "Ann Smyth & Co.", "vat": None})
    metrics = score(read).metrics()
    assert metrics["value_f1_lenient"] == 1
    assert metrics["value_f1"] == pytest.approx(11 / 12)
    assert metrics["field_f1/seller.name"] == 0
    assert metrics["field_f1/seller.vat"] == metrics["field_f1/items.amount"] == 1


def test_null_honesty_is_the_share_of_nulls_that_stay_null():
    true = values(number=None, date=None)
    read = values(number=None, date="2026-01-01")
    assert score(read, true).metrics()["null_honesty"] == pytest.approx(2 / 3)


def test_what_went_wrong_is_counted_by_field():
    read = values(
        number="B", date=None, seller={"name": None, "vat": "DE1"}, items=values()["items"][:1]
    )
    found = score(read, date={"status": "invalid", "raw": "31.02.2026"})
    assert found.fates == {"right": 5, "misread": 1, "invalid": 1, "missed": 4, "invented": 1}
    assert found.tally["items"] == {"rows": 2, "rows missing": 1, "rows extra": 0}
    assert found.tally["date"] == {"invalid": 1}
    assert found.metrics()["invalid_rate"] == pytest.approx(1 / 8)
    assert ("date: 31.02.2026", "2026-03-09") in found.mistakes.misread
    assert merged_tally([found, found])["number"] == {"misread": 2}


def test_checks_that_failed_are_counted_once_however_many_leaves_name_them():
    check = {"checks": ["sum(items.amount) == total"]}
    metrics = score(values(), total=check, **{"items[0]__amount": check}).metrics()
    assert metrics["check_pass_rate"] == 0
    short = score(values(), items={"checks": ["rows: 40 of 52 read"]}).metrics()
    assert short["check_pass_rate"] == 1
    of_table = score(values(), items=check).metrics()
    assert of_table["check_pass_rate"] == 0
    plain = parse_schema({"properties": {"a": TEXT}}, "s")
    assert "check_pass_rate" not in FieldTruth(plain, {"a": None}).score(row({"a": None})).metrics()


@pytest.mark.parametrize(
    ("leaves", "share"),
    [
        ({"number": {"box": [0, 0, 100, 20]}}, 1.0),
        ({"number": {"box": [0, 0, 100, 11]}}, 1.0),
        ({"number": {"box": [0, 0, 100, 9]}}, 0.0),
        ({"number": {"box": [0, 0, 100, 20], "page": 2}}, 0.0),
        ({"number": {"box": None}}, 0.0),
        ({"number": {"box": [0, 0, 100, 20]}, "date": {"box": [5, 5, 9, 9]}}, 1.0),
    ],
    ids=["same box", "half of it", "less", "another page", "no box", "box of unknown truth"],
)
def test_a_box_is_right_from_half_of_both(leaves, share):
    truth = FieldTruth(SCHEMA, values(), {"number": Place(1, (0, 0, 100, 20))})
    assert truth.score(row(values(), **leaves)).metrics()["grounding_f1"] == share
    wrong = truth.score(row(values(number="B"), **leaves)).metrics()
    assert wrong["grounding_f1"] == 0


def test_confidences_are_judged_leaf_by_leaf():
    read = values(number="B", items=values()["items"][::-1])
    found = FieldTruth(SCHEMA, values()).judged_leaves(row(read, seller__vat={"confidence": 0.3}))
    assert ("number", 0.9, False) in found
    assert ("seller.vat", 0.3, True) in found
    assert found.count(("items[].amount", 0.9, True)) == 2
    assert len(found) == CELLS


def test_metric_names_are_what_mlflow_takes_and_differ():
    names = ("a b", "a/b", "a_b", "..", ".", "Straße", "x" * 300, "{{ a }}", "a\nb", "")
    found = metric_names(parse_schema({"properties": dict.fromkeys(names, TEXT)}, "s"))
    assert len(set(found.values())) == len(names)
    for name in found.values():
        _validate_metric_name(name)


def test_a_score_can_be_stored():
    found = score(values(number="B"))
    again = FieldScore.from_row(found.to_row())
    assert again.metrics() == found.metrics()
    assert again.fates == found.fates
    assert again.gated == ("value_f1", "field_f1/total")
    assert FieldScore.mean([found, score(values())]).metrics()["field_f1/number"] == 0.5


def test_every_metric_has_an_interval_and_a_difference():
    truths = {str(n): FieldTruth(SCHEMA, values()) for n in range(12)}
    one = score_forms(truths, {doc_id: row(values(number="B")) for doc_id in truths})
    other = score_forms(truths, {doc_id: row(values()) for doc_id in truths})
    assert intervals(one).keys() == aggregate(one.values()).keys()
    found = differences(other, one)
    assert found["field_f1/number"].value == 1
    assert found["value_f1"].low == pytest.approx(1 / 12)


# An independent computation: plain loops, all permutations, no code of the project.
NARROW = {
    "properties": {
        "name": TEXT,
        "day": DATE,
        "sum": NUMBER,
        "rows": {"type": "array", "items": {"properties": {"t": TEXT, "n": NUMBER}}},
    }
}


def _same(one, two) -> bool:
    if one is None or two is None:
        return one is two
    if isinstance(one, float):
        return isinstance(two, float) and abs(one - two) <= 0.005
    return _plain(one) == _plain(two)


def _plain(text: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    kept = text
    while kept and (kept[0] == " " or unicodedata.category(kept[0])[0] == "P"):
        kept = kept[1:]
    while kept and (kept[-1] == " " or unicodedata.category(kept[-1])[0] == "P"):
        kept = kept[:-1]
    return kept or text


def by_hand(true, read) -> float:
    keys = ("name", "day", "sum")
    right = sum(_same(true[key], read[key]) for key in keys)
    ours, theirs = true["rows"], read["rows"]
    short, long = sorted((ours, theirs), key=len)
    right += max(
        sum(_same(a[key], b[key]) for a, b in zip(short, chosen, strict=True) for key in ("t", "n"))
        for chosen in itertools.permutations(long, len(short))
    )
    return 2 * right / (6 + 2 * (len(ours) + len(theirs)))


texts = st.none() | st.sampled_from(["Ann", "ann.", "Bob  Lee", "bob lee", "-", "C", "Ç"])
amounts = st.none() | st.integers(-300, 300).map(lambda cents: cents / 100)
days = st.none() | st.dates(date(2020, 1, 1), date(2020, 1, 4)).map(date.isoformat)
tables = st.lists(st.fixed_dictionaries({"t": texts, "n": amounts}), max_size=5)
documents = st.fixed_dictionaries({"name": texts, "day": days, "sum": amounts, "rows": tables})
narrow = parse_schema(NARROW, "schema.json")


@given(documents, documents)
def test_value_f1_is_what_an_independent_computation_finds(true, read):
    found = FieldTruth(narrow, true).score(row(read)).metrics()
    assert found["value_f1"] == pytest.approx(by_hand(true, read), abs=1e-3)
    assert found["value_f1"] <= found["value_f1_lenient"] + 1e-9


@given(documents)
def test_what_is_read_as_it_stands_is_perfect(true):
    found = FieldTruth(narrow, true).score(row(true)).metrics()
    for name, value in found.items():
        assert value == (name not in {*LOWER_IS_BETTER}), name


@given(documents, documents, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(true, read, rng: random.Random):
    def shuffled(document):
        return {**document, "rows": rng.sample(document["rows"], len(document["rows"]))}

    before = FieldTruth(narrow, true).score(row(read))
    after = FieldTruth(narrow, shuffled(true)).score(row(shuffled(read)))
    assert after.shares == before.shares
    assert after.tally == before.tally


@given(st.lists(st.tuples(documents, st.none() | documents), min_size=1, max_size=4))
def test_every_metric_is_between_0_and_1_for_one_and_for_many(pairs):
    scores = [FieldTruth(narrow, true).score(row(read) if read else FAILED) for true, read in pairs]
    for found in (*(each.metrics() for each in scores), aggregate(scores)):
        assert all(0 <= value <= 1 for value in found.values())
    once = aggregate(scores)
    twice = FieldScore.weighted(scores, np.full((1, len(scores)), 2.0))
    assert {name: float(value[0]) for name, value in twice.items()} == pytest.approx(once)


def test_a_table_of_1200_rows_is_paired():
    rows = [{"t": f"Article {n}", "n": n / 7} for n in range(1200)]
    true = {"name": None, "day": None, "sum": None, "rows": rows}
    read = {**true, "rows": rows[:30] + rows[40:]}
    found = FieldTruth(narrow, true).score(row(read)).metrics()
    assert found["value_f1"] == pytest.approx(2 * 2383 / (2 * 2383 + 20))
