"""Checks between values: what they say, what they allow, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_extractor.errors import SchemaError
from ocr_extractor.fields.checks import Check
from ocr_extractor.fields.schema import Field

RULE = "items.quantity * items.price == items.amount"
LEAVES = {
    "total": Field("total", "number", semantic_type="money"),
    "net": Field("net", "number"),
    "tax": Field("tax", "number"),
    "pages": Field("pages", "integer"),
    "paid": Field("paid", "boolean"),
    "currency": Field("currency"),
    "start": Field("start", "date"),
    "end": Field("end", "date"),
    "gross amount": Field("gross amount", "number"),
    "seller.name": Field("name"),
    "items[].quantity": Field("quantity", "number"),
    "items[].price": Field("price", "number"),
    "items[].amount": Field("amount", "number"),
    "fees[].amount": Field("amount", "number"),
}
ROWS: list[dict[str, Any]] = [
    {"quantity": 2.0, "price": 1.5, "amount": 3.0},
    {"quantity": None, "price": None, "amount": 4.25},
]


def holds(text: str, **values: Any) -> bool | None:
    return Check.parse(text, LEAVES).holds(values)


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("net + tax == total", {"net": 1.1, "tax": 2.2, "total": 3.3}, True),
        ("net + tax == total", {"net": 1.1, "tax": 2.2, "total": 3.4}, False),
        ("net + tax == total", {"net": None, "tax": 2.2, "total": 3.4}, None),
        ("net + tax == total", {}, None),
        ("net - -tax * 2 == 7", {"net": 1, "tax": 3}, True),
        ("(net - tax) * 2 == 4", {"net": 5, "tax": 3}, True),
        ("net - tax - 1 == 1", {"net": 5, "tax": 3}, True),
        ("net / tax == 1", {"net": 5, "tax": 0}, None),
        ("net / tax == 1", {"net": 0, "tax": 0}, None),
        ("net != tax", {"net": 5, "tax": 0}, True),
        ("net <= tax", {"net": 5, "tax": 5}, True),
        ("net < tax", {"net": 5, "tax": 5}, False),
        ("net >= 5.5", {"net": 5.5}, True),
        ("net > 5.5", {"net": 5.5}, False),
        ("start <= end", {"start": "2020-03-04", "end": "2020-03-04"}, True),
        ("start <= end", {"start": "2020-03-05", "end": "2020-03-04"}, False),
        ("start >= '2000-01-01'", {"start": "2020-03-05"}, True),
        ('currency == "EUR"', {"currency": "EUR"}, True),
        ("currency != 'EUR'", {"currency": "EUR"}, False),
        ("seller.name == currency", {"seller": {"name": "A"}, "currency": "A"}, True),
        ("seller.name == 'A'", {"seller": None}, None),
        ("`gross amount` == net", {"gross amount": 1, "net": 1}, True),
        ("sum(items.amount) == net", {"items": ROWS, "net": 7.25}, True),
        ("sum(items[].amount) == net", {"items": ROWS, "net": 7.3}, False),
        ("sum(items.amount) == net", {"items": [], "net": 0}, None),
        ("sum(items.quantity) == net", {"items": ROWS, "net": 2}, None),
        ("sum(items.quantity * items.price) == net", {"items": ROWS[:1], "net": 3}, True),
        ("sum(items.amount) + sum(fees.amount) == 14.5", {"items": ROWS, "fees": ROWS}, True),
        ("count(items) == pages", {"items": ROWS, "pages": 2}, True),
        ("count(items) == pages", {"items": None, "pages": 2}, None),
        ("count(items) == 0", {"items": []}, True),
        (RULE, {"items": ROWS}, True),
        (RULE, {"items": [*ROWS, {"quantity": 5, "price": 5, "amount": 5}]}, False),
        (RULE, {"items": ROWS[1:]}, None),
        ("items.quantity == items.price", {"items": []}, None),
        ("items.amount <= total", {"items": ROWS, "total": 4}, False),
    ],
)  # fmt: skip
def test_a_check_holds_or_not_or_cannot_be_told(text, values, expected):
    assert holds(text, **values) is expected


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("net + tax == 3.345", {"net": 1.11, "tax": 2.225}, True),
        ("net == tax", {"net": 1.11, "tax": 1.12}, True),
        ("net == tax", {"net": 1.11, "tax": 1.13}, False),
        ("net != tax", {"net": 1.11, "tax": 1.12}, False),
        ("net == tax", {"net": 1.1111, "tax": 1.1113}, False),
        ("net == tax", {"net": 1.1111, "tax": 1.1112}, True),
        ("total == 5.01", {"total": 5}, True),
        ("total == 5.02", {"total": 5}, False),
        ("pages == 5.001", {"pages": 5}, False),
        ("net == total", {"net": 1e20, "total": 1e20}, True),
        ("net < tax", {"net": 1.11, "tax": 1.11}, False),
        (RULE, {"items": [{"quantity": 3, "price": 3.3333, "amount": 10}]}, True),
    ],
)  # fmt: skip
def test_equality_allows_for_rounding(text, values, expected):
    assert holds(text, **values) is expected


def test_every_summand_may_be_rounded():
    rows = [{"amount": 1.01}] * 100
    assert holds("sum(items.amount) == net", items=rows, net=101.5) is True
    assert holds("sum(items.amount) == net", items=rows, net=101.51) is False


@given(st.lists(st.decimals(-1000, 1000, places=2), min_size=1, max_size=30))
def test_a_sum_of_what_is_printed_holds(amounts: list[Decimal]):
    rows = [{"amount": float(each)} for each in amounts]
    assert holds("sum(items.amount) == total", items=rows, total=float(sum(amounts))) is True


def test_a_check_names_what_it_uses():
    check = Check.parse("sum(items.amount) + tax == total + 0*count(items) + tax", LEAVES)
    assert check.paths == ("items[].amount", "tax", "total", "items")
    assert str(check) == "sum(items.amount) + tax == total + 0*count(items) + tax"
    assert check == Check.parse(check.text, LEAVES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "character 1: there is the end instead of a field or a number"),
        ("total", "instead of a comparison"),
        ("total ==", "character 9: there is the end"),
        ("total == 1 == 2", "character 12: there is '==' after the end"),
        ("total = 1", "character 7: there is '=' instead of a comparison"),
        ("1 == 1", "no field is used"),
        ("totl == 1", "'totl' is none of the schema's fields"),
        ("items == 1", "'items' is none"),
        ("seller.nam == 'x'", "'seller.nam' is none"),
        ("total == start", "a number is compared with a date"),
        ("currency == 1", "a text is compared with a number"),
        ("currency < 'x'", "texts are compared by == or !="),
        ("start == 'x'", "'x' is no date, write YYYY-MM-DD"),
        ("start == '2020-02-30'", "no date"),
        ("start - end == 1", "'-' needs numbers, and a date and a date"),
        ("-start == end", "'-' needs a number"),
        ("paid == 1", "paid is a boolean"),
        ("sum(total) == 1", "sum needs a number column"),
        ("sum(items.amount == 1", "instead of '\\)'"),
        ("sum(sum(items.amount)) == 1", "a sum is within a sum"),
        ("sum(items.amount * fees.amount) == 1", "a sum uses two tables"),
        ("items.amount == fees.amount", "rows of two tables"),
        ("count(total) == 1", "count needs a table"),
        ("count(items.amount) == 1", "instead of '\\)'"),
        ("__import__('os').system('ls') == 1", "'__import__' is none"),
        ("total.__class__ == 1", "'total.__class__' is none"),
        ("total ** 2 == 1", "there is '\\*' instead of a field"),
        ("total; 1 == 1", "there is ';'"),
        ("'a == total", "there is"),
        ("`a == total", "there is"),
        ("(" * 100 + "total", "nested more than 20"),
        ("-" * 100 + "total == 1", "nested more than 20"),
        ("total == " + "1+" * 300 + "1", "may have 500"),
        ("total\x00 == 1", "there is"),
    ],
    ids=lambda each: repr(each)[:30],
)
def test_a_wrong_check_is_refused_with_the_position(text: str, says: str):
    with pytest.raises(SchemaError, match=says) as refused:
        Check.parse(text, LEAVES)
    assert str(refused.value).isprintable()


def test_a_failure_shows_numbers_of_any_size_without_zeros_at_their_end():
    check = Check.parse("total == 1.5", LEAVES)
    assert check.failures({"total": 1.25e30}) == [(None, f"125{'0' * 28} == 1.5")]
    assert check.failures({"total": 100.0}) == [(None, "100 == 1.5")]


words = st.lists(
    st.sampled_from(
        ["total", "items", ".", "amount", "sum", "count", "(", ")", "==", "<", "-", "1", "'x'"]
    ),
    max_size=15,
)


@given(st.text(max_size=60) | words.map(" ".join))
def test_any_text_is_a_check_or_refused(text: str):
    try:
        check = Check.parse(text, LEAVES)
    except SchemaError:
        return
    assert check.holds({"total": 1.0, "items": ROWS}) in {True, False, None}
