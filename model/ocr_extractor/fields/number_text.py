"""Numbers as they are printed, in any of the world's notations."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import Literal

from ocr_extractor.fields.locale_names import currencies, fold

DecimalSign = Literal[".", ","]
Kind = Literal["number", "integer", "money"]

_MAX_CHARACTERS = 60
# Rs.500 is not 0.5.
_BODY = re.compile(r"\d(?:[\d.,' ]*\d)?|(?<![^\W\d_])[.,]\d+")
# Thousands by three, or as in India by two before the last three.
_GROUPS = re.compile(r"\d{1,3}(?:([.,' ])\d{3})(?:\1\d{3})*|\d{1,2}(?:([.,' ])\d{2})*\2\d{3}")
# "1.2 Mio" is not 1.2.
_MULTIPLIERS = (
    "k tsd th tausend thousand mil mille mio mln mill million millions millionen milliard mrd mld "
    "bn bln billion billions lakh lakhs lac crore crores dozen dz dutzend teur keur meur tys "
    "тыс млн млрд 万 億 亿"
)
_UNIT = re.compile(r"[^\W\d_]{1,8}\.?|\*")
# Behind an amount of money, these are no units: 50p are half a pound, 5 mn are five million.
_NOT_OF_MONEY = frozenset(["%", "b", "k", "m", "p", "¢", "ct", "cent", "cents", "mm", "md", "mn"])
_WHOLE = re.compile(r"(?<=\d)[.,/]\s?(?:-{1,2}|=)(?=\D*$)")
# 10O may be 100, 5l may be 51, and l2.50 may be 12.50; L2.50 are lempiras.
_LOOKS_LIKE_A_DIGIT = re.compile(r"\d[bilosz]+$|(?<![^\W\d_])[ilo](?=[.,]?\d)")
_CAPITAL = re.compile(r"(?<![^\W\d_])L(?=\d)")
# Superscripts are footnotes, or the square of a unit.
_RAISED = str.maketrans("", "", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_CREDIT = re.compile(r"(?<![A-Za-z])(?:CR|DR)$")


def parse_number(text: str, decimal: DecimalSign | None, kind: Kind = "number") -> Decimal | None:
    """Return the number that a text is.

    Signs, brackets, a trailing minus, CR (negative) and DR, currencies and a unit behind it are
    understood. Where a sign with three digits behind it may separate thousands or decimals
    ("1,234"), `decimal` decides, else integers have no decimals and money has two.

    Args:
        text: The text as it is printed.
        decimal: What separates decimals, None if that is not known.
        kind: What it is; money has no unit but its currency.

    Returns:
        None if it is no single number, or if it can be read in two ways.
    """
    split = _split(text)
    if split is None:
        return None
    negative, body, unit = split
    if kind == "money" and unit.rstrip(".") in _NOT_OF_MONEY:
        return None
    number = _parse_body(body, decimal, kind)
    return -number if number is not None and negative else number


def decimal_of(text: str) -> DecimalSign | None:
    """Return what separates decimals in a text, None if it does not tell."""
    split = _split(text)
    read = {sign: number for sign, number in _readings(split[1]).items() if number} if split else {}
    return next(iter(read)) if len(read) == 1 else None


def _split(text: str) -> tuple[bool, str, str] | None:
    """Split a text into whether it is negative, the digits with separators, and the unit."""
    if len(text) > _MAX_CHARACTERS:
        return None
    # Of Arabic: the decimal sign, the sign of thousands.
    plain = fold(text.translate(_RAISED)).replace("\u066b", ",").replace("\u066c", "'")
    plain = re.sub("[\u2018\u2019\u00b4`\u02bc]", "'", plain)
    plain = _WHOLE.sub("", plain)
    found = _BODY.search(plain)
    if found is None or (_LOOKS_LIKE_A_DIGIT.search(plain) and not _CAPITAL.search(text)):
        return None
    before, body, after = plain[: found.start()].strip(), found[0], plain[found.end() :].strip()
    negative = 0
    if "(" in before:
        if ")" not in after:
            return None
        before, after, negative = before.replace("(", "", 1), after.replace(")", "", 1), 1
    before, after = _HYPHEN.sub(" ", before), _HYPHEN.sub(" ", after)
    behind = after.replace("-", " ").strip()
    negative += before.count("-")
    # 30-day is no negative number, 30-EUR is one.
    if not after.startswith("-") or behind in {"", "%"} or _is_currency(behind):
        negative += after.count("-")
    before, after = before.replace("-", " "), behind
    before = before.replace("+", " ", 1).strip()
    if before == "%" and not after:  # Turkish
        before, after = after, before
    # In capitals: 5 Cr is 50 million in India.
    if _CREDIT.search(text.rstrip()):
        negative += after.endswith("cr")
        after = after[:-2].strip()
    elif after.rstrip(".") in {"cr", "dr"}:
        return None
    if negative > 1 or not (before == "" or _is_currency(before)) or not _is_unit(after):
        return None
    return negative == 1, body, after


def _is_currency(text: str) -> bool:
    known = currencies()
    return (
        all(word in known or word.rstrip(".:") in known or _is_sign(word) for word in text.split())
        or text in known
    )


def _is_sign(word: str) -> bool:
    return all(unicodedata.category(each) == "Sc" for each in word)


def _is_unit(text: str) -> bool:
    if text.rstrip(".") in _MULTIPLIERS.split():
        return False
    return text in {"", "%"} or _is_currency(text) or bool(_UNIT.fullmatch(text))


def _parse_body(body: str, decimal: DecimalSign | None, kind: Kind) -> Decimal | None:
    readings = _readings(body)
    point, comma = readings["."], readings[","]
    if point is None or comma is None or point == comma:
        return comma if point is None else point
    if decimal is not None:
        return readings[decimal]
    # 1,234: thousands, as an amount of money has no third decimal.
    return None if kind == "number" else max(point, comma)


def _readings(body: str) -> dict[DecimalSign, Decimal | None]:
    """Return what digits are with a point, and with a comma, before the decimals."""
    readings: dict[DecimalSign, Decimal | None] = {}
    signs: tuple[DecimalSign, DecimalSign] = (".", ",")
    for sign in signs:
        whole, _, fraction = body.rpartition(sign)
        if sign in whole or sign not in body or not fraction.isdigit():
            readings[sign] = _whole(body)
        else:
            number = _whole(whole) if whole else Decimal(0)
            readings[sign] = None if number is None else Decimal(f"{number}.{fraction}")
    return readings


def _whole(text: str) -> Decimal | None:
    if text.isdigit() or (_GROUPS.fullmatch(text) and not text.startswith("0")):
        return Decimal(re.sub(r"\D", "", text))
    return None
