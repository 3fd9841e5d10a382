"""Draws by lot what a document says: names, addresses, numbers, dates, and how a country prints."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeVar

from data.generator.trade.canvas import Canvas, Look, Place

Order = Literal["dmy", "mdy"]
_T = TypeVar("_T")

_CENT = Decimal("0.01")
_SLOT = re.compile(r"\{([a-zA-Z])(\d*)\}")

FACES = (
    ("Helvetica", "Helvetica-Bold"),
    ("Helvetica", "Helvetica-Bold"),
    ("Times-Roman", "Times-Bold"),
    ("DejaVuSans", "DejaVuSans-Bold"),
    ("STIXGeneral", "STIXGeneralBol"),
    ("Courier", "Courier-Bold"),
    ("DejaVuSansMono", "DejaVuSansMono-Bold"),
)


@cache
def lexicon() -> dict[str, Any]:
    """Return the words that names and texts are made of."""
    return tomllib.loads((Path(__file__).parent / "lexicon.toml").read_text(encoding="utf-8"))


def cents(value: Decimal) -> Decimal:
    """Round to two decimals."""
    return value.quantize(_CENT, ROUND_HALF_UP)


class Draft:
    """A document in the making: its facts, and the pages on which they are printed.

    A fact is a value by its path (`grand_total`, `items[2].amount`). Only what has been printed on
    a page is on the document.

    Attributes:
        rng: What decides.
        country: How the document's country writes.
        language: en, de, fr or es.
        order: Of day and month in its dates in figures.
        texts: The text of each fact, as it is printed where nothing else is said.
        values: The true value of each fact.
        pages: As drawn.
    """

    def __init__(
        self, rng: Random, order: Order | None = None, language: str | None = None
    ) -> None:
        countries = {
            code: country
            for code, country in lexicon()["countries"].items()
            if order in {None, country["order"]} and language in {None, country["language"]}
        }
        self.rng = rng
        self.code = rng.choice(sorted(countries))
        self.country: dict[str, Any] = countries[self.code]
        self.language: str = self.country["language"]
        self.order: Order = self.country["order"]
        self.texts: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        self.pages: list[Canvas] = []
        self.rows = 0
        """How many items there are."""
        self.below = 0.0
        """y below the head of a page, px."""
        self.lines: dict[str, list[str]] = {}
        """The lines of addresses by whose they are."""
        self.group: str = rng.choice(self.country["groups"])
        self.date_format: str = rng.choice(self.country["dates"])
        self.sign: str = rng.choice(self.country["signs"])
        self.sign_first = self.language == "en" or rng.random() < 0.2
        self.capitals = rng.random() < 0.35
        """Whether names, addresses and articles are printed in capitals."""
        cents = ",00 %" if self.country["decimal"] == "," else "%"
        self.rate_end: str = rng.choice(("%", " %", cents))

    # What decides.

    def chance(self, share: float) -> bool:
        """Return True in this share of cases, [0, 1]."""
        return self.rng.random() < share

    def pick(self, choices: Sequence[_T]) -> _T:
        """Return one of several."""
        return self.rng.choice(choices)

    def word(self, name: str) -> str:
        """Return one text of the language."""
        return self.filled(self.pick(lexicon()[self.language][name]))

    def filled(self, pattern: str) -> str:
        """Fill the slots of a text.

        They are {p3} for three digits, {n} and {k} for numbers of up to three digits and one,
        {T} for a capital, {w} for an invented name, {t} for a town, {s} for a surname, {d} for
        some date.
        """
        return _SLOT.sub(self._slot, pattern)

    def _slot(self, found: re.Match[str]) -> str:
        rng, names = self.rng, lexicon()
        draw: dict[str, Callable[[], str]] = {
            "p": lambda: str(rng.randint(1, 9)) + self.digits(int(found[2]) - 1),
            "n": lambda: str(rng.randint(1, 400)),
            "k": lambda: str(rng.randint(2, 9)),
            "T": lambda: rng.choice("ABCDEFGHJKLMNPRSTUWXYZ"),
            "s": lambda: str(rng.choice(names["last"])),
            "d": lambda: self.date(self.a_day()),
        }
        return draw.get(found[1], self.name)()

    def digits(self, count: int) -> str:
        """Return so many digits."""
        return "".join(self.rng.choices("0123456789", k=count))

    # Names.

    def name(self) -> str:
        """Return an invented word, as of a town or a founder."""
        parts = self.rng.choices(lexicon()["syllables"], k=self.rng.choice((2, 2, 3)))
        return "".join(parts).capitalize()

    def person(self) -> str:
        """Return a person's name."""
        return f"{self.pick(lexicon()['first'])} {self.pick(lexicon()['last'])}"

    def company(self) -> str:
        """Return a company's name, with or without its legal form."""
        trade, form = self.word("trades"), self.pick(self.country["forms"])
        kind = self.rng.random()
        if self.chance(0.07):
            # Documents made for a trial name their parties so.
            return self.cased(f"{self.word('samples')} {form}".strip())
        if kind < 0.45:
            name = f"{self.name()} {trade}"
        elif kind < 0.6:
            name = f"{self.word('adjectives')} {self.name()} {trade}"
        elif kind < 0.7:
            name = f"{self.pick(lexicon()['last'])} & {self.pick(lexicon()['last'])}"
        elif kind < 0.8:
            name = f"{self.word('adjectives')} {trade}"
        elif kind < 0.9:
            name = f"{self.filled('{T}{T}{T}')} {trade}"
        else:
            name = f"{trade} {self.name()}"
        return self.cased(f"{name} {form}".strip())

    def address(self, most: int = 4) -> list[str]:
        """Return an address in two lines; in up to five where `most` is four."""
        words = {**lexicon()[self.language], **self.country}
        street, town, *more = (
            self.filled(self.pick(words[name])) for name in ("streets", "town", "extras", "extras")
        )
        lines = [street, town]
        if most > 2 and self.chance(0.5):
            lines.insert(self.rng.randint(0, 1), more[0])
        if most > 3 and self.chance(0.2):
            lines.insert(1, self.pick((more[1], self.name())))
        if most > 3 and "regions" in words and self.chance(0.3):
            lines.append(self.filled(self.pick(words["regions"])))
        comma = "," if self.chance(0.4) else ""
        lines = [line + comma for line in lines[:-1]] + lines[-1:]
        if len(lines) > 2 and self.chance(0.3):
            lines[:2] = [f"{lines[0]} {lines[1]}"]
        return [self.cased(line) for line in lines]

    def cased(self, text: str) -> str:
        """Return a text as this document prints names."""
        return text.upper() if self.capitals else text

    def number(self) -> str:
        """Return a document's number in one of many shapes."""
        shapes = (
            *("{p4}", "{p5}", "{p6}", "{p8}", "{p9}{p3}", "{T}{T}-{p5}", "{T}{p6}", "{p4}/{p3}"),
            *("{p2}/{p5}", "{T}{T}{p4}-{p4}", "20{p2}-{p4}", "{T}{T}{T}{p4}", "{p3}-{p3}-{p3}"),
            *("{p6}-{T}", "{T}-{p4}/{p2}", "00{p6}", "{T}{T} {p4}/{p4}", "{p3}.{p3}.{p2}"),
        )
        return self.filled(self.pick(shapes))

    # Facts.

    def set(self, path: str, text: str) -> str:
        """Set a fact that is true as it is printed."""
        self.texts[path] = self.values[path] = " ".join(text.split())
        return text

    def money(self, path: str, value: Decimal) -> Decimal:
        """Set an amount."""
        self.values[path] = float(value)
        self.texts[path] = self.decimal(value)
        return value

    def day(self, path: str, day: datetime.date) -> datetime.date:
        """Set a date."""
        self.values[path] = day.isoformat()
        self.texts[path] = self.date(day)
        return day

    def decimal(self, value: Decimal) -> str:
        """Print a number with the decimals that it has."""
        marks = {",": self.group, ".": self.country["decimal"]}
        return "".join(marks.get(each, each) for each in f"{value:,}")

    def priced(self, text: str) -> str:
        """Add the currency's sign to an amount."""
        if not self.sign_first:
            return f"{text} {self.sign}"
        between = " " if self.sign.isalpha() and len(self.sign) == 3 else ""
        return f"{self.sign}{between}{text}"

    def date(self, day: datetime.date, pattern: str = "") -> str:
        """Print a date in the document's format, or in another."""
        name = lexicon()[self.language]["months"][day.month - 1]
        pattern = pattern or self.date_format
        text = day.strftime(pattern.replace("%B", name).replace("%b", name[:3]))
        return text.upper() if self.capitals and self.language == "en" else text

    def a_day(self) -> datetime.date:
        """Return a day of the last years."""
        return datetime.date(2012, 1, 1) + datetime.timedelta(days=self.rng.randint(0, 5200))

    def time(self) -> str:
        """Print a time of day."""
        hour, minute, second = (self.rng.randint(8, 21), *self.rng.choices(range(60), k=2))
        kind = self.rng.random()
        if kind < 0.4:
            return f"{hour:02}:{minute:02}"
        if kind < 0.75 or self.language != "en":
            return f"{hour:02}:{minute:02}:{second:02}"
        return f"{hour % 12 or 12}:{minute:02}{self.pick((' AM', 'pm', ' PM'))}"

    def iban(self) -> str:
        """Return an IBAN whose checksum (ISO 13616) is right."""
        country = {"US": "GB", "AU": "GB", "SG": "GB", "MY": "GB", "MX": "ES"}.get(
            self.code, self.code
        )
        body = ("BANK" if country == "GB" else "") + self.digits(18)
        number = int("".join(str(int(each, 36)) for each in f"{body}{country}00"))
        plain = f"{country}{98 - number % 97:02}{body}"
        grouped = " ".join(plain[at : at + 4] for at in range(0, len(plain), 4))
        return grouped if self.chance(0.7) else plain

    # Pages.

    def page(self, size: tuple[int, int]) -> Canvas:
        """Begin a page of (width, height) px."""
        self.pages.append(Canvas(len(self.pages) + 1, size))
        return self.pages[-1]

    def put(
        self,
        at: tuple[float, float],
        path: str,
        look: Look,
        *,
        align: float = 0.0,
        text: str | None = None,
    ) -> float:
        """Print a fact on the current page; return the right end of its text, px."""
        return self.pages[-1].text(at, text or self.texts[path], look, path, align=align)

    def places(self) -> dict[str, tuple[Place, ...]]:
        """Return where each fact is printed."""
        found: dict[str, tuple[Place, ...]] = {}
        for page in self.pages:
            for path, places in page.places.items():
                # "$" is the sign of several currencies: nobody can tell which by it.
                known = [each for each in places if path != "currency" or each.text[:1] != "$"]
                if known:
                    found[path] = (*found.get(path, ()), *known)
        return found
