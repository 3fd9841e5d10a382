"""Pages become one document: each value once, proven, checked, with its confidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_extractor.contract import FieldValue
from ocr_extractor.engines.base import Evidence, PageReading
from ocr_extractor.fields.assembly import DocumentFields, assemble
from ocr_extractor.fields.confidence import confidence_of, is_accepted
from ocr_extractor.fields.schema import Schema

SCHEMA = Schema.parse(
    {
        "type": "object",
        "properties": {
            "company": {"type": ["string", "null"]},
            "seller": {
                "type": "object",
                "properties": {"since": {"type": "string", "format": "date"}},
            },
            "total": {"type": ["number", "null"]},
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "article": {"type": "string", "x-labels": ["Artikel"]},
                        "amount": {"type": "number", "x-labels": ["Betrag"]},
                    },
                },
            },
        },
        "x-checks": ["sum(items.amount) == total"],
    }
)  # fmt: skip


def row(article: str | None, amount: str | None) -> dict[str, str | None]:
    return {"article": article, "amount": amount}


def page(*rows: dict[str, str | None], evidence: Any = None, **texts: str) -> PageReading:
    tree: dict[str, Any] = {"company": None, "total": None} | texts | {"items": list(rows)}
    tree["seller"] = {"since": tree.pop("since", None)}
    return PageReading((), raw_fields=tree, evidence=evidence or {})


def read(*pages: PageReading, accept_at: dict[str, float] | None = None) -> DocumentFields:
    document = assemble(SCHEMA, dict(enumerate(pages, start=1)), accept_at)
    assert document is not None
    return document


def leaf(document: DocumentFields, path: str) -> FieldValue:
    [found] = [each for each in document.leaves if each.path == path]
    return found


def test_values_have_every_key_and_leaves_their_statuses():
    document = read(page(company="Ann", total="x,y"), page(row("nut", "1,50"), since=""))
    assert document.values == {
        "company": "Ann",
        "seller": {"since": None},
        "total": None,
        "items": [{"article": "nut", "amount": 1.5}],
    }
    assert [(each.path, each.status, each.value, each.page) for each in document.leaves] == [
        ("company", "found", '"Ann"', 1),
        ("seller.since", "blank", None, 2),
        ("total", "invalid", None, 1),
        ("items", "found", None, 2),
        ("items[0].article", "found", '"nut"', 2),
        ("items[0].amount", "found", "1.5", 2),
    ]


def test_a_document_without_the_fields_is_absent_and_one_without_an_answer_is_none():
    document = read(page())
    assert document.values == {
        "company": None,
        "seller": {"since": None},
        "total": None,
        "items": [],
    }
    assert {each.status for each in document.leaves} == {"absent"}
    assert assemble(SCHEMA, {1: PageReading(())}, None) is None


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([page(company="A"), page(company="B")], ("A", 1)),
        ([page(), page(company="B")], ("B", 2)),
        ([page(company=""), page(company="B")], ("B", 2)),
        (
            [
                page(company="A", evidence={"company": Evidence(None, 0.0, grounded=False)}),
                page(company="B", evidence={"company": Evidence((1, 2, 3, 4), 0.9, grounded=True)}),
            ],
            ("B", 2),
        ),
        (
            [
                page(company="A", evidence={"company": Evidence(None, 0.0, grounded=False)}),
                page(company="", evidence={"company": Evidence(None, 0.9, grounded=True)}),
            ],
            ("A", 1),
        ),
        (
            [
                page(company="A", evidence={"company": Evidence(None, 0.4)}),
                page(company="B", evidence={"company": Evidence(None, 0.9)}),
            ],
            ("B", 2),
        ),
        (
            [
                page(company="A", evidence={"company": Evidence(None, 0.4, grounded=True)}),
                page(company="B", evidence={"company": Evidence(None, 0.9, grounded=True)}),
            ],
            ("A", 1),
        ),
    ],
    ids=[
        "first",
        "only",
        "text before blank",
        "grounded before not",
        "text before grounded blank",
        "the engine's surest",
        "first of two that agree with the OCR",
    ],
)
def test_a_scalar_comes_from_the_page_that_has_it_best(
    pages: list[PageReading], expected: tuple[str, int]
):
    found = leaf(read(*pages), "company")
    assert (found.raw, found.page) == expected


@pytest.mark.parametrize(
    ("scores", "expected"), [([0.9], 0.9), ([0.9, 0.8], 0.72), ([0.9, None], None)]
)
def test_an_absent_leaf_is_as_sure_as_all_pages_together(
    scores: list[float | None], expected: float | None
):
    pages = [page(evidence={"company": Evidence(score=score)}) for score in scores]
    found = leaf(read(*pages), "company")
    assert found.status == "absent"
    assert found.confidence == (None if expected is None else pytest.approx(expected))


def test_rows_are_joined_without_what_a_page_break_repeats():
    document = read(
        page(row("Artikel", "Betrag"), row("nut", "1,00"), row("Übertrag", "1,00")),
        page(row("Artikel", "Betrag"), row("Übertrag", "1,00"), row("nut", "1,00")),
        page(row("carried over", "2,00"), row("bolt", "3,00"), total="5,00"),
    )
    assert document.values["items"] == [
        {"article": "nut", "amount": 1.0},
        {"article": "nut", "amount": 1.0},
        {"article": "bolt", "amount": 3.0},
    ]
    assert (document.passed, document.failed) == (1, ())


def test_items_that_are_called_like_a_sum_carried_over_stay():
    document = read(
        page(row("Report", "1,00"), row("Übertragungskabel", "2,00")),
        page(row("Report writing", "3,00"), row("Interview with a reporter", "4,00")),
    )
    assert [each["amount"] for each in document.values["items"]] == [1.0, 2.0, 3.0, 4.0]


def test_a_table_and_what_is_null_need_no_confidence_to_reach_a_threshold():
    paths = ("total", "items[0].article", "items[0].amount")
    evidence = {path: Evidence(score=0.9) for path in paths}
    document = read(page(row("nut", "1,00"), total="1,00", evidence=evidence))
    assert document.reaches({"*": 0.5})
    assert not document.reaches({"*": 0.5, "total": 0.99})


def test_titles_in_words_of_their_own_are_dropped_where_they_begin_each_page():
    document = read(
        page(row("Ware", "Preis"), row("nut", "1,00")), page(row("Ware", "Preis"), row("nut", "2"))
    )
    assert [each["amount"] for each in document.values["items"]] == [1.0, 2.0]


def test_one_page_keeps_a_row_that_is_called_like_a_sum():
    assert len(read(page(row("Transport", "5,00"))).values["items"]) == 1


def test_evidence_follows_a_row_to_its_place_in_the_document():
    box = Evidence((1, 2, 3, 4), 0.9, grounded=True)
    document = read(
        page(row("nut", "1,00")),
        page(row("Artikel", "Betrag"), row("bolt", "2,00"), evidence={"items[1].amount": box}),
    )
    found = leaf(document, "items[1].amount")
    assert (found.box, found.confidence, found.grounded, found.page) == ((1, 2, 3, 4), 0.9, True, 2)


def test_a_check_that_fails_is_named_on_every_leaf_it_uses_and_halves_their_confidence():
    proven = {path: Evidence(None, 0.8, grounded=True) for path in ("total", "items[0].amount")}
    document = read(page(row("nut", "1,00"), company="Ann", total="2,00", evidence=proven))
    failed = ("sum(items.amount) == total",)
    for path, checks, confidence in [
        ("company", (), None),
        ("total", failed, 0.4),
        ("items[0].amount", failed, 0.4),
        ("items[0].article", (), None),
    ]:
        found = leaf(document, path)
        assert (found.checks, found.confidence) == (checks, confidence), path


def test_missing_rows_are_named_on_the_table():
    first = replace(page(row("nut", "1"), row("nut", "1")), rows_shown={"items": 3})
    found = leaf(read(first, page(row("nut", "1"))), "items")
    assert (found.checks, found.confidence) == (("rows: 3 of 4 read",), 0.75)


def test_accept_at_marks_each_leaf_by_its_pattern():
    proven = {
        path: Evidence(None, 0.8, grounded=True)
        for path in ("company", "items[0].amount", "items[0].article")
    }
    document = read(
        page(row("nut", "1,00"), company="Ann", evidence=proven),
        accept_at={"items[].amount": 0.9, "*": 0.8},
    )
    assert leaf(document, "company").accepted is True
    assert leaf(document, "items[0].amount").accepted is False
    assert leaf(document, "items[0].article").accepted is True
    assert leaf(document, "total").accepted is False
    assert leaf(read(page(company="Ann")), "company").accepted is None
    assert is_accepted("company", 1.0, {"total": 0.5}) is None


def test_a_confidence_is_the_product_of_what_is_known():
    evidence = {
        "company": Evidence(None, 0.5, grounded=True, ocr_score=0.5, probability=0.5),
        "total": Evidence(probability=0.25),
    }
    document = read(page(company="Ann", total="2", since="2020-01-02", evidence=evidence))
    confidences = [leaf(document, path).confidence for path in ("company", "total", "seller.since")]
    assert confidences == [0.125, 0.25, None]


def test_a_value_that_another_answer_contradicts_has_a_lower_confidence():
    proven = {path: Evidence(probability=0.5) for path in ("company", "total")}
    other = read(page(company="Ann", total="3"))
    document = assemble(
        SCHEMA, {1: page(company="ANN", total="3,00", evidence=proven)}, None, other
    )
    assert document is not None
    assert leaf(document, "company").confidence == pytest.approx(0.35)
    assert leaf(document, "total").confidence == 0.5


@given(
    st.sampled_from(["found", "invalid", "blank", "absent"]),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
)
def test_confidence_grows_with_the_score_and_falls_with_failures(
    status: Any, scores: tuple[float, float], failures: tuple[int, int]
):
    worse = confidence_of(status, min(scores), max(failures), repeated=False)
    better = confidence_of(status, max(scores), min(failures))
    assert worse is not None
    assert better is not None
    assert 0 <= worse <= better <= 1
