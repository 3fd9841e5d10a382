"""Dates as they are printed: in figures or with a month's name, in many languages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import TypeVar

from ocr_extractor.fields.locale_names import fold, letters, months
from ocr_extractor.fields.members import DateOrder

_T = TypeVar("_T")

_MAX_CHARACTERS = 120
_YEARS = range(1800, 2201)
_DAYS = 31
# POSIX: 69 is 1969, 68 is 2068.
_PIVOT = 69

_TIME = re.compile(
    r"(?:(?<=\d)t|\bum |\bat |,)?\s*(?<!\d)\d{1,2}(?::\d{2}){1,2}(?:[.,]\d+)?"
    r"\s*(?:[ap]\.?\s?m\b\.?|uhr|h\b|z\b|utc|gmt)?(?:[+-]\d{2}:?\d{2})?"
)
# 20l9 is no year, and l5 no day.
_END = r"(?!\d|[ilosz|]\d)"
_FIGURES = re.compile(
    r"(?<![\d|])(?<!\b[ilosz])(\d{1,4})\s*([./ -])\s*(\d{1,2})\s*\2\s*(\d{4}|\d{1,2})" + _END
)
_COMPACT = re.compile(r"(?<!\d)((?:19|20)\d{2})(\d{2})(\d{2})(?!\d)")
_BETWEEN = r"[\s.,/'\u2019-]*(?:(?:de|del|of|da|di|d|gada|m)\b[\s.'\u2019]*)?"
_DAY = r"(?<!\d)(\d{1,2})(?:st|nd|rd|th|er|re|[eoa])?"
_NO_TIME = r"(?!\s*(?:h\d*|uhr|[ap]\.?m)\b)"
_NAME = r"([^\W\d_][^\d\s.,/'\u2019()-]*)"
_NAMED: tuple[tuple[DateOrder, re.Pattern[str]], ...] = (
    ("dmy", re.compile(rf"{_DAY}{_BETWEEN}{_NAME}{_BETWEEN}(\d{{4}}|\d{{2}}{_NO_TIME}){_END}")),
    ("mdy", re.compile(rf"{_NAME}{_BETWEEN}{_DAY}{_BETWEEN}(\d{{4}}){_END}")),
    (
        "mdy",
        re.compile(
            rf"{_NAME}[\s.]*{_DAY}\s*,?\s*[/'\u2019]\s*(\d{{2}}){_END}(?!\s*[./-]\s*\d|,? ?\d{{4}})"
        ),
    ),
    ("ymd", re.compile(rf"(?<!\d)(\d{{4}}){_BETWEEN}{_NAME}{_BETWEEN}{_DAY}(?!\d)")),
)
_EAST_ASIAN = str.maketrans({"年": "-", "月": "-", "日": " ", "년": "-", "월": "-", "일": " "})
_RANGE = re.compile(
    r"\s*(?:-|~|/|to|bis|until|till|through|thru|au|al|tot|a|até|hasta)"
    r"\s*(?:\S*\d|([^\W\d_]+\.?(?:\s+[^\W\d_]+)?))"
)

# How a description names an order. YYYY-MM-DD names none: it is how the value is written.
_NAMED_ORDERS: dict[DateOrder, re.Pattern[str]] = {
    "dmy": re.compile(r"day first|dd[/.-]mm|tt\.mm|jj/mm|day/month|day, month"),
    "mdy": re.compile(r"month first|(?<!y[/.-])mm[/-]dd|(?<!year/)month/day|month, day"),
    "ymd": re.compile(r"year first|yyyy[/.]mm|year/month"),
}

_Readings = dict[DateOrder, date]


def parse_date(text: str, order: DateOrder | None, language: str | None = None) -> date | None:
    """Return the one date that a text has.

    Times, weekdays and other words around it are left out; other figures may follow it. Figures
    with dots are day first, as they are in each of CLDR's locales, unless `order` says otherwise.

    Args:
        text: The text as it is printed.
        order: The order of day, month and year in figures, None if it is not known. It is not
            followed where only another order makes a date.
        language: The document's, which decides on a name that is another month's elsewhere.

    Returns:
        None if there is no date, if there are several, or if it can be read in two ways.
    """
    if len(text) > _MAX_CHARACTERS:
        return None
    plain = _TIME.sub(" ", fold(text).translate(_EAST_ASIAN))
    found = list(_found(plain, order, language))
    if not found:
        return None
    start, end = found[0][1]
    if re.search(r"\d", plain[:start]) or _begins_range(plain, end):
        return None
    dates = {
        readings[order] if order in readings else only(readings.values()) for readings, _ in found
    }
    return only(dates)


def _begins_range(plain: str, end: int) -> bool:
    """Tell whether a date that ends there is the first of a range: figures or a month follow."""
    found = _RANGE.match(plain, end)
    if found is None or found[1] is None:
        return found is not None
    return any(letters(word) in months() for word in found[1].split())


def order_of(text: str) -> DateOrder | None:
    """Return the order of a date in figures, None if it does not tell."""
    for readings, _ in _found(fold(text[:_MAX_CHARACTERS]), None):
        # A month's name leaves all three.
        if len(readings) == 1 and "ymd" not in readings:
            return next(iter(readings))
    return None


def date_spans(text: str) -> list[tuple[int, int]]:
    """Return where dates stand in a text, from left to right; ends are exclusive."""
    folded = (fold(each) for each in text)
    plain = "".join(each if len(each) == 1 else " " for each in folded)
    return [span for _, span in _found(plain, None)]


def told_order(description: str) -> DateOrder | None:
    """Return the order that the description of a field names, None if it names none or several."""
    plain = description.casefold()
    return only(order for order, words in _NAMED_ORDERS.items() if words.search(plain))


def _found(
    plain: str, order: DateOrder | None, language: str | None = None
) -> Iterator[tuple[_Readings, tuple[int, int]]]:
    """Yield the readings of each date, and where it stands, from left to right."""
    at = 0
    while candidates := [each for each in _candidates(plain, at, order, language) if each[0]]:
        first = min(candidates, key=lambda each: each[1][0])
        yield first
        at = first[1][1]


def _candidates(
    plain: str, at: int, order: DateOrder | None, language: str | None
) -> Iterator[tuple[_Readings, tuple[int, int]]]:
    """Yield the readings of the next date of each notation."""
    for found in _FIGURES.finditer(plain, at):
        if readings := _figures(found, order):
            yield readings, found.span()
            break
    for found in _COMPACT.finditer(plain, at):
        yield _reading("ymd", *found.groups()), found.span()
    for written, pattern in _NAMED:
        for found in pattern.finditer(plain, at):
            if month := months(language).get(letters(found[written.index("m") + 1])):
                parts = list(found.groups())
                parts[written.index("m")] = str(month)
                # A name leaves no question of order.
                for named in _reading(written, *parts).values():
                    yield {"dmy": named, "mdy": named, "ymd": named}, found.span()
                break


def _figures(found: re.Match[str], order: DateOrder | None) -> _Readings:
    first, between, *rest = found.groups()
    if len(first) > 2:
        return _reading("ymd", first, *rest)
    readings = _reading("dmy", first, *rest)
    if between != "." or order == "mdy" or not readings:
        readings |= _reading("mdy", first, *rest)
    # Two figures of a year come first with hyphens, with spaces (Korean), or where it is said.
    whole = all(len(each) == 2 for each in (first, *rest))
    spaced = " " in found[0] and between != "-"
    first_year = int(first) > _DAYS or (between == "-" and bool(readings))
    if spaced or order == "ymd" or (whole and first_year):
        readings |= _reading("ymd", first, *rest)
    return readings


def _reading(order: DateOrder, *parts: str) -> _Readings:
    """Return the date of three numbers in this order, nothing if it is none."""
    year, month, day = (parts[order.index(each)] for each in "ymd")
    number = int(year)
    if len(year) not in {2, 4}:
        return {}
    if len(year) == 2:
        number += 2000 if number < _PIVOT else 1900
    try:
        return {order: date(number, int(month), int(day))} if number in _YEARS else {}
    except ValueError:
        return {}


def only(found: Iterable[_T]) -> _T | None:
    """Return the one thing that was found, None if there are several or none."""
    left = set(found)
    return left.pop() if len(left) == 1 else None
