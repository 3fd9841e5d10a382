"""The local engine's pairs become fields by their labels and by what their answers can be."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_extractor.contract import Pair
from ocr_extractor.engines.base import Evidence
from ocr_extractor.engines.local.fields import find_lines, to_fields
from ocr_extractor.fields.schema import Schema
from ocr_extractor.ocr.words import Word

BOX = (1, 2, 3, 4)


def schema(**fields: Any) -> Schema:
    return Schema.parse({"type": "object", "properties": fields})


def pair(question: str, answer: str | None, confidence: float | None = 0.5) -> Pair:
    return Pair(question, answer, 1, confidence, None, BOX)


TOTAL = {"type": "number"}
DATE = {"type": "string", "format": "date"}
NAME = {"type": "string"}


@pytest.mark.parametrize(
    ("field", "pairs", "expected"),
    [
        ({"total": TOTAL}, [pair("Total:", "5.00")], "5.00"),
        ({"grand_total": TOTAL}, [pair("Gesamtbetrag", "5,00 EUR")], "5,00 EUR"),
        ({"sum": TOTAL | {"x-labels": ["À payer"]}}, [pair("A payer", "5,00")], "5,00"),
        (
            {"due": DATE | {"description": "Payment date"}},
            [pair("Payment", "2018-03-05")],
            "2018-03-05",
        ),
        ({"total": TOTAL}, [pair("Total", "see below"), pair("Totals", "5.00")], "5.00"),
        ({"total": TOTAL}, [pair("Telephone", "5.00")], None),
        ({"company": NAME}, [pair("Company", "002643278-A")], None),
        ({"company": NAME}, [pair("Company", "Ann & Sons")], "Ann & Sons"),
        ({"company": NAME}, [pair("Company", None)], ""),
    ],
    ids=[
        "name",
        "another language",
        "x-labels",
        "a word of the description",
        "type decides",
        "no label like it",
        "a number is no name",
        "text",
        "blank",
    ],
)
def test_a_field_gets_the_answer_of_its_label(
    field: dict[str, Any], pairs: list[Pair], expected: str | None
):
    tree, _ = to_fields(schema(**field), pairs)
    assert list(tree.values()) == [expected]


@pytest.mark.parametrize(
    ("fields", "pairs", "expected"),
    [
        ({"date": DATE}, [], "05 Mar 2018 10:15"),
        ({"date": DATE}, [pair("Date", "2018-03-07")], "2018-03-07"),
        ({"date": DATE}, [pair("Date", None)], ""),
        ({"from": DATE, "to": DATE}, [], None),
        ({"total": TOTAL}, [], None),
    ],
    ids=["the first", "a label counts more", "a blank label, too", "two dates", "no date"],
)
def test_the_only_date_needs_no_label(
    fields: dict[str, Any], pairs: list[Pair], expected: str | None
):
    texts = ("Ann & Sons 5", "05 Mar 2018 10:15", "2018-03-06")
    words = [
        Word(text, (10, 30 * at, 50, 30 * at + 20), at)
        for at, line in reversed(list(enumerate(texts)))
        for text in line.split()
    ]
    tree, evidence = to_fields(schema(**fields), pairs, find_lines(words, 1))
    assert next(iter(tree.values())) == expected
    if expected == "05 Mar 2018 10:15":
        assert evidence["date"].box == (10, 30, 50, 50)


def test_each_pair_is_used_once_and_the_best_match_comes_first():
    tree, _ = to_fields(
        schema(tax_total=TOTAL, grand_total=TOTAL),
        [pair("Total", "5.00"), pair("Tax total", "1.00")],
    )
    assert tree == {"tax_total": "1.00", "grand_total": "5.00"}


def test_evidence_is_that_of_the_pair():
    _, evidence = to_fields(schema(total=TOTAL), [pair("Total", "5.00", 0.8)])
    assert evidence == {"total": Evidence(BOX, 0.8, None)}


def test_a_group_is_filled_and_a_table_is_empty():
    rows = {"type": "array", "items": {"type": "object", "properties": {"amount": TOTAL}}}
    seller = {"type": "object", "properties": {"name": NAME | {"x-labels": ["Seller"]}}}
    tree, evidence = to_fields(schema(seller=seller, items=rows), [pair("Seller:", "Ann")])
    assert tree == {"seller": {"name": "Ann"}, "items": []}
    assert list(evidence) == ["seller.name"]


def test_a_range_of_dates_fills_both_of_its_ends():
    tree, _ = to_fields(
        schema(flight_from=DATE, flight_to=DATE), [pair("Flight Dates:", "02/18/20 - 02/24/20")]
    )
    assert tree == {"flight_from": "02/18/20", "flight_to": "02/24/20"}
