"""What the parts of a letter share: its facts, its typefaces, its margins and where it goes on."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from data.generator.trade.canvas import Canvas, Colour, Look, width_of
from data.generator.trade.draft import FACES, Draft, cents
from data.generator.trade.items import draw_items
from data.generator.trade.labels import Labels

SIZE = (1240, 1754)
"""px of an A4 page at 150 dpi."""

_ACCENTS: tuple[Colour, ...] = (
    *((0, 0, 0), (20, 60, 120), (150, 30, 30), (0, 100, 90), (200, 90, 0), (90, 90, 90)),
    *((60, 40, 110), (30, 30, 30), (0, 120, 180)),
)


class Letter:
    """A letter in the making, from its top to its foot.

    Attributes:
        draft: Its facts.
        labels: How it names them.
        is_invoice: Whether the sender sells; else the sender orders.
        is_credit: Whether it is a credit note.
        look: Of plain text; also `bold` and `small`.
        accent: The colour of its bars and titles.
        left: x of its margins, px; also `right`.
        y: The baseline of what comes next, px.
        row: From one row of a table or a list to the next, px.
        head_end: y below the letterhead, px.
        bold_labels: Whether labels stand out from their values.
        broken: Whether names of parties take two lines.
    """

    def __init__(self, draft: Draft, kind: str) -> None:
        rng = draft.rng
        self.draft, self.labels = draft, Labels(draft, kind)
        self.is_invoice = kind == "invoices"
        self.is_credit = self.is_invoice and draft.chance(0.07)
        face, bold = draft.pick(FACES)
        size = rng.uniform(16, 23) * (0.9 if "DejaVu" in face or "Courier" in face else 1.0)
        self.look = Look(face, size, leading=rng.uniform(1.15, 1.5))
        self.bold = replace(self.look, face=bold)
        self.small = replace(self.look, size=0.75 * size, leading=1.2)
        self.accent = draft.pick(_ACCENTS)
        self.left = rng.uniform(70, 150)
        self.right = SIZE[0] - rng.uniform(60, 130)
        self.y = 0.0
        self.page: Canvas = draft.page(SIZE)
        self.row = size * rng.uniform(1.25, 1.75)
        self.head_end = 0.0
        self.bold_labels = False
        self.broken = draft.chance(0.12)

    @property
    def sender(self) -> str:
        """Which party sends the letter."""
        return "seller" if self.is_invoice else "buyer"

    @property
    def recipient(self) -> str:
        """Which party it is sent to."""
        return "buyer" if self.is_invoice else "seller"

    def has(self, fact: str) -> bool:
        """Tell whether a fact is printed by this kind of letter."""
        return fact in self.draft.texts

    def at(self, share: float) -> float:
        """Return the x of a share of the width between the margins."""
        return self.left + share * (self.right - self.left)

    def titled(self, look: Look, factor: float = 1.0) -> Look:
        """Return a look in the accent's colour, larger."""
        return replace(look, colour=self.accent, size=factor * look.size)

    def flow(self, parts: Iterable[tuple[str, str]], look: Look, right: float) -> None:
        """Write running text, [(text, fact)], from the left margin; a fact stays on one line."""
        x, space = self.left, width_of("n n", look) / 3
        for text, fact in parts:
            for piece in [text] if fact else text.split():
                x -= space if piece in {".", ","} else 0
                if x > self.left and x + width_of(piece, look) > right:
                    x = self.left
                    self.y += look.leading * look.size
                x = self.page.text((x, self.y), piece, look, fact) + space
        self.y += look.leading * look.size

    def name(self, at: tuple[float, float], fact: str, look: Look) -> float:
        """Write a party's name in one line or two; return what it is high, px."""
        words = self.draft.texts[fact].split()
        half = len(words) // 2 if self.broken else 0
        lines = [" ".join(part) for part in (words[:half], words[half:]) if part]
        self.page.text(at, lines, look, fact)
        return len(lines) * look.leading * look.size

    def rows(self, at: tuple[float, float], rows: Sequence[tuple[str, str]], tab: float) -> float:
        """Write labels with their facts beside them, or with none; return the y below."""
        x, y = at
        face = self.bold if self.bold_labels else self.look
        tab = max([tab, *(width_of(label, face) + 0.7 * face.size for label, _ in rows)])
        texts = [self.draft.texts[fact] for _, fact in rows if fact]
        wide = max([0.0, *(width_of(text, self.look) for text in texts)])
        x = max(self.left, min(x, self.right - tab - wide))
        for label, fact in rows:
            self.page.text((x, y), label, face)
            if fact:
                self.draft.put((x + tab, y), fact, self.look)
            y += self.row
        return y


def decide(letter: Letter) -> None:
    """Set the facts of an invoice or an order."""
    draft, rng = letter.draft, letter.draft.rng
    day = draft.day("date", draft.a_day())
    draft.set("number", draft.number())
    for party in ("seller", "buyer"):
        name = draft.company() if party == "seller" or draft.chance(0.8) else draft.person()
        draft.set(f"{party}_name", draft.cased(name))
    draft.set("contact", draft.person())
    customer = draft.filled(draft.pick(("{p5}", "{p6}", "K{p5}", "{T}{p3}")))
    draft.set("customer_number", customer)
    # A reference is often made of the document's number.
    before = draft.pick((customer, str(day.year)))
    draft.set("reference", draft.pick((draft.number(), f"{before}-{draft.texts['number']}")))
    draft.set("contract", draft.number())
    later = datetime.timedelta(days=rng.choice((7, 10, 14, 30, 30, 45)))
    draft.day("delivery", day + later * (1 if not letter.is_invoice else rng.choice((-1, 0, 0))))
    if letter.is_invoice:
        draft.set("order_number", draft.number())
        draft.set("delivery_note", draft.number())
        draft.set("supplier_number", draft.filled(draft.pick(("{p5}", "{p6}", "7{p4}"))))
        draft.day("due", day + later)
        draft.set("seller_tax_id", draft.filled(draft.pick(draft.country["tax_number"])))
        draft.set("bic", draft.filled("{T}{T}{T}{T}") + draft.code + draft.filled("{T}{T}"))
        draft.texts["iban"] = draft.iban()
        draft.values["iban"] = draft.texts["iban"].replace(" ", "")
    draft.values["currency"] = draft.texts["currency"] = draft.country["currency"]
    draft.rows = rng.choice((1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 12, 20, 35))
    total = draw_items(draft, letter.labels, draft.rows, dear=rng.choice((0.5, 1, 3, 10)))
    _sum_up(letter, total)


def _sum_up(letter: Letter, goods: Decimal) -> None:
    draft, rate = letter.draft, letter.labels.rate
    draft.money("goods", goods)
    off, freight = Decimal(0), Decimal(0)
    if letter.is_invoice:
        off = cents(goods / 20) if draft.chance(0.12) else off
        if draft.chance(0.15):
            freight = Decimal(draft.rng.randint(390, 4900)) / 100
        draft.money("discount", -off if draft.chance(0.6) else off)
        draft.money("shipping", freight)
    net = draft.money("net", goods - off + freight)
    tax = draft.money("tax", cents(net * rate / 100))
    total = draft.money("total", net + tax)
    draft.values["tax_rate"] = float(rate)
    draft.texts["tax_rate"] = f"{rate} %".replace(".", draft.country["decimal"])
    if letter.is_invoice:
        before = cents(total / draft.rng.randint(2, 5)) if draft.chance(0.12) else Decimal(0)
        draft.money("prepaid", before)
        draft.money("payable", total - before)
