"""What months and currencies are called in many languages, from the CLDR data of babel."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from babel import Locale
from babel.numbers import list_currencies

# 40 languages; each takes about 10 ms to load, once, and only when a name has to be looked up.
_LANGUAGES = (
    "en de de_AT fr es it nl pt pl cs sk sl hr hu ro da sv nb fi et lv lt el bg ru uk sr tr id ms "
    "vi ca ja ko zh ar he fa hi th bn"
)
# Letters by which a document's language is told, where a month's name belongs to several months.
_OWN_LETTERS = {"pl": "ąęłńśźż", "cs": "ěřů", "hr": "đ"}
# Signs that several currencies share, whatever a single locale means by them.
_SHARED = frozenset({"$", "¥", "kr", "kr.", "fr", "fr.", "rs", "rs.", "r", "l", "din", "лв"})
# Signs that CLDR has in the language of the country only.
_LOCAL = {"rm": "MYR", "rp": "IDR", "s$": "SGD", "us$": "USD", "c$": "CAD", "tl": "TRY"}


def fold(text: str) -> str:
    """Return a text without case, bidirectional marks and odd spaces.

    Digits of every script become 0 to 9, and every kind of minus or dash a hyphen.
    """
    plain = []
    for each in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(each)
        if category == "Nd":
            plain.append(str(unicodedata.decimal(each)))
        elif category == "Pd" or each == "\u2212":
            plain.append("-")
        elif category != "Cf":
            plain.append(each)
    return " ".join("".join(plain).casefold().split())


def letters(name: str) -> str:
    """Return a name's folded letters and digits, without accents, dots and spaces."""
    decomposed = unicodedata.normalize("NFKD", fold(name))
    # Hindi's June and January differ in a vowel sign only, which is a mark.
    return "".join(
        each
        for each in decomposed
        if each.isalnum() or (each > "\u0900" and unicodedata.category(each)[0] == "M")
    )


def language_of(texts: Iterable[str]) -> str | None:
    """Return the one language whose own letters the texts have, of those that share month names."""
    used = set("".join(texts).casefold())
    told = [language for language, own in _OWN_LETTERS.items() if used & set(own)]
    return told[0] if len(told) == 1 else None


@lru_cache(maxsize=4)
def months(language: str | None = None) -> dict[str, int]:
    """Return the number of each month's name and abbreviation, if it is one month's everywhere.

    Croatian "listopad" is October, Polish and Czech "listopad" is November: it is left out, unless
    the language is given.
    """
    if language is not None:
        return months() | _months_in((language,))
    return _months_in(_LANGUAGES.split())


def _months_in(languages: Iterable[str]) -> dict[str, int]:
    found: defaultdict[str, set[int]] = defaultdict(set)
    for language in languages:
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                names = Locale.parse(language).months.get(context, {}).get(width, {})
                for month, name in names.items():
                    found[letters(name)].add(int(month))
    return {
        name: each.pop() for name, each in found.items() if len(each) == 1 and not name.isdigit()
    } | {"sept": 9}


@lru_cache(maxsize=1)
def currencies() -> dict[str, str | None]:
    """Return the ISO 4217 code of each folded code, sign and name; None if it may be several."""
    codes = list_currencies()
    found: defaultdict[str, set[str]] = defaultdict(set)
    for language in _LANGUAGES.split():
        locale = Locale.parse(language)
        for known in (locale.currencies, locale.currency_symbols):
            for code, name in known.items():
                if code in codes:
                    found[fold(name)].add(code)
    signs = {name: each.pop() if len(each) == 1 else None for name, each in found.items()}
    # "£" is in some languages also the sign of currencies that are no more.
    shared: dict[str, str | None] = dict.fromkeys(_SHARED)
    return (
        signs
        | {"€": "EUR", "£": "GBP"}
        | _LOCAL
        | shared
        | {code.casefold(): code for code in codes}
    )
