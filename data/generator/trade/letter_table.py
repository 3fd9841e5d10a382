"""The table of a letter: its columns, rows over several lines, and how it goes on over pages."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from data.generator.trade.canvas import WHITE, width_of, wrap
from data.generator.trade.letter import SIZE, Letter

_SHARES = {
    "position": 0.5,
    "article_number": 0.4,
    "description": 0.98,
    "quantity": 0.93,
    "unit": 0.35,
    "unit_price": 0.85,
    "rate": 0.3,
    "amount": 0.97,
}
_RIGHT = {"quantity", "unit_price", "rate", "amount"}
_CARRIED = {
    "en": ("Carried forward", "Brought forward"),
    "de": ("Übertrag", "Übertrag"),
    "fr": ("À reporter", "Report"),
    "es": ("Suma y sigue", "Suma anterior"),
}
_GROUPED = {
    "en": ("Subtotal {n}", "Group {n}"),
    "de": ("Zwischensumme {n}", "Titel {n}"),
    "fr": ("Sous-total {n}", "Lot {n}"),
    "es": ("Subtotal {n}", "Capítulo {n}"),
}
_PAGE = {"en": "Page", "de": "Seite", "fr": "Page", "es": "Página"}


def table(letter: Letter) -> None:
    """Print the items from where the letter is, on as many pages as they need."""
    _Table(letter).write()


def next_page(letter: Letter, *, told: bool) -> None:
    """Go on at the top of a new page; it may tell whose page it is."""
    draft = letter.draft
    letter.page = draft.page(SIZE)
    letter.y = draft.rng.uniform(90, 160)
    if told:
        text = f"{_PAGE[draft.language]} {len(draft.pages)}"
        letter.page.text((letter.right, letter.y), text, letter.small, align=1)
        if draft.chance(0.5):
            label = letter.labels.asked("number") + " "
            x = letter.page.text((letter.left, letter.y), label, letter.small)
            draft.put((x, letter.y), "number", letter.small)
    letter.y += 2 * letter.row


class _Table:
    """Sets one table; how it looks is decided once."""

    def __init__(self, letter: Letter) -> None:
        draft = letter.draft
        self.letter, self.draft = letter, draft
        self.names = [name for name, share in _SHARES.items() if draft.chance(share)]
        if "amount" not in self.names and "unit_price" not in self.names:
            self.names.append("amount")
        if draft.chance(0.25) and {"quantity", "description"} <= set(self.names):
            self.names.remove("quantity")
            self.names.insert(self.names.index("description"), "quantity")
        if draft.chance(0.1) and "rate" in self.names:
            self.names.remove("rate")
            self.names.append("rate")
        self.plain = draft.rows < 7 and draft.chance(0.06)
        """Whether it is no more than texts with their amounts, without a head."""
        if self.plain:
            self.names = ["description", "amount"]
        self.style = (
            "bare"
            if self.plain
            else draft.pick(("grid", "bar", "bar", "lines", "bare", "zebra", "heads"))
        )
        self.signed = draft.chance(0.3)
        self.notes = draft.chance(0.25)
        self.look = letter.look
        self.needs_head = draft.chance(0.75)
        self.groups = draft.rows > 3 and draft.chance(0.15)
        self.bottom = SIZE[1] - draft.rng.uniform(210, 330)
        self.top = letter.y
        self._measure()

    def _measure(self) -> None:
        """Give each column its width: what its cells need; the description takes what is left."""
        look, total = self.look, self.letter.right - self.letter.left
        needs = {}
        for name in self.names:
            cells = [self._text(row, name) for row in range(self.draft.rows)]
            cells += max(self._label(name).split(), key=len, default="").split()
            needs[name] = max(width_of(cell, look) for cell in cells) + 1.1 * look.size
        wide = "description" if "description" in needs else self.names[0]
        rest = total - sum(each for name, each in needs.items() if name != wide)
        # Small print where the columns are many.
        if rest < min(needs[wide], 0.22 * total) and look.size > 10:
            self.look = replace(look, size=0.93 * look.size)
            self._measure()
            return
        needs[wide] = max(rest, 60.0)
        self.widths = needs
        self.starts, x = {}, self.letter.left
        for name, need in needs.items():
            self.starts[name] = x
            x += need

    def _label(self, name: str) -> str:
        return self.letter.labels[f"items.{name}"]

    def _text(self, row: int, name: str) -> str:
        text = self.draft.texts[f"items[{row}].{name}"]
        if name in {"unit_price", "amount"} and self.signed:
            text = self.draft.priced(text)
        return text

    def _x(self, name: str) -> tuple[float, float]:
        """Return where a column's texts stand, and which share of them is left of that."""
        pad = 0.45 * self.look.size
        if name in _RIGHT:
            return self.starts[name] + self.widths[name] - pad, 1.0
        return self.starts[name] + pad, 0.0

    def write(self) -> None:
        letter, draft = self.letter, self.draft
        if not self.plain:
            self._head()
        carried, group = Decimal(0), Decimal(0)
        for row in range(draft.rows):
            path = f"items[{row}]."
            tall = self._height(row)
            if letter.y + tall > self.bottom:
                self._break(carried)
            if self.groups and row and row % 4 == 0:
                self._sum(draft.filled(_GROUPED[draft.language][0]), group)
                group = Decimal(0)
            self._row(row, path, tall)
            amount = Decimal(str(draft.values[f"{path}amount"]))
            carried, group = carried + amount, group + amount
        self._close()
        letter.y += 0.8 * letter.row

    def _height(self, row: int) -> float:
        step = self.look.leading * self.look.size
        return (len(self._lines(row)) - 1) * step + self.letter.row * 1.05

    def _lines(self, row: int) -> list[str]:
        text = self.draft.texts[f"items[{row}].description"]
        room = self.widths.get("description", 100) - 0.9 * self.look.size
        return wrap(text, self.look, room)

    def _head(self) -> None:
        letter, look = self.letter, replace(self.letter.bold, size=self.look.size)
        titles = {
            name: wrap(self._label(name), look, self.widths[name] - 0.6 * look.size)
            for name in self.names
        }
        deep = max(map(len, titles.values()))
        self.top = letter.y - 1.1 * look.size
        tall = deep * 1.15 * look.size + 0.6 * look.size
        under = self.top + tall
        if self.style in {"bar", "zebra", "grid"} and self.draft.chance(0.8):
            dark = self.style != "grid" and self.draft.chance(0.5)
            colour = letter.accent if dark else (224, 226, 230)
            letter.page.fill((letter.left, self.top, letter.right, under), colour)
            look = replace(look, colour=WHITE) if dark else look
        for name, lines in titles.items():
            x, align = self._x(name)
            for place, line in enumerate(lines):
                y = letter.y + place * 1.15 * look.size
                letter.page.text((x, y), line, look, align=align)
        if self.style in {"lines", "heads", "grid"}:
            letter.page.line((letter.left, under), (letter.right, under))
        letter.y = under + look.size * 1.15

    def _row(self, row: int, path: str, tall: float) -> None:
        letter, draft, look = self.letter, self.draft, self.look
        page, top = letter.page, letter.y
        if self.style == "zebra" and row % 2:
            edge = top - 1.05 * look.size
            page.fill((letter.left, edge, letter.right, edge + tall), (238, 240, 244))
        for name in self.names:
            x, align = self._x(name)
            fact = f"{path}{name}"
            if name == "description":
                page.text((x, top), self._lines(row), look, fact)
            else:
                page.text((x, top), self._text(row, name), look, fact, align=align)
        letter.y += tall
        if self.notes and draft.chance(0.4) and "description" in self.names:
            x, _ = self._x("description")
            note = replace(look, size=0.85 * look.size)
            for line in wrap(draft.word("notes"), note, self.widths["description"] - look.size):
                page.text((x, letter.y - 0.2 * letter.row), line, note)
                letter.y += 1.2 * note.size
        if self.style in {"lines", "grid"}:
            y = letter.y - 1.1 * look.size
            page.line((letter.left, y), (letter.right, y), 1)

    def _sum(self, label: str, value: Decimal) -> None:
        """Print a sum that is no item."""
        look = replace(self.letter.bold, size=self.look.size)
        text = self.draft.decimal(value)
        x = self._x(self.names[-1])[0] if self.names[-1] in _RIGHT else self.letter.right
        self.letter.page.text((x, self.letter.y), text, look, align=1)
        before = x - width_of(text, look) - 1.5 * look.size
        self.letter.page.text((before, self.letter.y), label, look, align=1)
        self.letter.y += self.letter.row

    def _break(self, carried: Decimal) -> None:
        letter, draft = self.letter, self.draft
        told = draft.chance(0.5)
        if told:
            self._sum(_CARRIED[draft.language][0], carried)
        self._close()
        next_page(letter, told=draft.chance(0.8))
        if self.needs_head:
            self._head()
        else:
            self.top = letter.y - 1.1 * self.look.size
        if told:
            self._sum(_CARRIED[draft.language][1], carried)

    def _close(self) -> None:
        """Draw the lines around what stands on this page."""
        letter, end = self.letter, self.letter.y - 1.1 * self.look.size
        if self.style == "grid":
            letter.page.frame((letter.left, self.top, letter.right, end))
            for name in self.names[1:]:
                x = self.starts[name]
                letter.page.line((x, self.top), (x, end))
        elif self.style in {"heads", "bar"}:
            letter.page.line((letter.left, end), (letter.right, end))
