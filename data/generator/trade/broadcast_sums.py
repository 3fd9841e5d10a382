"""The sums of a broadcast order: below its lines, one below the other, or month by month."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from data.generator.trade.canvas import Canvas, Look, wrap
from data.generator.trade.draft import Draft, cents, lexicon
from data.generator.trade.labels import Labels

TALL = 1.45
"""From row to row, em."""


class Sums:
    """Prints the sums of an order on its current page.

    Attributes:
        money_sign: What stands before amounts, or nothing.
    """

    def __init__(self, draft: Draft, labels: Labels, look: Look, bold: Look) -> None:
        self._draft, self._labels, self._look, self._bold = draft, labels, look, bold
        self.money_sign = draft.pick(("$", "$", ""))

    @property
    def _page(self) -> Canvas:
        return self._draft.pages[-1]

    def row(self, left: float, y: float, ends: Mapping[str, float], size: float) -> float:
        """Print a row of totals below the lines; return the y below it.

        Args:
            left: Where the lines begin, px.
            y: Of its baseline, px.
            ends: Where the columns of the lines end, px.
            size: Of the lines' letters.
        """
        draft, look = self._draft, replace(self._bold, size=size)
        if draft.chance(0.2):
            text = f"Total {draft.texts['spots']} {draft.pick(('Spots for:', 'spots:', 'Spots'))}"
            x = self._page.text((left, y), text, look) + size
            self._page.text((x, y), self._amount("gross"), look, "gross")
        else:
            x = ends.get("spots", self._page.size[0] - 300) - 120
            text = draft.pick(("Totals", "Total", "TOTALS:", "Contract Total", "Order Totals"))
            self._page.text((max(left, x), y), text, look, align=1 if x > 300 else 0)
        for name, fact in (("spots", "spots"), ("amount", "gross")):
            if name in ends:
                self._page.text((ends[name] - 4, y), self._amount(fact), look, fact, align=1)
        return y + TALL * size

    def draw(self, sides: tuple[float, float], y: float, ends: Mapping[str, float]) -> float:
        """Print all sums as a table of months, one below the other, or not at all.

        Args:
            sides: The left and the right one of the page's text, px.
            y: Of the first baseline, px.
            ends: Where the columns of the lines end, px; empty before they are printed.

        Returns:
            The y below them.
        """
        draft = self._draft
        way = draft.pick(("months", "rows", "rows", "columns", "none"))
        names = ["spots"] if draft.chance(0.6) else []
        names += ["gross"] if draft.chance(0.93) else []
        names += ["commission", "net"] if draft.chance(0.6) else []
        if way == "rows":
            return self._rows(names, sides, y, ends)
        if way != "none" and names:
            return self._months(names, sides, y, divided=way == "months")
        return y

    def panel(self, sides: tuple[float, float], y: float) -> float:
        """Print the months with their spots and amounts in a frame; return the y below it."""
        draft, page, look, bold = self._draft, self._page, self._look, self._bold
        top, step, left, end = y, TALL * look.size, sides[0] + 7, sides[1] - 8
        spots = left + 0.6 * (end - left)
        y += step
        if draft.chance(0.6):
            page.text((left, y), draft.texts["station"], bold, "station")
            y += step
        months = _months_of(draft.values["start"], draft.values["end"])
        titles = ("By Broadcast Month", "By Month", "Broadcast Month", "Month", "Calendar Month")
        page.text((left, y), draft.pick(titles), replace(look, size=0.85 * look.size))
        page.text((spots, y), draft.pick(("Spots", "Units", "#")), bold, align=1)
        amount = draft.pick(("Rate", "Amount", "Gross", "Dollars", self._labels["gross"]))
        page.text((end, y), amount, bold, align=1)
        pattern = draft.pick(("%b. %Y", "%b %Y", "%B", "%m/%Y"))
        left_over = {name: Decimal(str(draft.values[name])) for name in ("spots", "gross")}
        for place, month in enumerate(months):
            y += step
            parts = {
                "spots": left_over["spots"] // (len(months) - place),
                "gross": cents(left_over["gross"] / (len(months) - place)),
            }
            left_over = {name: left_over[name] - part for name, part in parts.items()}
            page.text((left, y), draft.date(month, pattern), look)
            page.text((spots, y), str(int(parts["spots"])), look, align=1)
            page.text((end, y), self.money_sign + draft.decimal(parts["gross"]), look, align=1)
        y += step
        page.line((spots - 3 * look.size, y - look.size), (end, y - look.size), 3)
        page.text((left, y), draft.pick(("Grand Total:", "Total:", "Totals", "Grand Total")), look)
        for name, x in (("spots", spots), ("gross", end)):
            page.text((x, y), self._amount(name), look, name, align=1)
        below = y + draft.rng.uniform(0.6, 5) * step
        page.frame((sides[0], top, sides[1], below), 1)
        return below

    def _amount(self, name: str) -> str:
        text = self._draft.texts[name]
        return text if name == "spots" else self.money_sign + text

    def _rows(
        self,
        names: Sequence[str],
        sides: tuple[float, float],
        y: float,
        ends: Mapping[str, float],
    ) -> float:
        draft, look, (left, right) = self._draft, self._look, sides
        x = draft.pick((left, right - 420, right - 520))
        end = x + 400
        if "amount" in ends and draft.chance(0.4):
            # Sums go on with the column of the amounts.
            end = ends["amount"] - 4
            x = max(left, end - 300)
        if x > left + 300 and draft.chance(0.4):
            told = wrap(" ".join(lexicon()["en"]["terms"]), look, x - left - 40)
            for place, line in enumerate(told[: len(names) + 1]):
                self._page.text((left, y + place * TALL * look.size), line, look)
        for name in names:
            label = self._labels.asked(name)
            if name == "commission" and draft.chance(0.4):
                label = f"{self._labels[name]} (15%):"
            self._page.text((x, y), label, self._bold if draft.chance(0.5) else look)
            self._page.text((end, y), self._amount(name), look, name, align=1)
            y += TALL * look.size
        return y

    def _months(
        self, names: Sequence[str], sides: tuple[float, float], y: float, *, divided: bool
    ) -> float:
        """Print titles with the sums below them; parts of the sums may stand in between."""
        draft, page, look, bold = self._draft, self._page, self._look, self._bold
        left, right = sides
        step = min(230.0, (right - left - 220) / len(names))
        stops = [left + 220 + step * (place + 1) for place in range(len(names))]
        page.text((left, y), draft.pick(("Time Period", "Month", "Period")), bold)
        for name, x in zip(names, stops, strict=True):
            page.text((x, y), self._labels[name], bold, align=1)
        y += TALL * look.size
        if divided:
            for share, days in zip((Decimal("0.4"), Decimal("0.6")), self._periods(), strict=True):
                start, end = (draft.date(day) for day in days)
                page.text((left, y), f"{start} -{end}", look)
                for name, x in zip(names, stops, strict=True):
                    part = cents(Decimal(str(draft.values[name])) * share)
                    text = (
                        str(int(part)) if name == "spots" else self.money_sign + draft.decimal(part)
                    )
                    page.text((x, y), text, look, align=1)
                y += TALL * look.size
            page.line((left, y - 1.1 * look.size), (stops[-1], y - 1.1 * look.size))
        page.text((left, y), draft.pick(("Totals", "Total")), bold)
        for name, x in zip(names, stops, strict=True):
            page.text((x, y), self._amount(name), look, name, align=1)
        return y + TALL * look.size

    def _periods(self) -> list[tuple[datetime.date, datetime.date]]:
        """Return two periods of whole weeks that have the flight in them."""
        values = self._draft.values
        first, last = (datetime.date.fromisoformat(values[name]) for name in ("start", "end"))
        _, middle = week_of(first, first + (last - first) / 2)
        after = middle + datetime.timedelta(days=1)
        return [week_of(first, middle), week_of(after, max(last, after))]


def week_of(first: datetime.date, last: datetime.date) -> tuple[datetime.date, datetime.date]:
    """Return the Monday before a day and the Sunday after another."""
    monday = first - datetime.timedelta(days=first.weekday())
    return monday, last + datetime.timedelta(days=6 - last.weekday())


def _months_of(first: str, last: str) -> list[datetime.date]:
    """Return the first days of the months of two dates and between them."""
    day, end = datetime.date.fromisoformat(first).replace(day=1), datetime.date.fromisoformat(last)
    months = []
    while day <= end:
        months.append(day)
        day = (day + datetime.timedelta(days=31)).replace(day=1)
    return months
