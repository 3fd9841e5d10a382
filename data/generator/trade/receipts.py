"""Draws till receipts: narrow, the shop at the top without a label, the total among other sums."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

from data.generator.trade.canvas import Canvas, Look, width_of, wrap
from data.generator.trade.draft import Draft, cents
from data.generator.trade.items import draw_items
from data.generator.trade.labels import Labels
from data.generator.trade.wanted import concepts

_FACES = (
    ("Courier", "Courier-Bold"),
    ("Courier-Bold", "Courier-Bold"),
    ("DejaVuSansMono", "DejaVuSansMono-Bold"),
    ("DejaVuSansMono", "DejaVuSansMono-Bold"),
    ("cmtt10", "cmtt10"),
    ("Helvetica", "Helvetica-Bold"),
    ("DejaVuSans", "DejaVuSans-Bold"),
    ("Times-Roman", "Times-Bold"),
)
_TITLES = {
    "en": ("TAX INVOICE", "RECEIPT", "Receipt", "Tax Invoice", "CASH BILL", "Bill"),
    "de": ("Kassenbon", "Quittung", "RECHNUNG", "Bewirtungsbeleg", "Kundenbeleg"),
    "fr": ("TICKET DE CAISSE", "Facture", "REÇU", "Ticket client"),
    "es": ("FACTURA SIMPLIFICADA", "TICKET", "RECIBO", "Factura"),
}
_COUNTS = {"en": "Total Qty", "de": "Artikel", "fr": "Nb articles", "es": "Artículos"}
_ADDED = {
    "en": ("Table", "Counter", "Terminal", "Pax", "Member", "Register", "Page", "Points earned"),
    "de": ("Tisch", "Kasse", "Filiale", "Bediener Nr.", "TSE-Nr."),
    "fr": ("Table", "Caisse", "Magasin", "Couverts"),
    "es": ("Mesa", "Caja", "Tienda", "Terminal"),
}


def draw_receipt(draft: Draft) -> None:
    """Set a receipt's facts and print those that it shows on one page."""
    labels = Labels(draft, "receipts")
    _decide(draft, labels)
    strip = _Strip(draft, labels)
    strip.head()
    strip.meta()
    strip.items()
    strip.sums()
    strip.foot()
    strip.finish()


def _decide(draft: Draft, labels: Labels) -> None:
    draft.set("company", draft.company())
    draft.set("number", draft.number())
    draft.day("date", draft.a_day())
    draft.set("time", draft.time())
    draft.set("cashier", draft.cased(draft.pick((draft.person(), draft.person().split()[0]))))
    draft.set("phone", draft.filled(draft.pick(draft.country["phone"])))
    draft.set("tax_id", draft.filled(draft.pick(draft.country["tax_number"])))
    draft.rows = draft.pick((1, 1, 2, 2, 3, 4, 5, 6, 8, 12, 18))
    gross = draw_items(draft, labels, draft.rows, dear=draft.pick((0.1, 0.2, 0.5, 2)))
    # In most countries prices on a shelf have the tax in them.
    added = draft.chance(0.85 if draft.code == "US" else 0.3)
    off = cents(gross / 10) if draft.chance(0.15) else Decimal(0)
    gross -= off
    net = gross if added else cents(gross / (1 + labels.rate / 100))
    tax = cents(net * labels.rate / 100) if added else gross - net
    total = net + tax
    rounded = total
    if draft.code in {"MY", "SG", "CH", "AU"} and draft.chance(0.6):
        rounded = (total * 20).quantize(Decimal(1), ROUND_HALF_UP) / 20
    draft.money("discount", -off if draft.chance(0.7) else off)
    draft.money("net", net)
    draft.money("tax", tax)
    draft.money("rounding", cents(rounded - total))
    draft.money("total", cents(rounded))
    paid = rounded
    if draft.chance(0.6):
        step = draft.pick((1, 5, 10, 50))
        paid = Decimal(int(rounded) // step * step + step)
    draft.money("paid", cents(paid))
    draft.money("change", cents(paid - rounded))
    draft.values["currency"], draft.texts["currency"] = draft.country["currency"], draft.sign


class _Strip:
    """Prints from the top of a strip of paper to its bottom."""

    def __init__(self, draft: Draft, labels: Labels) -> None:
        self.draft, self.labels, rng = draft, labels, draft.rng
        face, bold = draft.pick(_FACES)
        size = rng.uniform(17, 26)
        self.look, self.bold = Look(face, size), Look(bold, size)
        self.pitch = size * rng.uniform(1.15, 1.6)
        columns = rng.randint(30, 46)
        self.margin = rng.uniform(0.8, 4) * size
        body = columns * width_of("0", self.look) * (1.15 if "Mono" not in face else 1)
        self.left, self.right = self.margin, self.margin + body
        self.page: Canvas = draft.page((round(body + 2 * self.margin), 6000))
        self.y = rng.uniform(1.5, 7) * size
        self.centred = draft.chance(0.75)
        self.dashed = draft.chance(0.7)
        self.signed = draft.pick(("no", "no", "glued", "apart"))
        if self.signed == "glued" and not draft.sign_first:
            self.signed = "apart"

    # Lines.

    def down(self, lines: float = 1.0) -> None:
        self.y += lines * self.pitch

    def write(
        self, lines: str | Sequence[str], fact: str = "", *, look: Look | None = None, x: float = -1
    ) -> float:
        """Print lines in the middle or at the left, go down, and return the end of the last."""
        look, texts = look or self.look, [lines] if isinstance(lines, str) else lines
        texts = [part for line in texts for part in wrap(line, look, self.right - self.left)]
        if look.size <= self.look.size:
            look = replace(look, leading=self.pitch / self.look.size)
        middle = self.centred and x < 0
        start = (self.left + self.right) / 2 if middle else max(x, self.left)
        align = 0.5 if middle else 0.0
        end = self.page.text((start, self.y), texts, look, fact, align=align)
        self.y += len(texts) * look.leading * look.size
        return end

    def rule(self) -> None:
        """Print a separator: a line, dashes, or characters."""
        kind = self.draft.rng.random()
        if self.dashed and kind < 0.7:
            self.page.dashes(self.left, self.right, self.y - 0.3 * self.look.size)
        elif kind < 0.85:
            at = self.y - 0.3 * self.look.size
            self.page.line((self.left, at), (self.right, at))
        else:
            mark = self.draft.pick("-=*_")
            count = int((self.right - self.left) / width_of(mark, self.look))
            self.page.text((self.left, self.y), mark * count, self.look)
        self.down()

    def amount(self, fact: str, look: Look | None = None) -> None:
        """Print an amount at the right, with or without the currency's sign."""
        draft, look = self.draft, look or self.look
        text = draft.texts[fact]
        if self.signed == "glued":
            text = f"{draft.sign}{text}"
        end = self.right - self.tail
        draft.put((end, self.y), fact, look, align=1, text=text)
        if self.signed == "glued":
            # The same word names the currency, too.
            self.page.places.setdefault("currency", []).append(self.page.places[fact][-1])
        elif self.signed == "apart":
            x = end - max(width_of(text, look), 6 * look.size * 0.6) - 0.5 * look.size
            draft.put((x, self.y), "currency", look, align=1)

    tail = 0.0
    """px that amounts leave free at the right, for a mark of their tax."""

    # Parts.

    def head(self) -> None:
        draft = self.draft
        big = Look(self.bold.face, self.look.size * draft.pick((1, 1, 1.2, 1.5, 1.8)))
        if draft.chance(0.15):
            self._logo()
        if draft.chance(0.12):
            self.write(draft.pick(_TITLES[draft.language]), look=self.bold)
            self.down(0.5)
        if draft.chance(0.1):
            self.write(draft.cased(draft.name()), look=big)
        named = draft.chance(0.95)
        if named:
            end = self.write(draft.texts["company"], "company", look=big)
            number = draft.filled("({p6}-{T})")
            if (
                draft.chance(0.1)
                and end + width_of(f" {number}", big) < self.right + self.margin / 2
            ):
                up = big.leading * big.size if big.size > self.look.size else self.pitch
                self.page.text((end + 0.6 * big.size, self.y - up), number, big)
        tax_line = draft.pick(("first", "last", "last", "no"))
        if tax_line == "first":
            self._tax_line()
        elif named and draft.chance(0.2):
            self.write(f"({draft.filled('{p6}-{T}')})")
        if draft.chance(0.93):
            address = draft.address(4)
            draft.set("address", " ".join(address))
            self.write([part for each in address for part in self._fitting(each)], "address")
        if draft.chance(0.6):
            self._pair(self.labels.asked("phone"), "phone")
        if tax_line == "last":
            self._tax_line()
        if draft.chance(0.15):
            self.write(f"www.{draft.name().lower()}.com")
        self.down(0.6)

    def _fitting(self, line: str) -> list[str]:
        return wrap(line, self.look, self.right - self.left)

    def _logo(self) -> None:
        middle, size = (self.left + self.right) / 2, self.draft.rng.uniform(2, 4) * self.look.size
        shape = self.page.disc if self.draft.chance(0.5) else self.page.fill
        shape((middle - size, self.y, middle + size, self.y + size), (30, 30, 30))
        self.y += size + 1.4 * self.look.size

    def _tax_line(self) -> None:
        label = self.draft.pick(self.draft.country["tax_id"])
        self._pair(label + self.draft.pick((":", " :", "")), "tax_id")

    def _pair(self, label: str, fact: str) -> None:
        """Print a label and its value as one line, in the middle or at the left."""
        text = f"{label} {self.draft.texts[fact]}"
        middle = (self.left + self.right - width_of(text, self.look)) / 2
        x = middle if self.centred else self.left
        end = self.page.text((x, self.y), label + " ", self.look)
        self.draft.put((end, self.y), fact, self.look)
        self.down()

    def meta(self) -> None:
        """Print the receipt's number, its date and time, and what else a till tells."""
        draft, labels = self.draft, self.labels
        if draft.chance(0.55):
            self.write(draft.pick(_TITLES[draft.language]), look=self.bold)
            self.down(0.3)
        self.late_date = draft.chance(0.15)
        rows: list[tuple[str, str]] = []
        if draft.chance(0.85):
            rows.append((labels.asked("number"), "number"))
        if draft.chance(0.45):
            rows.append((labels.asked("cashier"), "cashier"))
        for label in draft.rng.sample(_ADDED[draft.language], draft.pick((0, 0, 1, 2))):
            rows.append((labels.cased(label) + ":", ""))
        draft.rng.shuffle(rows)
        if draft.chance(0.1):
            self._customer()
        if not self.late_date and draft.chance(0.97):
            rows.insert(draft.pick((0, len(rows))), (labels.asked("date"), "date"))
        tab = max([0.0, *(width_of(label, self.look) for label, _ in rows)]) + 0.8 * self.look.size
        tab = tab if draft.chance(0.5) else 0
        together = draft.chance(0.25)
        x = self.left
        for place, (label, fact) in enumerate(rows):
            end = self._fact(x, label, fact, tab)
            half = (self.left + self.right) / 2 + self.look.size
            after = rows[place + 1] if place + 1 < len(rows) else ("", "date")
            fits = half + self._needs(*after, tab) < self.right and after[1] != "date"
            if together and x == self.left and end < half - self.look.size and fits:
                x = half
            else:
                x = self.left
                self.down()
        self.down(0.2)

    def _customer(self) -> None:
        """Print who bought: a name and an address that are not the shop's."""
        draft = self.draft
        self.write(self.labels.cased("Bill To:" if draft.language == "en" else "M/s:"), x=self.left)
        self.write([draft.company(), *draft.address(3)], x=self.left)
        self.down(0.4)

    def _needs(self, label: str, fact: str, tab: float) -> float:
        text = self.draft.texts[fact] if fact else "00000"
        return (tab or width_of(f"{label}  ", self.look)) + width_of(text, self.look)

    def _fact(self, x: float, label: str, fact: str, tab: float) -> float:
        draft = self.draft
        bare = fact == "date" and draft.chance(0.3)
        if not bare:
            end = self.page.text((x, self.y), label, self.look)
            x = x + tab if tab else end + 0.5 * self.look.size
        if not fact:
            return self.page.text((x, self.y), draft.digits(draft.rng.randint(1, 5)), self.look)
        end = draft.put((x, self.y), fact, self.look)
        if fact == "date" and draft.chance(0.75):
            x = end + 0.6 * self.look.size
            if draft.chance(0.2):
                x = self.page.text((x, self.y), self.labels.asked("time") + " ", self.look)
            if x + width_of(draft.texts["time"], self.look) < self.right:
                end = draft.put((x, self.y), "time", self.look)
        return end

    def items(self) -> None:
        draft = self.draft
        way = draft.pick(("below", "below", "one", "one", "before", "columns"))
        self.rule()
        marked = draft.pick(("", "", " A", " SR", " T", "*"))
        self.tail = width_of(marked, self.look) if marked else 0.0
        if draft.chance(0.8 if way == "columns" else 0.4):
            self._header(way)
        for row in range(draft.rows):
            self._item(f"items[{row}].", way)
            if marked:
                self.page.text((self.right, self.y), marked.strip(), self.look, align=1)
            self.down()
        self.rule()

    def _header(self, way: str) -> None:
        names = [("items.description", self.left, 0.0), ("items.amount", self.right, 1.0)]
        if way == "columns":
            names[1:1] = [
                ("items.quantity", self._at(0.5), 1.0),
                ("items.unit_price", self._at(0.76), 1.0),
            ]
        elif way == "before":
            names[0:1] = [
                ("items.quantity", self.left, 0.0),
                ("items.description", self.left + 4 * self.look.size, 0.0),
            ]
        end = 0.0
        for name, x, align in names:
            start = x - align * width_of(self.labels[name], self.look)
            if start > end + 0.4 * self.look.size:
                end = self.page.text((start, self.y), self.labels[name], self.look)
        self.down()
        self.rule()

    def _at(self, share: float) -> float:
        return self.left + share * (self.right - self.left)

    def _item(self, path: str, way: str) -> None:
        draft, look = self.draft, self.look
        texts = draft.texts
        if draft.chance(0.12):
            draft.put((self.left, self.y), f"{path}article_number", look)
            self.down()
        if way in {"below", "columns"}:
            lines = wrap(texts[f"{path}description"], look, self._at(0.9) - self.left)
            self.page.text((self.left, self.y), lines, look, f"{path}description")
            self.y += (len(lines) - 1) * 1.25 * look.size
            self.down()
            if way == "columns":
                draft.put((self._at(0.5), self.y), f"{path}quantity", look, align=1)
                draft.put((self._at(0.76), self.y), f"{path}unit_price", look, align=1)
            else:
                x = draft.put((self.left + look.size, self.y), f"{path}quantity", look)
                x = self.page.text((x, self.y), draft.pick((" x ", " @ ", " X ")), look)
                draft.put((x, self.y), f"{path}unit_price", look)
        else:
            x = self.left
            if way == "before":
                draft.put((x, self.y), f"{path}quantity", look)
                x += 4 * look.size
            room = self.right - 5.5 * look.size - x
            lines = wrap(texts[f"{path}description"], look, room)
            first = self.y
            self.page.text((x, first), lines, look, f"{path}description")
            if len(lines) > 1 and draft.chance(0.5):
                self.y += (len(lines) - 1) * 1.25 * look.size
                draft.put((self.right - self.tail, first), f"{path}amount", look, align=1)
                return
            self.y += (len(lines) - 1) * 1.25 * look.size
        draft.put((self.right - self.tail, self.y), f"{path}amount", look, align=1)

    def sums(self) -> None:
        """Print the sums from the subtotal to the change; any but the total may be left out."""
        draft, values = self.draft, self.draft.values
        shown = {"total"} if draft.chance(0.97) else set()
        shares = {"net": 0.5, "tax": 0.6 if values["tax"] else 0.1, "paid": 0.75}
        shown |= {name for name, share in shares.items() if draft.chance(share)}
        shown |= {"rounding"} if values["rounding"] or draft.chance(0.15) else set()
        shown |= {"discount"} if values["discount"] else set()
        if "paid" in shown and (values["change"] or draft.chance(0.4)):
            shown.add("change")
        names = ["discount", "net", "tax", "rounding", "total", "paid", "change"]
        if draft.chance(0.2):  # What the total has in it stands below it.
            names = ["discount", "rounding", "total", "paid", "change", "net", "tax"]
        big = Look(self.bold.face, self.look.size * draft.pick((1, 1, 1.25, 1.6)))
        self.start = self.left if draft.chance(0.75) else self._at(draft.rng.uniform(0.2, 0.4))
        if draft.chance(0.25):
            count = str(sum(int(values[f"items[{row}].quantity"]) for row in range(draft.rows)))
            self._sum(self.labels.cased(_COUNTS[draft.language]) + ":", count)
        for name in names:
            if name == "rounding" and name in shown and draft.chance(0.5):
                self._before_rounding()
            if name in shown:
                self._sum_of(name, big if name == "total" else self.look)
                if name == "total":
                    self._again()
        if draft.chance(0.3):
            self._summary()

    def _before_rounding(self) -> None:
        """Print the sum before it is rounded, which looks like the total."""
        draft = self.draft
        values = (Decimal(str(draft.values[name])) for name in ("net", "tax"))
        label = (
            draft.pick(concepts("receipts")["total"][draft.language]).replace("{tax}", "").strip()
        )
        if label != self.labels["total"]:
            self._sum(label, draft.decimal(sum(values, Decimal(0))))

    def _again(self) -> None:
        """Print the total once more under another label, or a rule, or nothing."""
        draft = self.draft
        if draft.chance(0.3):
            self.rule()
        elif draft.chance(0.12):
            label = draft.pick(concepts("receipts")["total"][draft.language])
            label = self.labels.cased(label.replace("{tax}", self.labels.tax))
            self.page.text((self.start, self.y), label[:18], self.look)
            self.amount("total")
            self.down()

    def _sum_of(self, name: str, look: Look) -> None:
        label = self.labels.asked(name)
        if width_of(label, look) > 0.6 * (self.right - self.left):
            label = label[:14]
        if look.size > self.look.size:
            self.down(0.3)
        self.page.text((self.start if look is self.look else self.left, self.y), label, look)
        self.amount(name, look)
        self.y += self.pitch * max(1.0, look.size / self.look.size)

    def _sum(self, label: str, text: str) -> None:
        self.page.text((self.start, self.y), label, self.look)
        self.page.text((self.right - self.tail, self.y), text, self.look, align=1)
        self.down()

    def _summary(self) -> None:
        """Print the table of taxes: figures that are those of the sums again."""
        draft, rate = self.draft, f"{self.labels.rate}%"
        self.rule()
        heads = (f"{self.labels.tax} {draft.pick(('Summary', '%', ''))}".strip(), "Net", "Tax")
        name = draft.pick((f"SR {rate}", rate, f"A={rate}"))
        cells = (name, draft.texts["net"], draft.texts["tax"])
        for texts in (heads, cells):
            facts = ("", "", "") if texts is heads else ("", "net", "tax")
            ends = (self.left, self._at(0.65), self.right)
            for text, fact, x, align in zip(texts, facts, ends, (0, 1, 1), strict=True):
                self.page.text((x, self.y), text, self.look, fact, align=align)
            self.down()

    def foot(self) -> None:
        draft = self.draft
        self.down(0.5)
        if self.late_date:
            self._late_date()
        if draft.chance(0.2):
            self.write(f"{draft.cased('Card')} ************{draft.digits(4)}", x=self.left)
        for _ in range(draft.pick((0, 1, 2, 3))):
            self.write(draft.cased(draft.word("thanks")))
        if draft.chance(0.15):
            pattern = draft.pick(draft.country["dates"])
            until = datetime.date.fromisoformat(draft.values["date"]) + datetime.timedelta(days=14)
            text = {"en": "Valid until", "de": "Umtausch bis", "fr": "Valable au", "es": "Hasta"}
            self.write(f"{text[draft.language]} {draft.date(until, pattern)}")
        if draft.chance(0.15):
            self._barcode()

    def _late_date(self) -> None:
        """Print the date near the bottom, as tills do: alone, or under a row of titles."""
        draft, look = self.draft, self.look
        if draft.chance(0.4):
            titles = (self.labels["date"], self.labels["time"], "No.")
            for share, title in zip((0, 0.4, 0.75), titles, strict=True):
                self.page.text((self._at(share), self.y), title, look)
            self.down()
            draft.put((self.left, self.y), "date", look)
            x = max(self._at(0.4), self.left + width_of(draft.texts["date"], look) + look.size)
            draft.put((x, self.y), "time", look)
        else:
            x = draft.put((self.left, self.y), "date", look)
            x = draft.put((x + look.size, self.y), "time", look)
            if x < self._at(0.7):
                self.page.text((x + look.size, self.y), draft.digits(5), look)
        self.down()

    def _barcode(self) -> None:
        x = self._at(0.2)
        while x < self._at(0.8):
            wide = self.draft.rng.choice((2, 2, 4))
            self.page.fill((x, self.y, x + wide, self.y + 50), (0, 0, 0))
            x += wide + self.draft.rng.choice((2, 3, 5))
        self.y += 50 + self.look.size

    def finish(self) -> None:
        """Cut the paper below the last line, now and then far below it."""
        rng = self.draft.rng
        self.page.size = (self.page.size[0], round(self.y + rng.uniform(1, 6) * self.look.size))
