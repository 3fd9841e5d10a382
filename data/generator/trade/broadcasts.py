"""Draws orders and contracts for spots on television: dense heads, flights, lines and totals."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from data.generator.trade.broadcast_head import head, other_head
from data.generator.trade.broadcast_sums import TALL, Sums, week_of
from data.generator.trade.canvas import Canvas, Look, width_of
from data.generator.trade.draft import FACES, Draft, cents, lexicon
from data.generator.trade.labels import Labels
from data.generator.trade.terms import draw_terms

_PROGRAMS = (
    *("Morning News", "News at 6", "Late News", "Evening Report", "Daily Talk", "Game Night"),
    *("Prime Movie", "Sports Sunday", "Weekend Today", "Quiz Hour", "Courtroom", "Early Show"),
    *("Family Comedy", "Local Live", "World Report", "Kitchen Time", "Rotator", "Prime Rotation"),
)
_TIMES = ("5a-6a", "6-7a", "6:00 AM-7:00 AM", "5p-6p", "5:30-6p", "11p-11:35p", "7P-8P", "9a-12p")


class _Column(NamedTuple):
    """A column of the lines: its concept, and the x of its sides, px."""

    name: str
    x: float
    end: float


def draw_broadcast(draft: Draft) -> None:
    """Set an order's facts and print those that it shows on one page or several."""
    order = _Order(draft)
    order.decide()
    is_summed = head(draft, order.labels, order.look, order.bold, order.sums)
    order.y = draft.below
    early = not is_summed and draft.chance(0.2)
    if early:
        order.total()
    order.lines()
    if not is_summed and not early:
        order.totals()
        order.total()
    order.foot()
    if draft.chance(0.15):
        draw_terms(draft, order.look, order.bold)


class _Order:
    """Prints the lines and sums of an order below its head."""

    def __init__(self, draft: Draft) -> None:
        self.draft, self.labels = draft, Labels(draft, "broadcasts")
        face, bold = draft.pick(FACES)
        self.look = Look(face, draft.rng.uniform(14, 19) * (0.92 if "D" in face[:1] else 1))
        self.bold = replace(self.look, face=bold)
        size = (1275, 1650) if draft.chance(0.65) else (1650, 1275)
        draft.page(size)
        self.left, self.right = 60.0, size[0] - draft.rng.uniform(55, 90)
        self.bottom = size[1] - draft.rng.uniform(110, 170)
        self.y = 0.0
        self.ends: dict[str, float] = {}
        """Where the columns of the lines end, px; empty before they are printed."""
        self.sums = Sums(draft, self.labels, self.look, self.bold)
        self.short = draft.pick(("%m/%d/%y", "%m/%d/%Y", "%m/%d"))
        if draft.order == "dmy":
            self.short = "%d/%m/%y"
        elif draft.chance(0.75):
            draft.date_format = draft.pick(("%m/%d/%y", "%m/%d/%Y"))
        elif draft.chance(0.4):
            draft.date_format = self.short = "%b%d/%y"

    def decide(self) -> None:
        draft = self.draft
        draft.set("contract", draft.filled(draft.pick(("{p6}", "{p7}", "{p5}", "{T}{p6}"))))
        draft.set("revision", str(draft.rng.randint(0, 9)))
        draft.set("alt_order", draft.filled(draft.pick(("{T}{T}{p8}", "{p8}", "{p7}"))))
        draft.set("estimate", draft.filled(draft.pick(("{p4}", "{p3}", "{p5}"))))
        draft.set("advertiser", draft.cased(self._advertiser()))
        draft.set("agency", draft.company())
        draft.set("product", draft.cased(draft.pick((draft.name(), f"{draft.name()} spring"))))
        letters = draft.filled("{T}{T}{T}")
        draft.set("station", f"{draft.pick('WK')}{letters}{draft.pick(lexicon()['stations_end'])}")
        draft.set("executive", draft.person())
        draft.set("buyer", draft.person())
        start = draft.day("start", draft.a_day())
        days = draft.rng.choice((6, 6, 13, 20, 27, 34, 60, 90))
        end = draft.day("end", start + datetime.timedelta(days=days))
        draft.day("entered", start - datetime.timedelta(days=draft.rng.randint(1, 40)))
        draft.lines["agency"] = draft.address(4)
        draft.lines["station"] = draft.address(3)
        draft.rows = draft.rng.choice((1, 2, 4, 6, 8, 12, 16, 24, 36, 50))
        spots, gross = 0, Decimal(0)
        for row in range(draft.rows):
            count, amount = self._line(f"lines[{row}].", row + 1, start, end)
            spots, gross = spots + count, gross + amount
        draft.values["spots"], draft.texts["spots"] = spots, draft.decimal(Decimal(spots))
        draft.money("gross", gross)
        cut = cents(gross * Decimal("0.15"))
        draft.money("commission", cut)
        draft.money("net", gross - cut)

    def _advertiser(self) -> str:
        draft = self.draft
        last = draft.pick(lexicon()["last"])
        office = draft.pick(("Senate", "Governor", "Congress", "Mayor", "Judge"))
        names = (f"{last} for {office}", f"Friends of {last}", f"{draft.name()}/{last}/{office}")
        return draft.pick((*names, draft.company(), draft.company(), draft.company()))

    def _line(
        self, path: str, number: int, start: datetime.date, end: datetime.date
    ) -> tuple[int, Decimal]:
        draft, rng = self.draft, self.draft.rng
        spots = rng.choice((1, 1, 2, 3, 5, 10))
        rate = cents(Decimal(rng.choice((15, 35, 50, 80, 125, 275, 450, 1200, 3500))))
        begin = start + datetime.timedelta(days=rng.randint(0, (end - start).days))
        stop = min(end, begin + datetime.timedelta(days=6))
        if draft.chance(0.4):
            begin, stop = start, end
        draft.values[f"{path}line"], draft.texts[f"{path}line"] = number, str(number)
        draft.set(f"{path}program", draft.cased(rng.choice(_PROGRAMS)))
        draft.set(f"{path}time", rng.choice(_TIMES))
        week = "".join(day if draft.chance(0.6) else "-" for day in "MTWTFSS")
        draft.set(f"{path}days", week if draft.chance(0.6) else draft.pick(("M-F", "Sa-Su", "Mo")))
        draft.set(f"{path}length", draft.pick((":30", "30", ":15", "0:30")))
        for name, day in (("start", begin), ("end", stop)):
            draft.day(f"{path}{name}", day)
            if self.short != "%m/%d":
                draft.texts[f"{path}{name}"] = draft.date(day, self.short)
        draft.values[f"{path}spots"], draft.texts[f"{path}spots"] = spots, str(spots)
        draft.money(f"{path}rate", rate)
        return spots, draft.money(f"{path}amount", rate * spots)

    def lines(self) -> None:
        """Print the lines of spots, on as many pages as they need."""
        draft = self.draft
        names = {
            "line": (0.9, 0.5),
            "program": (0.95, 2.6),
            "start": (0.85, 1.3),
            "end": (0.8, 1.3),
            "days": (0.85, 1.2),
            "time": (0.75, 1.9),
            "length": (0.8, 0.7),
            "spots": (0.9, 0.7),
            "rate": (0.9, 1.1),
            "amount": (0.9, 1.3),
        }
        shown = [name for name, (share, _) in names.items() if draft.chance(share)]
        if draft.chance(0.4) and {"start", "end", "program"} <= set(shown):
            shown.remove("program")
            shown.insert(shown.index("end") + 1, "program")
        weeks = draft.pick((0, 0, 0, 4, 5))
        unit = (self.right - self.left) / (sum(names[each][1] for each in shown) + 0.55 * weeks)
        columns, x = [], self.left
        for name in shown:
            columns.append(_Column(name, x, x + unit * names[name][1]))
            x += unit * names[name][1]
        self.style = draft.pick(("grid", "bare", "bar", "lines"))
        self.detailed = draft.chance(0.45)
        self.weeks = [x + unit * (0.2 + 0.5 * place) for place in range(weeks)]
        self.size = self._fitting(columns)
        self._titles(columns)
        for row in range(draft.rows):
            if self.y + (3.5 if self.detailed else 1.5) * TALL * self.size > self.bottom:
                self._page()
                self._titles(columns)
            self._print(f"lines[{row}].", columns)
        self.page.line((self.left, self.y - self.size), (self.right, self.y - self.size))
        self.ends = {name: end for name, _, end in columns}

    def _fitting(self, columns: list[_Column]) -> float:
        """Return the size at which every cell has room."""
        size = self.look.size
        for name, x, end in columns:
            texts = [
                self.draft.texts[f"lines[{row}].{name}"] + "$" for row in range(self.draft.rows)
            ]
            widest = max(width_of(text, self.look) for text in texts)
            size = min(size, self.look.size * (end - x - 6) / widest)
        return max(size, 9.0)

    @property
    def page(self) -> Canvas:
        """The page that is being printed."""
        return self.draft.pages[-1]

    def _page(self) -> None:
        self.draft.page(self.draft.pages[0].size)
        other_head(self.draft, self.labels, self.look, self.bold)
        self.y = self.draft.below

    def _titles(self, columns: list[_Column]) -> None:
        look = replace(self.bold, size=0.92 * self.size)
        if self.style in {"bar", "grid"}:
            top = self.y - 1.1 * self.size
            box = (self.left - 3, top, self.right, self.y + 0.5 * self.size)
            self.page.fill(box, (220, 220, 220)) if self.style == "bar" else self.page.frame(box)
        for column in columns:
            name, x, end = column
            title = self.labels[f"lines.{name}"]
            while width_of(title, look) > end - x - 3 and " " in title:
                title = title.rpartition(" ")[0]
            wide = width_of(title, look)
            fitted = replace(look, size=look.size * min(1.0, (end - x - 3) / wide))
            self._cell(column, title, fitted)
        for place, x in enumerate(self.weeks):
            day = datetime.date.fromisoformat(self.draft.values["start"])
            day += datetime.timedelta(weeks=place)
            small = replace(look, size=0.75 * look.size)
            self.page.text((x, self.y), f"{day.month}/{day.day}", small)
        self.y += TALL * self.size
        self.page.line((self.left, self.y - self.size), (self.right, self.y - self.size))

    def _cell(self, column: _Column, text: str, look: Look, fact: str = "") -> None:
        if column.name in {"spots", "rate", "amount"}:
            self.page.text((column.end - 4, self.y), text, look, fact, align=1)
        else:
            self.page.text((column.x, self.y), text, look, fact)

    def _print(self, path: str, columns: list[_Column]) -> None:
        draft, look = self.draft, replace(self.look, size=self.size)
        for column in columns:
            name = column.name
            text = draft.texts[f"{path}{name}"]
            if name in {"rate", "amount"}:
                text = self.sums.money_sign + text
            self._cell(column, text, look, f"{path}{name}")
        for x in self.weeks:
            self.page.text((x, self.y), str(draft.rng.randint(0, 3)), look)
        self.y += TALL * self.size
        if self.detailed:
            self._week(path, replace(look, size=0.9 * self.size))
        if self.style in {"grid", "lines"}:
            y = self.y - 1.05 * self.size
            self.page.line((self.left, y), (self.right, y), 1)

    def _week(self, path: str, look: Look) -> None:
        """Print what a line has in its week, from Monday to Sunday, of no field."""
        draft = self.draft
        day = datetime.date.fromisoformat(draft.values[f"{path}start"])
        week = [draft.date(each, self.short) for each in week_of(day, day)]
        stops = [
            self.left + share * (self.right - self.left) for share in (0.04, 0.13, 0.22, 0.31, 0.4)
        ]
        titles = ("Start Date", "End Date", "Weekdays", "Spots/Week", "Rate")
        texts = week + [draft.texts[f"{path}{name}"] for name in ("days", "spots", "rate")]
        for row in (titles, ["Week: " + texts[0], *texts[1:]]):
            for x, text in zip(stops, row, strict=True):
                start = x - width_of("Week: ", look) if text.startswith("Week") else x
                self.page.text((max(self.left, start), self.y), text, look)
            self.y += 1.2 * look.size
        self.y += 0.35 * look.size

    def totals(self) -> None:
        """Print a row of totals below the lines, or nothing."""
        if self.y > self.bottom - 220:
            self._page()
        if self.draft.chance(0.6):
            self.y = self.sums.row(self.left, self.y, self.ends, self.size)

    def total(self) -> None:
        """Print what the whole order comes to, or nothing."""
        self.y += self.look.size
        self.y = self.sums.draw((self.left, self.right), self.y, self.ends) + self.look.size

    def foot(self) -> None:
        """Print where to sign, and the conditions in small print."""
        draft, small = self.draft, replace(self.look, size=0.75 * self.look.size)
        if draft.chance(0.4):
            self.y += 2 * self.look.size
            x = self.page.text((self.left, self.y), "Signature:", self.bold)
            self.page.line((x + 6, self.y + 3), (x + 300, self.y + 3))
            x = self.page.text((x + 330, self.y), "Date:", self.bold)
            self.page.line((x + 6, self.y + 3), (x + 160, self.y + 3))
        for page in draft.pages:
            y = page.size[1] - 80
            for line in range(draft.pick((0, 1, 2))):
                page.text((self.left, y + 18 * line), _CONDITIONS[line], small)


_CONDITIONS = (
    "The station does not discriminate in the sale of advertising time. Payment is due 30 days "
    "from the date of the invoice.",
    "All orders are subject to the terms and conditions of the station and to the credit of the "
    "agency and the advertiser.",
)
