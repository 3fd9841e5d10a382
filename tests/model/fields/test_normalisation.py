"""Texts as they are printed become typed values, or none; nothing is guessed silently."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent, get_decimal_symbol
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_extractor.fields.date_text import order_of, parse_date
from ocr_extractor.fields.normalisation import Hints, normalise
from ocr_extractor.fields.number_text import decimal_of, parse_number
from ocr_extractor.fields.schema import Field, Schema

NONE = Hints()
LOCALES = [
    *("en_US", "en_GB", "en_IN", "de_DE", "de_CH", "de_AT", "fr_FR", "fr_CH", "es_ES", "es_MX"),
    *("it_IT", "nl_NL", "pt_BR", "pt_PT", "pl_PL", "cs_CZ", "sv_SE", "da_DK", "nb_NO", "fi_FI"),
    *("tr_TR", "ro_RO", "hu_HU", "el_GR", "ru_RU", "uk_UA", "ja_JP", "ko_KR", "zh_CN", "ar_EG"),
    *("hi_IN", "id_ID", "ms_MY", "ca_ES", "et_EE"),
]
ORDERS = {"d": "dmy", "M": "mdy", "y": "ymd"}

amounts = st.decimals(min_value=Decimal("-9999999"), max_value=Decimal("9999999"), places=2)
dates = st.dates(min_value=date(1970, 1, 1), max_value=date(2068, 12, 31))


def value_of(field: Field, raw: str, hints: Hints = NONE) -> Any:
    return normalise(field, raw, hints)


def order_in(locale: str, width: str) -> Any:
    pattern = Locale.parse(locale).date_formats[width].pattern
    return ORDERS[min("dMy", key=pattern.index)]


@pytest.mark.parametrize("locale", LOCALES)
@settings(max_examples=15, deadline=None)
@given(amount=amounts)
def test_a_number_comes_back_in_every_locale(locale: str, amount: Decimal):
    sign: Any = "." if get_decimal_symbol(locale) == "." else ","
    printed = format_decimal(amount, "#,##0.00", locale=locale)
    assert value_of(Field("x", "number", decimal=sign), printed) == float(amount), printed
    # Two decimals leave no question, whatever the locale is.
    assert value_of(Field("x", "number"), printed) == float(amount), printed


@pytest.mark.parametrize("locale", LOCALES)
@settings(max_examples=15, deadline=None)
@given(amount=amounts, currency=st.sampled_from(["EUR", "USD", "CHF", "GBP"]))
def test_money_comes_back_in_every_locale(locale: str, amount: Decimal, currency: str):
    field = Field("x", "number", semantic_type="money")
    for style in ("standard", "accounting"):
        printed = format_currency(amount, currency, locale=locale, format_type=style)
        assert value_of(field, printed) == float(amount), printed


@pytest.mark.parametrize("locale", LOCALES)
@settings(max_examples=15, deadline=None)
@given(day=dates, width=st.sampled_from(["short", "medium", "long", "full"]))
def test_a_date_comes_back_in_every_locale(locale: str, day: date, width: Any):
    printed = format_date(day, width, locale=locale)
    field = Field("x", "date", date_order=order_in(locale, "short"))
    # Polish November and Croatian October have one name.
    hints = Hints(language="pl") if locale == "pl_PL" else NONE
    assert value_of(field, printed, hints) == day.isoformat(), printed


@pytest.mark.parametrize(
    ("other_texts", "month"),
    [("Spółka", 11), ("Đakovo", 10), ("Spółka, Đakovo", None), ("Berlin", None)],
)
def test_the_documents_letters_decide_on_a_month_of_two_languages(
    other_texts: str, month: int | None
):
    fields = {"name": {"type": "string"}, "issued": {"type": "string", "format": "date"}}
    schema = Schema.parse({"type": "object", "properties": fields})
    hints = Hints.of(schema, {"name": other_texts, "issued": "3 listopada 2019"})
    expected = month and f"2019-{month}-03"
    assert value_of(Field("issued", "date"), "3 listopada 2019", hints) == expected
    assert value_of(Field("issued", "date"), "3 maja 2019", hints) == "2019-05-03"


@pytest.mark.parametrize("locale", LOCALES)
@settings(max_examples=15, deadline=None)
@given(day=dates)
def test_a_date_without_an_order_is_right_or_invalid(locale: str, day: date):
    for width in ("short", "medium"):
        printed = format_date(day, width, locale=locale)
        assert value_of(Field("x", "date"), printed) in {day.isoformat(), None}, printed


@pytest.mark.parametrize("locale", LOCALES)
@settings(max_examples=10, deadline=None)
@given(percent=st.integers(0, 400))
def test_a_percentage_comes_back_in_every_locale(locale: str, percent: int):
    printed = format_percent(percent / 100, locale=locale)
    assert value_of(Field("x", "number", semantic_type="percent"), printed) == percent, printed


@pytest.mark.parametrize("unit", ["1", "1.", "a", ".", " 1 a", "1/", "(", "1 jan ", "-", "१"])
@pytest.mark.parametrize(
    "field",
    [
        *(Field("x", kind) for kind in ("string", "number", "integer", "boolean", "date")),
        *(Field("x", semantic_type=kind) for kind in ("iban", "currency")),
        Field("x", enum=("paid", "open")),
    ],
    ids=["string", "number", "integer", "boolean", "date", "iban", "currency", "enum"],
)
def test_a_long_text_is_read_in_bounded_steps(field: Field, unit: str):
    # A pattern that goes back and forth in it would take hours.
    raw = unit * 100_000
    assert value_of(field, raw) in {None, " ".join(raw.split())}
    for length in (100, 60):
        value_of(field, raw[:length])


@given(text=st.text(max_size=200), kind=st.sampled_from(["number", "integer", "date", "boolean"]))
def test_no_text_fails(text: str, kind: Any):
    normalise(Field("x", kind), text, NONE)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.234,50", "1234.5"),
        ("1,234.50", "1234.5"),
        ("1 234,5", "1234.5"),
        ("1'234.50", "1234.5"),
        ("12,34,567.89", "1234567.89"),
        ("(1,234.00)", "-1234"),
        ("$(5.00)", "-5"),
        ("5.00-", "-5"),
        ("-5.00", "-5"),
        ("€ -5,00", "-5"),
        ("\u22125,00", "-5"),
        ("12.50 CR", "-12.5"),
        ("12.50 DR", "12.5"),
        ("50,-", "50"),
        ("RM 86.00", "86"),
        ("86.00 EUR", "86"),
        ("US$ 5", "5"),
        ("12.50 A", "12.5"),
        ("12.50*", "12.5"),
        ("0,123", "0.123"),
        ("1234,567", "1234.567"),
        (".50", "0.5"),
        ("3 Stk", "3"),
        ("19 %", "19"),
        ("\uff11\uff12\uff0e\uff15", "12.5"),
        ("1,234", None),
        ("1.234", None),
        ("12 50", None),
        ("Rs 500/-", "500"),
        ("Rs.1500", "1500"),
        ("Fr.12.-", "12"),
        ("$.50", "0.5"),
        ("50,- €", "50"),
        ("50.- CHF", "50"),
        ("12.00-EUR", "-12"),
        ("12,50 US-Dollar", "12.5"),
        ("12.50 SCR", "12.5"),
        ("30-day", "30"),
        ("24-Stück", "24"),
        ("100,00 €¹", "100"),
        ("12.50²", "12.5"),
        ("12 m²", "12"),
        ("L2.50", "2.5"),
        ("l2.50", None),
        ("1OO", None),
        ("5 TEUR", None),
        ("5 тыс.", None),
        ("5万", None),
        ("5 l", "5"),
        ("5l", None),
        ("10O", None),
        ("5 Cr", None),
        ("1.2 Mio", None),
        ("5 k", None),
        ("--5", None),
        ("(5", None),
        ("(-5)", None),
        ("1..2", None),
        ("1,23,4.5", None),
        ("1e5", None),
        ("3 x 5", None),
        ("Page 5", None),
        ("-", None),
        ("none", None),
        ("9" * 100, None),
    ],
)
def test_numbers(text: str, number: str | None):
    assert parse_number(text, None) == (Decimal(number) if number else None)


@pytest.mark.parametrize(
    ("text", "decimal", "kind", "number"),
    [
        ("1,234", ",", "number", "1.234"),
        ("1,234", ".", "number", "1234"),
        ("1,234", None, "money", "1234"),
        ("1.234", ",", "money", "1234"),
        ("1.459", ".", "money", "1.459"),
        ("12.50", ",", "money", "12.5"),
        ("19 %", None, "money", None),
        ("5 m", None, "money", None),
        ("50 Cent", None, "money", None),
        ("50p", None, "money", None),
        ("5 mn", None, "money", None),
        ("12.00 brutto", None, "money", "12"),
        ("5 m", None, "number", "5"),
        ("5 m", None, "integer", "5"),
        ("1.234", None, "integer", "1234"),
    ],
)
def test_numbers_that_can_be_read_in_two_ways(text, decimal, kind, number):
    found = parse_number(text, decimal, kind)
    assert found == (Decimal(number) if number else None)


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        *(("12.50", "."), ("1.234,50", ","), ("0,123", ","), ("1,234", None), ("1234", None)),
        ("Rs.1500", None),
    ],
)
def test_a_number_tells_what_separates_its_decimals(text: str, sign: str | None):
    assert decimal_of(text) == sign


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2020-03-04", "2020-03-04"),
        ("2020-03-04T10:00:00Z", "2020-03-04"),
        ("20200304", "2020-03-04"),
        ("25/12/2019", "2019-12-25"),
        ("12/25/2019", "2019-12-25"),
        ("03/03/2020", "2020-03-03"),
        ("03.04.2020", "2020-04-03"),
        ("31/12/19", "2019-12-31"),
        ("Tuesday, March 3, 2020", "2020-03-03"),
        ("3. März 2020", "2020-03-03"),
        ("Leipzig, den 3. Mai 2018, 10:15 Uhr", "2018-05-03"),
        ("1er janvier 2019", "2019-01-01"),
        ("3 de março de 2020", "2020-03-03"),
        ("3 settembre 2020", "2020-09-03"),
        ("3 de enero de 2020", "2020-01-03"),
        ("3 augustus 2020", "2020-08-03"),
        ("3rd of March 2020", "2020-03-03"),
        ("12-Jan-19", "2019-01-12"),
        ("Sept. 4, 2020", "2020-09-04"),
        ("Jun05/20", "2020-06-05"),
        ("Mar 5, '20", "2020-03-05"),
        ("March 3/15, 2020", None),
        ("06-07 - 6", None),
        ("2020年3月4日", "2020-03-04"),
        ("18/03/2018 12:33:10 PM", "2018-03-18"),
        ("10:15 03/13/2020", "2020-03-13"),
        ("05.03.2018 No. 12345", "2018-03-05"),
        ("13.03.2020 (13/03/2020)", "2020-03-13"),
        ("03/04/2020", None),
        ("03/04/20", None),
        ("31-12-19", None),
        ("12345 05.03.2018", None),
        ("03/13/2020 - 03/17/2020", None),
        ("13.03.2020 bis 17.03.2020", None),
        ("3.-5. März 2020", None),
        ("March 3-5, 2020", None),
        ("June 1, 2020 - June 30", None),
        ("1 Jan 2020 to Dec 2020", None),
        ("13.03.2020 bis Ende März", None),
        ("13.03.2020 - Rechnung", "2020-03-13"),
        ("mar. 13/05/2020", "2020-05-13"),
        ("5 mai 14h30", None),
        ("12. Mai, 10 Uhr", None),
        ("12 May 20", "2020-05-12"),
        ("25/12/20l9", None),
        ("25 Dec 20l9", None),
        ("l5.03.2020", None),
        ("Datum05.03.2020", "2020-03-05"),
        ("29.02.23", None),
        ("31/11/23", None),
        ("30-02-24", None),
        ("99/12/31", "1999-12-31"),
        ("30/02/2020", None),
        ("13/13/2020", None),
        ("3 listopad 2020", None),
        ("03.2020", None),
        ("5 mars", None),
        ("18. 1. 12.", None),
        ("2020-03-04/10", None),
        ("soon", None),
    ],
)
def test_dates(text: str, day: str | None):
    found = parse_date(text, None)
    assert (found.isoformat() if found else None) == day


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("03/04/2020", "dmy", "2020-04-03"),
        ("03/04/2020", "mdy", "2020-03-04"),
        ("03.04.2020", "mdy", "2020-03-04"),
        ("20/03/04", "ymd", "2020-03-04"),
        ("31-12-19", "dmy", "2019-12-31"),
        ("25/12/2019", "mdy", "2019-12-25"),
    ],
)
def test_dates_with_an_order(text: str, order: Any, day: str):
    found = parse_date(text, order)
    assert found
    assert found.isoformat() == day


@pytest.mark.parametrize(
    ("text", "order"),
    [("25/12/2019", "dmy"), ("12/25/2019", "mdy"), ("03/04/2020", None), ("2020-03-04", None)],
)
def test_a_date_tells_its_order(text: str, order: str | None):
    assert order_of(text) == order


SCHEMA = Schema.load("""
type: object
properties:
  issued: {type: string, format: date}
  due: {type: [string, "null"], format: date}
  weight: {type: number}
  items:
    type: array
    items:
      type: object
      properties:
        price: {type: number}
""")


@pytest.mark.parametrize(
    ("raws", "hints"),
    [
        ({}, Hints()),
        ({"issued": "03/04/2020", "items": None}, Hints()),
        ({"issued": "25/12/2019"}, Hints("dmy", None)),
        ({"issued": "25/12/2019", "due": "12/31/2019"}, Hints()),
        ({"weight": "1,234", "items": [{"price": "1,50"}, {"price": None}]}, Hints(None, ",")),
        ({"items": [{"price": "1,50"}, {"price": "2.50"}]}, Hints()),
    ],
    ids=["nothing", "ambiguous", "a date", "two orders", "a cell", "two signs"],
)
def test_hints_are_what_the_document_agrees_on(raws: dict[str, Any], hints: Hints):
    assert Hints.of(SCHEMA, raws) == hints


def test_a_hint_decides_what_can_be_read_in_two_ways():
    assert value_of(Field("due", "date"), "03/04/2020", Hints("dmy")) == "2020-04-03"
    assert value_of(Field("due", "date", date_order="mdy"), "03/04/2020", Hints("dmy")) == (
        "2020-03-04"
    )
    assert value_of(Field("weight", "number"), "1,234", Hints(None, ",")) == 1.234
    assert value_of(Field("weight", "number", decimal="."), "1,234", Hints(None, ",")) == 1234


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("Invoice date; printed day first", "2020-04-03"),
        ("Begin, MM/DD/YYYY", "2020-03-04"),
        ("Datum (TT.MM.JJJJ)", "2020-04-03"),
        ("Day of the sale", None),
        ("As YYYY-MM-DD", None),
        ("YYYY/MM/DD", None),
        ("DD/MM/YYYY or MM/DD/YYYY", None),
    ],
)
def test_a_description_may_tell_the_order_of_dates(told: str, expected: str | None):
    day = {"type": "string", "format": "date", "description": told}
    field = Schema.parse({"type": "object", "properties": {"x": day}}).leaves()["x"]
    assert value_of(field, "03/04/2020", Hints()) == expected


@pytest.mark.parametrize(
    ("field", "raw", "value"),
    [
        (Field("x"), "  MVM\n Musterhafter\t e.V. ", "MVM Musterhafter e.V."),
        (Field("x"), "03/04", "03/04"),
        (Field("x", "integer"), "1.000", 1000),
        (Field("x", "integer"), "2,00", 2),
        (Field("x", "integer"), "2,5", None),
        (Field("x", "integer", semantic_type="percent"), "19 %", 19),
        (Field("x", "boolean"), "Ja", True),
        (Field("x", "boolean"), "☒", True),
        (Field("x", "boolean"), "[ ]", False),
        (Field("x", "boolean"), "NON", False),
        (Field("x", "boolean"), "n/a", None),
        (Field("x", semantic_type="iban"), "IBAN: NL91 ABNA 0417 1643 00", "NL91ABNA0417164300"),
        (Field("x", semantic_type="iban"), "NL92 ABNA 0417 1643 00", None),
        (Field("x", semantic_type="currency"), "€", "EUR"),
        (Field("x", semantic_type="currency"), "eur", "EUR"),
        (Field("x", semantic_type="currency"), "US Dollar", "USD"),
        (Field("x", semantic_type="currency"), "Schweizer Franken", "CHF"),
        (Field("x", semantic_type="currency"), "1.234,00 EUR", "EUR"),
        (Field("x", semantic_type="currency"), "RM", "MYR"),
        (Field("x", semantic_type="currency"), "$", None),
        (Field("x", semantic_type="currency"), "¥", None),
        (Field("x", semantic_type="currency"), "EUR / USD", None),
        (Field("x", description="ISO 4217 code"), "£", "GBP"),
        (Field("x", description="Currency code"), "£", "GBP"),
        (Field("x", description="The total with its currency code"), "£ 5", "£ 5"),
        (Field("x", description="Colour"), "€", "€"),
    ],
    ids=lambda each: str(each)[:30],
)  # fmt: skip
def test_values(field: Field, raw: str, value: Any):
    assert value_of(field, raw) == value


@pytest.mark.parametrize(
    ("members", "raw", "member"),
    [
        (("Paid", "Open"), "Paid", "Paid"),
        (("Paid", "Open"), " PAID ", "Paid"),
        (("bank transfer", "cash"), "Bank-Transfer", "bank transfer"),
        (("bank transfer", "cash"), "bank transler", "bank transfer"),
        (("paid", "open"), "unpaid", None),
        (("active", "closed"), "inactive", None),
        (("employed", "self-employed", "retired"), "unemployed", None),
        (("complete", "open"), "incomplete", None),
        (("complete", "open"), "complere", "complete"),
        (("class 1", "class 2"), "class 3", None),
        (("a b", "ab"), "A B", None),
        (("paid", "open"), "", None),
    ],
)
def test_enums(members: tuple[str, ...], raw: str, member: str | None):
    assert value_of(Field("x", enum=members), raw) == member
