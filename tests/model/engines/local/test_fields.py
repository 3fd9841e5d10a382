"""The local engine finds a schema's fields on a page: by labels, by place, all of them together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ocr_extractor.contract import Pair
from ocr_extractor.engines.local.engine import BUNDLED_WEIGHTS
from ocr_extractor.engines.local.fields.candidates import Candidate, Candidates
from ocr_extractor.engines.local.fields.choice import Option, choose, options_of
from ocr_extractor.engines.local.fields.feature_names import NAMES, SLOTS
from ocr_extractor.engines.local.fields.features import Asked
from ocr_extractor.engines.local.fields.labels import likeness
from ocr_extractor.engines.local.fields.layout import Layout
from ocr_extractor.engines.local.fields.ranker import Ranker
from ocr_extractor.engines.local.fields.search import find_fields
from ocr_extractor.fields.raw_tree import scalars
from ocr_extractor.fields.schema import Field, Schema
from tests.true_words import read_words

TOTAL = {"type": "number"}
DATE = {"type": "string", "format": "date"}
NAME = {"type": "string"}

INVOICE = (
    ((60, 50), "Nordwind Supplies Ltd"),
    ((60, 80), "27 Harbour Lane"),
    ((60, 110), "Northwick NW9 4QQ"),
    ((500, 60), "INVOICE"),
    ((60, 200), "Bill to:"),
    ((60, 230), "Alder Street Hardware"),
    ((500, 200), "Invoice No.:"),
    ((660, 200), "R2026-00417"),
    ((500, 230), "Invoice date:"),
    ((660, 230), "05 March 2026"),
    ((500, 260), "Period:"),
    ((660, 260), "02/18/2026 - 02/24/2026"),
    ((60, 400), "Desk lamp, black"),
    ((660, 400), "100.00"),
    ((500, 500), "Subtotal"),
    ((660, 500), "100.00"),
    ((500, 530), "VAT 20%"),
    ((660, 530), "20.00"),
    ((500, 560), "Total due"),
    ((660, 560), "120.00"),
)


RECEIPT = (
    ((120, 20), "Alder Mart Ltd"),
    ((100, 45), "No. 12, Harbour Lane,"),
    ((110, 70), "Ground Floor, Kelton Mall,"),
    ((120, 95), "43200 Northwick, Westshire"),
    ((120, 120), "Tel: 03-9074 1234"),
    ((130, 160), "TAX INVOICE"),
    ((20, 200), "Date: 12/03/2019 10:15"),
    ((20, 240), "Desk lamp, black"),
    ((330, 240), "20.00"),
    ((20, 290), "Total (Excluding GST)"),
    ((330, 290), "20.00"),
    ((20, 315), "Total GST"),
    ((330, 315), "1.20"),
    ((20, 340), "Total (Inclusive of GST)"),
    ((330, 340), "21.20"),
    ((20, 365), "Cash"),
    ((330, 365), "50.00"),
    ((20, 390), "Change"),
    ((330, 390), "28.80"),
    ((20, 430), "GST Summary"),
    ((230, 430), "Amount"),
    ((330, 430), "Tax"),
    ((20, 455), "SR 6%"),
    ((230, 455), "20.00"),
    ((330, 455), "1.20"),
    ((20, 480), "Total"),
    ((230, 480), "20.00"),
    ((330, 480), "1.20"),
)


def schema(**fields: Any) -> Schema:
    checks = fields.pop("checks", [])
    return Schema.parse({"type": "object", "properties": fields, "x-checks": checks})


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    return Ranker(BUNDLED_WEIGHTS)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"invoice_number": NAME}, "R2026-00417"),
        ({"issue_date": DATE}, "05 March 2026"),
        ({"grand_total": TOTAL}, "120.00"),
        ({"zu_zahlen": TOTAL | {"x-labels": ["Total due"]}}, "120.00"),
        ({"tax": TOTAL | {"description": "Total tax"}}, "20.00"),
        ({"buyer": NAME | {"x-labels": ["Bill to"]}}, "Alder Street Hardware"),
        ({"company": NAME | {"description": "Company that issued it"}}, "Nordwind Supplies Ltd"),
        ({"iban": NAME | {"x-type": "iban"}}, None),
        ({"currency": NAME | {"x-type": "currency"}}, None),
    ],
    ids=[
        "label beside",
        "date",
        "another name of its label",
        "x-labels",
        "description",
        "label above",
        "no label: the letterhead",
        "no text is an IBAN",
        "no currency",
    ],
)
def test_a_field_is_found_by_its_label_or_its_place(
    ranker: Ranker, field: dict[str, Any], expected: str | None
):
    [name] = field
    tree, evidence = find_fields(schema(**field), read_words(INVOICE), (), 1, ranker)
    assert tree == {name: expected}
    score = evidence[name].score
    assert score is not None
    assert 0 < score <= 1
    assert (evidence[name].box is None) == (expected is None)


def test_a_range_of_dates_fills_both_of_its_ends(ranker: Ranker):
    wanted = schema(period_from=DATE, period_to=DATE)
    tree, evidence = find_fields(wanted, read_words(INVOICE), (), 1, ranker)
    assert tree == {"period_from": "02/18/2026", "period_to": "02/24/2026"}
    assert evidence["period_from"].box != evidence["period_to"].box


def test_the_total_of_a_receipt_is_not_that_of_its_table_of_taxes(ranker: Ranker):
    wanted = schema(total=TOTAL | {"description": "Total amount, tax included"})
    tree, evidence = find_fields(wanted, read_words(RECEIPT), (), 1, ranker)
    assert tree == {"total": "21.20"}
    assert evidence["total"].box is not None


def test_an_address_ends_where_another_label_stands(ranker: Ranker):
    wanted = schema(company=NAME, address=NAME | {"description": "Address of the shop"})
    tree, _ = find_fields(wanted, read_words(RECEIPT), (), 1, ranker)
    lines = [text for _, text in RECEIPT[1:4]]
    assert tree == {"company": "Alder Mart Ltd", "address": " ".join(lines)}


def test_a_place_serves_one_field(ranker: Ranker):
    tree, _ = find_fields(
        schema(total=TOTAL, tax=TOTAL, net=TOTAL), read_words(INVOICE), (), 1, ranker
    )
    assert tree == {"total": "120.00", "tax": "20.00", "net": "100.00"}


def test_a_label_without_an_answer_makes_a_field_blank(ranker: Ranker):
    blank = Pair("Order number", None, 1, 0.9, (10, 10, 50, 30))
    tree, evidence = find_fields(
        schema(order_number=NAME), read_words(INVOICE[:3]), [blank], 1, ranker
    )
    assert tree == {"order_number": ""}
    assert evidence["order_number"].box == (10, 10, 50, 30)


def test_a_group_is_filled(ranker: Ranker):
    buyer = {"type": "object", "properties": {"name": NAME | {"x-labels": ["Bill to"]}}}
    tree, evidence = find_fields(schema(buyer=buyer), read_words(INVOICE), (), 1, ranker)
    assert tree == {"buyer": {"name": "Alder Street Hardware"}}
    assert list(evidence) == ["buyer.name"]


def test_a_page_without_words_has_no_fields(ranker: Ranker):
    assert find_fields(schema(total=TOTAL), [], (), 1, ranker) == ({"total": None}, {})


@pytest.mark.parametrize(
    ("kind", "line", "expected"),
    [
        ("dates", "Flight 03/05/20-03/17/20", ["03/05/20", "03/17/20"]),
        ("dates", "12/03/201810:15:22", ["12/03/2018"]),
        ("dates", "vom 5. März 2026", ["5. März 2026"]),
        ("numbers", "RM12.50", ["12.50"]),
        ("numbers", "1 234,56 EUR", ["1 234,56"]),
        ("numbers", "2 x 5.00", ["2", "5.00"]),
        ("numbers", "Total 12 .50", ["12.50"]),
        ("numbers", "05.03.2026 7,00-", ["7,00-"]),
        ("numbers", "10:30 AB-12 4/5", []),
        ("numbers", "Total due: -$12.00", ["-$12.00"]),
        ("numbers", "Credit ($12.00)", ["($12.00)"]),
        ("numbers", "12.00CR", ["12.00CR"]),
        ("numbers", "Balance \u221212.00", ["\u221212.00"]),
        ("numbers", "Total - $12.00", ["12.00"]),
        ("numbers", "1\u2019234.50", ["1\u2019234.50"]),
        ("numbers", "Rs. 1,23,456.00", ["1,23,456.00"]),
        ("currencies", "Total EUR 5,00", ["EUR"]),
    ],
)
def test_candidates_are_cut_out_by_their_type(kind: str, line: str, expected: list[str]):
    layout = Layout.of(read_words([((10, 10), line)]))
    assert layout is not None
    assert [each.text for each in getattr(Candidates(layout), kind)] == expected


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        ([((10, 10), "Flight 03/05/20-03/17/20")], [1, 2]),
        ([((10, 10), "03/05/20"), ((200, 10), "03/17/20")], [1, 2]),
        ([((10, 10), "03/05/20"), ((900, 10), "03/17/20")], [0, 0]),
        ([((10, 10), "03/05/20"), ((10, 60), "03/17/20")], [0, 0]),
        ([((10, 10), "03/05/20 03/06/20 03/07/20")], [0, 0, 0]),
    ],
    ids=["one text", "two cells", "far apart", "below each other", "three"],
)
def test_two_dates_beside_each_other_are_a_range(
    words: list[tuple[tuple[int, int], str]], ends: list[int]
):
    layout = Layout.of(read_words(words))
    assert layout is not None
    dates = Candidates(layout).dates
    assert [each.end for each in dates] == ends
    assert len({each.range for each in dates if each.end}) <= 1


def test_texts_are_lines_blocks_and_what_stands_behind_a_label():
    layout = Layout.of(
        read_words([((10, 10), "Client Ann & Sons (123-X)"), ((10, 40), "5 High Street")])
    )
    assert layout is not None
    texts = {each.text for each in Candidates(layout).texts}
    assert {"Client Ann & Sons (123-X)", "Ann & Sons (123-X)", "Client Ann & Sons"} <= texts
    assert "Client Ann & Sons (123-X) 5 High Street" in texts


@pytest.mark.parametrize(
    ("field", "printed", "least", "most"),
    [
        (Field("total", "number"), "Total", 100, 100),
        (Field("total", "number"), "Gesamtbetrag", 100, 100),
        (Field("total", "number"), "Tota1", 70, 100),
        (Field("total", "number"), "Telephone", 0, 60),
        (Field("x", labels=("À payer",)), "A payer:", 100, 100),
        (Field("x", description="Payment date", type="date"), "Payment", 60, 90),
        (Field("contract_num"), "Contract / Revision", 60, 100),
        (Field("invoice_number"), "Handelsrechnung Nr.", 90, 100),
        (Field("invoice_number"), "Nummer:", 50, 80),
        (Field("invoice_number"), "Your reference", 0, 60),
        (Field("invoice_number"), "Kundennummer", 0, 70),
        (Field("contract_num"), "Invoice No.", 0, 60),
        (Field("gross_amount", "number"), "Net total", 0, 90),
        (Field("x"), "", 0, 0),
    ],
)
def test_likeness_of_a_label(field: Field, printed: str, least: float, most: float):
    assert least <= likeness(field, printed) <= most


def _option(value: Any, probability: float, *tops: int) -> Option:
    places = tuple(Candidate(str(value), (0, top, 50, top + 10), 0, "part") for top in tops)
    return Option(value, places, probability)


def test_checks_decide_between_values_that_are_as_likely():
    wanted = schema(net=TOTAL, tax=TOTAL, sum=TOTAL, checks=["net + tax == sum"])
    options = [
        [_option(100.0, 0.9, 0), _option(None, 0.1)],
        [_option(20.0, 0.9, 20), _option(None, 0.1)],
        [_option(110.0, 0.46, 40), _option(120.0, 0.44, 60), _option(None, 0.1)],
    ]
    chosen = choose(list(scalars(wanted)), options, wanted.checks)
    assert [each.candidate.text for each in chosen if each.candidate] == ["100.0", "20.0", "120.0"]
    assert chosen[2].probability > 0.6


def test_a_check_sees_a_text_as_it_is_printed():
    field = Field("currency")
    found = [Candidate("EUR", (0, 0, 9, 9), 0, "part")]
    rows = np.zeros((2, len(NAMES)), np.float32)
    asked = Asked("currency", field, found, ["eur"], rows, [("",) * len(SLOTS)], ["EUR"])
    options = options_of(asked, np.array([0.45, 0.55]))
    wanted = schema(currency=NAME, checks=["currency == 'EUR'"])
    [chosen] = choose(list(scalars(wanted)), [options], wanted.checks)
    assert chosen.candidate is found[0]


def test_the_second_field_takes_another_place_of_the_same_value():
    wanted = schema(total=TOTAL, paid=TOTAL)
    same = [_option(5.0, 0.9, 0, 30), _option(None, 0.1)]
    both = choose(list(scalars(wanted)), [same, same], ())
    assert {each.candidate.box[1] for each in both if each.candidate} == {0, 30}
    once = [_option(5.0, 0.6, 0), _option(None, 0.4)]
    both = choose(list(scalars(wanted)), [once, once], ())
    assert sum(each.candidate is None for each in both) == 1


def _date(value: str, end: int, of: int) -> Candidate:
    return Candidate(
        value, (20 * end, 30 * of, 20 * end + 10, 30 * of + 10), of, "part", "", "", of, 1, end, of
    )


def test_both_ends_of_a_printed_range_are_taken_together():
    wanted = schema(start=DATE, end=DATE)
    first, second = ("2020-03-05", "2020-03-17"), ("2020-03-09", "2020-03-15")
    ranges = [
        [_date(day, end, of) for end, day in enumerate(days, 1)]
        for of, days in enumerate((first, second))
    ]
    options = [
        [Option(first[0], (ranges[0][0],), 0.8), Option(second[0], (ranges[1][0],), 0.2)],
        [Option(second[1], (ranges[1][1],), 0.6), Option(first[1], (ranges[0][1],), 0.4)],
    ]
    chosen = choose(list(scalars(wanted)), options, ())
    assert [each.candidate.text for each in chosen if each.candidate] == [*first]
