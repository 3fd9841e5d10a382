"""The heads of broadcast orders: grids of cells, sections of labels, or rows of a line printer."""

from __future__ import annotations

from dataclasses import replace

from data.generator.trade.broadcast_entries import Entry, entries_of, flight
from data.generator.trade.broadcast_sums import Sums
from data.generator.trade.canvas import Canvas, Look, width_of
from data.generator.trade.draft import Draft, lexicon
from data.generator.trade.labels import Labels

_TITLES = ("CONTRACT", "ORDER", "INVOICE", "Broadcast Order", "Order Confirmation", "AGREEMENT")


def head(draft: Draft, labels: Labels, look: Look, bold: Look, sums: Sums) -> bool:
    """Print the head of the first page; return whether the order's sums are in it.

    `draft.below` is the y below it.
    """
    return _Head(draft, labels, look, bold).first(sums)


def other_head(draft: Draft, labels: Labels, look: Look, bold: Look) -> None:
    """Print the head of another page: no more than what says whose page it is."""
    _Head(draft, labels, look, bold).other()


class _Head:
    def __init__(self, draft: Draft, labels: Labels, look: Look, bold: Look) -> None:
        self.draft, self.labels, self.look, self.bold = draft, labels, look, bold
        self.page: Canvas = draft.pages[-1]
        self.left, self.right = 60.0, self.page.size[0] - 70.0
        self.y = self.end = draft.rng.uniform(75, 120)

    def first(self, sums: Sums) -> bool:
        draft = self.draft
        self._top()
        entries = entries_of(draft, self.labels)
        way = draft.pick(("cells", "cells", "beside", "sections", "sections", "printer", "panel"))
        if way in {"sections", "printer"}:
            self.y = max(self.y, self.end)
        if way in {"cells", "beside"}:
            # Who orders stands at the left, what is ordered in a grid at the right.
            x = self.left + draft.rng.uniform(0.42, 0.55) * (self.right - self.left)
            end = self._cells(entries, x) if way == "cells" else self._beside(entries, x)
            self.y = max(self.y, self.end)
            self.y += draft.pick((0, 3)) * self.look.size
            self._agency(self.left + draft.pick((0, 60)))
            self.y = max(self.y, end)
        elif way == "sections":
            self._sections(entries)
            if draft.chance(0.5):
                self._agency(self.left)
        elif way == "panel":
            self._panel(entries, sums)
        else:
            self._printer(entries)
            self._agency(self.left)
        draft.below = self.y + 2.5 * self.look.size
        return way == "panel"

    def other(self) -> None:
        draft = self.draft
        self._print_date()
        names = [name for name in ("contract", "advertiser") if draft.chance(0.7)]
        entries: list[Entry] = [(self.labels[name], (name,)) for name in names]
        if draft.chance(0.5):
            entries.append(flight(draft))
        self._sections(entries)
        draft.below = self.y + 2.5 * self.look.size

    def _top(self) -> None:
        """Print the station's sign and address, the title and when it was printed."""
        draft, page, look = self.draft, self.page, self.look
        self._print_date()
        title = replace(self.bold, size=look.size * draft.rng.uniform(1.4, 2.2))
        middle = (self.left + self.right) / 2
        page.text((middle, self.y), draft.pick(_TITLES), title, align=0.5)
        if draft.chance(0.75):
            x = self.left
            if draft.chance(0.7):
                page.fill((x, self.y - 20, x + 120, self.y + 80), (40, 40, 40))
                mark = Look(self.bold.face, 40, (255, 255, 255))
                page.text((x + 60, self.y + 45), draft.digits(1), mark, align=0.5)
                x += 140
            page.text((x, self.y), draft.texts["station"], self.bold, "station")
            phone = draft.filled(draft.pick(draft.country["phone"]))
            lines = [*draft.lines["station"], phone]
            page.text((x, self.y + 1.3 * look.size), lines, look)
            self.end = self.y + (2.5 + 1.25 * len(lines)) * look.size
        self.y += 3.2 * look.size

    def _print_date(self) -> None:
        """Print a date that is none of the order's, and the page's number."""
        draft, small = self.draft, replace(self.look, size=0.85 * self.look.size)
        text = f"Page {len(draft.pages)}"
        if draft.chance(0.7):
            text = f"Print Date {draft.date(draft.a_day())}   {text}"
        self.page.text((self.right, 45), text, small, align=1)

    def _wide(self, parts: tuple[str, ...], look: Look) -> float:
        texts = [self.draft.texts.get(each, each) for each in parts]
        return width_of(" ".join(texts), look)

    def _value(self, at: tuple[float, float], parts: tuple[str, ...], look: Look) -> None:
        """Print facts and the marks between them; a range's dates may touch its dash."""
        draft, x = self.draft, at[0]
        tight = "-" in parts and draft.chance(0.3)
        for part in parts:
            if part in draft.texts:
                x = draft.put((x, at[1]), part, look)
            elif part:
                x = self.page.text((x, at[1]), part, look)
            x += 0 if tight else 0.3 * look.size

    def _cells(self, entries: list[Entry], x: float) -> float:
        """Print ruled cells with small labels above the values; return the y below."""
        small, tall = replace(self.look, size=0.78 * self.look.size), 2.5 * self.look.size
        framed, y, at = self.draft.chance(0.85), self.y, x
        row: list[tuple[Entry, float]] = []
        for entry in [*entries, None]:
            if entry:
                need = max(width_of(entry[0], small), self._wide(entry[1], self.look)) + 16
                if at + need <= self.right or not row:
                    row.append((entry, need))
                    at += need
                    continue
            spare = max(0.0, self.right - at) / len(row)
            at = x
            for (label, parts), wide in row:
                if framed:
                    self.page.frame((at, y, at + wide + spare, y + tall), 1)
                self.page.text((at + 4, y + small.size), label, small)
                self._value((at + 6, y + tall - 0.45 * self.look.size), parts, self.look)
                at += wide + spare
            y += tall
            if entry:
                row, at = [(entry, need)], x + need
        return y + self.look.size

    def _beside(self, entries: list[Entry], x: float) -> float:
        """Print a table of labels and values beside each other; return the y below."""
        draft, tall = self.draft, 1.6 * self.look.size
        tab = max(width_of(label, self.bold) for label, _ in entries) + 14
        wide = max(self._wide(parts, self.look) for _, parts in entries) + 10
        x = max(self.left, min(x, self.right - tab - wide))
        ruled, y, top = draft.chance(0.7), self.y, self.y
        for label, parts in entries:
            if ruled:
                self.page.frame((x, y, self.right, y + tall), 1)
            self.page.text((x + 4, y + 1.15 * self.look.size), label, self.bold)
            self._value((x + tab + 4, y + 1.15 * self.look.size), parts, self.look)
            y += tall
        if ruled:
            self.page.line((x + tab, top), (x + tab, y), 1)
        return y + self.look.size

    def _sections(self, entries: list[Entry]) -> None:
        """Print labels with their values in two or three columns."""
        draft = self.draft
        count = draft.pick((2, 2, 3))
        label_look = draft.pick((self.bold, self.look))
        each = -(-len(entries) // count)
        top, below = self.y + 2 * self.look.size, self.y
        x = self.left
        for place in range(count):
            column = entries[place * each : (place + 1) * each]
            if not column:
                break
            tab = max(width_of(f"{label}:", label_look) for label, _ in column) + 10
            wide = tab + max(self._wide(parts, self.look) for _, parts in column)
            if x + wide > self.right and x > self.left:
                x, top = self.left, below + self.look.size
            y = top
            for label, parts in column:
                self.page.text((x, y), f"{label}:", label_look)
                self._value((x + tab, y), parts, self.look)
                y += 1.5 * self.look.size
            below = max(below, y)
            x += max(wide + 30, (self.right - self.left) / count)
        self.y = below

    def _panel(self, entries: list[Entry], sums: Sums) -> None:
        """Print who orders, columns of labels and values, and the sums in a frame at the right."""
        draft, left, right = self.draft, self.left, self.right
        if draft.chance(0.6):
            entries = [*entries, ("Commission %", ("15.00",)), ("Commission", ("commission",))]
            entries.append((self.labels["net"], ("net",)))
        x = right - draft.rng.uniform(0.23, 0.33) * (right - left)
        below = sums.panel((x, right), self.y)
        wide = right - left > 1300
        if wide:
            self.left += 0.25 * (right - left)
        else:
            self.y = max(self.y, self.end)
        self.right = x - 2 * self.look.size
        self._sections(entries)
        self.left, self.right = left, right
        below = max(below, self.y)
        if wide:
            self.y = self.end
        self._agency(left)
        self.y = max(self.y, below)

    def _printer(self, entries: list[Entry]) -> None:
        """Print one entry after the other along lines, as line printers do."""
        y, x = self.y + 2 * self.look.size, self.left
        for label, parts in entries:
            text = f"{label}:".upper() if self.draft.capitals else f"{label}:"
            need = width_of(text, self.look) + self._wide(parts, self.look) + 3 * self.look.size
            if x > self.left and x + need > self.right:
                x, y = self.left, y + 1.4 * self.look.size
            self.page.text((x, y), text, self.look)
            self._value((x + width_of(text, self.look) + 8, y), parts, self.look)
            x += max(need, (self.right - self.left) / 4)
        self.y = y + 1.4 * self.look.size

    def _agency(self, x: float) -> None:
        """Print who is billed, as for an envelope; the label may be missing."""
        draft, look = self.draft, self.look
        y = self.y + 1.5 * look.size
        kind = draft.rng.random()
        if kind < 0.15:
            return
        if kind < 0.5:
            label = draft.pick(("And:", "Bill To:", "Agency:", "Billing Address:"))
            self.page.text((x, y), label, look)
            y += 1.4 * look.size
        draft.put((x, y), "agency", self.bold if draft.chance(0.3) else look)
        lines = list(draft.lines["agency"])
        if draft.chance(0.3):
            lines.insert(
                0, f"Attn: {draft.pick(lexicon()['first'])} {draft.pick(lexicon()['last'])}"
            )
        self.page.text((x, y + 1.25 * look.size), lines, look)
        self.y = y + (len(lines) + 1) * 1.25 * look.size
