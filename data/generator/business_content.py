"""Draws by lot what stands on an invoice, an order or a receipt: the values, and how they print."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

Language = Literal["en", "de", "fr"]
Kind = Literal["invoices", "orders", "receipts"]

_TAX = {"en": Decimal("0.20"), "de": Decimal("0.19"), "fr": Decimal("0.20")}
_CENT = Decimal("0.01")


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "business.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Locale:
    """How a language prints labels, numbers and dates."""

    language: Language

    def __getitem__(self, name: str) -> str:
        """Return a label."""
        return str(_texts()[self.language][name])

    def listed(self, name: str) -> list[str]:
        """Return a list of texts of this language."""
        return list(_texts()[self.language][name])

    def number(self, value: Decimal) -> str:
        """Print a number with the decimals that it has."""
        plain = f"{value:,}"
        return "".join({",": self["group"], ".": self["decimal"]}.get(c, c) for c in plain)

    def date(self, day: datetime.date) -> str:
        """Print a date; English month names do not depend on the machine's locale."""
        pattern = self["date"]
        if "%B" in pattern:
            pattern = pattern.replace("%B", self.listed("months")[day.month - 1])
        return day.strftime(pattern)


@dataclass(frozen=True)
class Content:
    """What a document says.

    Attributes:
        locale: The document's language.
        values: The true values in the schema's shape, as JSON values.
        printed: The text of each value by its path, as it stands on the page; "" where a label has
            nothing beside it. What is absent from the page has none.
        lines: The texts of addresses, by name: "sender", "recipient".
    """

    locale: Locale
    values: dict[str, Any]
    printed: dict[str, str]
    lines: Mapping[str, tuple[str, ...]]

    @property
    def rows(self) -> int:
        """How many items there are."""
        return len(self.values["items"])


class _Draw:
    """Draws the values of one document."""

    def __init__(self, language: Language, rng: np.random.Generator) -> None:
        self.locale, self.rng = Locale(language), rng
        self.values: dict[str, Any] = {}
        self.printed: dict[str, str] = {}

    def of(self, name: str) -> str:
        return str(self.rng.choice(_texts()[name]))

    def text(self, path: str, text: str | None) -> None:
        """Set a value that stands on the page as it is; "" is blank, None is absent."""
        self._put(path, text or None)
        if text is not None:
            self.printed[path] = text

    def money(self, path: str, value: Decimal | None) -> None:
        self._put(path, None if value is None else float(value))
        if value is not None:
            self.printed[path] = self.locale.number(value)

    def day(self, path: str, day: datetime.date | None) -> None:
        self._put(path, None if day is None else day.isoformat())
        if day is not None:
            self.printed[path] = self.locale.date(day)

    def _put(self, path: str, value: Any) -> None:
        *groups, name = path.split(".")
        target = self.values
        for group in groups:
            target = target.setdefault(group, {})
        target[name] = value

    def digits(self, count: int) -> str:
        return "".join(str(digit) for digit in self.rng.integers(0, 10, count))

    def a_day(self) -> datetime.date:
        return datetime.date(2026, 1, 5) + datetime.timedelta(days=int(self.rng.integers(0, 300)))

    def items(self, articles: str, count: int, columns: tuple[str, ...]) -> Decimal:
        """Set the items; return their sum. What is no column is not on the page."""
        chosen = self.rng.choice(self.locale.listed(articles), count, replace=count > 8)
        rows: list[dict[str, Any]] = []
        total = Decimal(0)
        for number, article in enumerate(chosen):
            pieces = Decimal(int(self.rng.integers(1, 25 if articles == "articles" else 4)))
            price = Decimal(int(self.rng.integers(90, 18_000 if articles == "articles" else 900)))
            price = price / 100
            total += pieces * price
            cells: dict[str, Any] = {
                "article_number": f"{self.digits(3)}-{self.digits(4)}",
                "description": str(article),
                "quantity": pieces,
                "unit_price": price.quantize(_CENT),
                "amount": (pieces * price).quantize(_CENT),
            }
            rows.append({})
            for name in columns:
                value = cells[name]
                is_text = isinstance(value, str)
                rows[-1][name] = value if is_text else float(value)
                text = value if is_text else self.locale.number(value)
                self.printed[f"items[{number}].{name}"] = text
        self.values["items"] = rows
        return total.quantize(_CENT)

    def address(self) -> tuple[str, ...]:
        return self.of("streets"), self.of("towns")

    def done(self, **lines: tuple[str, ...]) -> Content:
        return Content(self.locale, self.values, self.printed, lines)


def draw_invoice(
    language: Language, rng: np.random.Generator, items: int, blanks: frozenset[str]
) -> Content:
    """Draw an invoice.

    Args:
        language: Of its labels, numbers and dates.
        rng: What decides.
        items: How many.
        blanks: `order_number` is printed without a value, or `due_date`, `unit_price` and `iban`
            are not on the page.
    """
    draw = _Draw(language, rng)
    day = draw.a_day()
    draw.text("invoice_number", f"R{day.year}-{draw.digits(5)}")
    draw.day("issue_date", day)
    due = None if "due_date" in blanks else day + datetime.timedelta(days=30)
    draw.day("due_date", due)
    draw.text("order_number", "" if "order_number" in blanks else f"PO {draw.digits(6)}")
    seller, buyer = rng.choice(_texts()["companies"], 2, replace=False)
    draw.text("seller_name", str(seller))
    draw.text("seller_tax_id", f"{draw.locale['country']}{draw.digits(9)}")
    draw.text("buyer_name", str(buyer))
    draw.text("currency", draw.locale["currency"])
    columns: tuple[str, ...] = ("description", "quantity", "unit_price", "amount")
    if "unit_price" in blanks:
        columns = ("description", "quantity", "amount")
    net = draw.items("articles", items, columns)
    tax = (net * _TAX[language]).quantize(_CENT)
    draw.money("net_total", net)
    draw.money("tax_total", tax)
    draw.money("grand_total", net + tax)
    groups = " ".join(draw.digits(4) for _ in range(4))
    iban = None if "iban" in blanks else f"{draw.locale['country']}{draw.digits(2)} {groups}"
    draw.text("iban", iban)
    return draw.done(sender=draw.address(), recipient=draw.address())


def draw_order(
    language: Language, rng: np.random.Generator, items: int, blanks: frozenset[str]
) -> Content:
    """Draw an order; see `draw_invoice`.

    `phone` may be printed without a value; `tax` and `delivery_date` may not be on the page.
    """
    draw = _Draw(language, rng)
    day = draw.a_day()
    draw.text("order_number", f"{draw.digits(2)}/{draw.digits(5)}")
    draw.day("order_date", day)
    week = datetime.timedelta(days=int(rng.integers(7, 30)))
    draw.day("delivery_date", None if "delivery_date" in blanks else day + week)
    supplier, buyer = rng.choice(_texts()["companies"], 2, replace=False)
    draw.text("supplier_name", str(supplier))
    draw.text("buyer_name", str(buyer))
    address = draw.address()
    draw.text("delivery_address", " ".join(address))
    draw.text("contact.name", draw.of("people"))
    draw.text("contact.phone", "" if "phone" in blanks else f"+00 555 {draw.digits(6)}")
    draw.text("currency", draw.locale["currency"])
    columns = ("article_number", "description", "quantity", "unit_price", "amount")
    net = draw.items("articles", items, columns)
    tax = None if "tax" in blanks else (net * _TAX[language]).quantize(_CENT)
    draw.money("net_total", None if tax is None else net)
    draw.money("tax_total", tax)
    draw.money("total", net + (tax or 0))
    return draw.done(sender=draw.address(), recipient=draw.address(), delivery=address)


def draw_receipt(
    language: Language, rng: np.random.Generator, items: int, blanks: frozenset[str]
) -> Content:
    """Draw a receipt; see `draw_invoice`. With `cash` in `blanks` it was paid by card."""
    draw = _Draw(language, rng)
    draw.text("company", draw.of("companies"))
    address = draw.address()
    draw.text("address", " ".join(address))
    draw.text("receipt_number", None if "receipt_number" in blanks else draw.digits(6))
    draw.day("date", draw.a_day())
    draw.text("currency", draw.locale["currency"])
    columns = ("description", "quantity", "unit_price", "amount")
    total = draw.items("goods", items, columns)
    rate = _TAX[language]
    draw.money("tax_total", (total * rate / (1 + rate)).quantize(_CENT))
    draw.money("total", total)
    by_card = "cash" in blanks
    paid = None if by_card else (total // 10 + 1) * 10 + Decimal("0.00")
    draw.money("paid", paid)
    draw.money("change", None if paid is None else paid - total)
    draw.text("payment_method", draw.locale["card"] if by_card else draw.locale["cash"])
    return draw.done(sender=address)
