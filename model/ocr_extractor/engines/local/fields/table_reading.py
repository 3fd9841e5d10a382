"""One way to read the table of a page: its columns, and the cells of its rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from ocr_extractor.engines.local.fields.table_columns import products
from ocr_extractor.engines.local.fields.table_page import (
    MONEY,
    is_number,
    joined,
    number_in,
    text_of,
    words_in,
)
from ocr_extractor.engines.local.fields.table_rows import titles_in
from ocr_extractor.engines.local.fields.table_spans import nearest
from ocr_extractor.ocr.words import union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.engines.local.fields.table_columns import Assignment, Column
    from ocr_extractor.engines.local.fields.table_page import Line, TablePage
    from ocr_extractor.engines.local.fields.table_titles import Kind
    from ocr_extractor.ocr.words import Word

_BY_PLACE = 0.5
"""Evidence that type and place alone do not reach."""

_LEAST_ROOM = 0.4
"""Part of its room that the longest line of a text column fills, if lines are broken there."""

_NEXT_LINE = 0.6
"""White space, in text heights, up to which a text goes on in the next line."""

_NOTE = re.compile(
    r"^\W*(?:art(?:ikel)?|item|r[eé]f|s/?n|lot|ean|gtin|sku|code|charge|batch|serial|serie|model|"
    r"part|mat|hs|upc|isbn|best|kd|your|ihre|votre)\b.*\d{3}",
    re.IGNORECASE,
)
"""A line below a text that says a number of the article."""


@dataclass(frozen=True)
class Cell:
    """The text of a member in a row.

    Attributes:
        text: As it is printed, not empty.
        box: Where it stands, px.
        score: Part of the evidence that agrees, [0, 1].
    """

    text: str
    box: Box
    score: float


@dataclass(frozen=True)
class Reading:
    """One way to read a page's table.

    Attributes:
        page: The page.
        kinds: What a column may hold, the members first.
        lines: The page's lines of cells.
        anchors: The lines that have the numbers of a row each.
        spans: Left and right of each column, px.
        columns: What stands in them.
        found: What they hold.
        begin: The first line below the titles.
    """

    page: TablePage
    kinds: Sequence[Kind]
    lines: Sequence[Line]
    anchors: Sequence[int]
    spans: Sequence[tuple[int, int]]
    columns: Sequence[Column]
    found: Assignment
    begin: int

    @cached_property
    def worth(self) -> float:
        """The evidence of the members' columns, more for more rows; 0 for too little."""
        members = [at for at in self.found.columns if self.kinds[at].field is not None]
        asked = sum(kind.field is not None for kind in self.kinds)
        roles = {self.kinds[at].role for at in self.found.columns}
        is_text = any(kind.role == "description" for kind in self.kinds)
        if len(members) < min(2, asked) or 2 * len(members) < asked:
            return 0.0
        # Taxes by their rates are no items.
        if "tax amount" in roles and not roles & {"quantity", "unit_price"}:
            return 0.0
        if is_text and "description" not in roles and len(members) < 3:
            return 0.0
        titled = sum(self.found.evidence[at] > _BY_PLACE for at in members)
        if any(column.title for column in self.columns) and titled < min(2, asked):
            return 0.0
        known = sum(self.found.evidence[at] for at in members)
        sums = 0.0 if np.isnan(self.found.sums) else self.found.sums
        return known + 0.3 * sums + 0.1 * float(np.log1p(len(self.anchors)))

    def continues(self, at: int) -> bool:
        """Tell whether a line below a sum has a cell in each column that all rows fill."""
        if self.lines[at].is_total:
            return False
        met = [(nearest(run.left, run.right, self.spans), run) for run in self.lines[at].runs]
        for place, column in enumerate(self.columns):
            left, right = column.span
            here = [run for of, run in met if of == place and run.left < right and run.right > left]
            if np.isfinite(column.numbers).all():
                here = [run for run in here if is_number(run, self.page)]
            if len(column.filled) == len(self.anchors) and not here:
                return False
        return True

    def rows(self, asked: int) -> list[dict[str, Cell | None]]:
        """Return the rows, each with the first `asked` kinds, which are the members."""
        if not self.worth:
            return []
        holds = self.holds
        rows = []
        for at in range(len(self.anchors)):
            row: dict[str, Cell | None] = {}
            for place, kind in enumerate(self.kinds[:asked]):
                if kind.field is not None:
                    row[kind.field.name] = self._cell(place, at, holds[at])
            rows.append(row)
        return rows

    @cached_property
    def holds(self) -> list[float]:
        """Return how sure each row is: whether its numbers agree."""
        roles = {kind.role: self.found.columns.get(at) for at, kind in enumerate(self.kinds)}
        trio = [roles.get(role) for role in ("quantity", "unit_price", "amount")]
        if None in trio:
            return [0.85] * len(self.anchors)
        numbers = [self.columns[at].numbers for at in trio if at is not None]
        known = np.isfinite(numbers).all(axis=0)
        sure = np.where(known, np.where(products(*numbers), 1.0, 0.6), 0.8)
        return [float(each) for each in sure]

    def _cell(self, place: int, at: int, sure: float) -> Cell | None:
        column = self.found.columns.get(place)
        kind = self.kinds[place]
        if column is None and (kind.role != "description" or self._layout != "above"):
            return None
        words = self._words(self.lines[self.anchors[at]], column)
        if kind.is_numeric:
            words = number_in(words, self.page)
        elif kind.role == "description":
            above, below = self._blocks[at]
            upper, lower = ([self._words(line, column) for line in each] for each in (above, below))
            words = self._text([*upper, words, *lower], column)
        if not words:
            return None
        text = joined(words)
        evidence = min(1.0, self.found.evidence.get(place, 0.5)) * sure
        return Cell(text, union(word.box for word in words), round(evidence, 4))

    def _words(self, line: Line, column: int | None) -> list[Word]:
        """Return the words of a line in a column; without one all, if none is a number."""
        if column is not None:
            return words_in(line, self.spans, column)
        words = [word for run in line.runs for word in run.words]
        return [] if any(MONEY.search(word.text) for word in words) else words

    @cached_property
    def _text_column(self) -> int | None:
        return next(
            (
                self.found.columns.get(at)
                for at, kind in enumerate(self.kinds)
                if kind.role == "description"
            ),
            None,
        )

    @cached_property
    def _layout(self) -> Literal["below", "above", "centred"]:
        """Where the lines of a text stand: from that of its numbers on, above it, or around it."""
        at = self._text_column
        own = 0 if at is None else len(self.columns[at].filled)
        above = self._count_close(range(self.anchors[0], self.begin - 1, -1))
        below = self._count_close(range(self.anchors[-1], len(self.lines)))
        if 2 * own < len(self.anchors):
            return "centred" if below else "above"
        if above and (own < len(self.anchors) or above == below):
            return "centred"
        return "centred" if self._overlaps() else "below"

    def _overlaps(self) -> bool:
        """Tell whether a text stands half a line above its numbers."""
        return any(
            at and self.lines[at].box[1] < self.lines[at - 1].box[3] - 0.2 * self.page.height
            for at in self.anchors[1:]
            if at - 1 not in self.anchors and self._words(self.lines[at - 1], self._text_column)
        )

    def _count_close(self, numbers: Sequence[int]) -> int:
        """Count the lines that follow the first of some, close, and have a text in its column."""
        for count, (before, number) in enumerate(pairwise(numbers)):
            upper, lower = sorted((number, before))
            gap = self.lines[lower].box[1] - self.lines[upper].box[3]
            line = self.lines[number]
            words = self._words(line, self._text_column)
            if line.is_total or gap > 0.7 * self.page.height or not words:
                return count
        return max(0, len(numbers) - 1)

    @cached_property
    def _blocks(self) -> list[tuple[list[Line], list[Line]]]:
        """For each row the lines above and below that of its numbers that may be of its text."""
        blocks: list[tuple[list[Line], list[Line]]] = [([], []) for _ in self.anchors]
        edges = [self.begin - 1, *self.anchors, len(self.lines)]
        for place, (before, after) in enumerate(pairwise(edges)):
            upper, lower = place - 1, place
            free = range(before + 1, after)
            split = after
            if self._layout == "above":
                split = before + 1
            elif self._layout == "centred" and upper >= 0 and lower < len(self.anchors):
                middle = sum(
                    self.lines[each].box[1] + self.lines[each].box[3] for each in (before, after)
                )
                split = next(
                    (at for at in free if 2 * sum(self.lines[at].box[1::2]) >= middle), after
                )
            elif upper < 0:
                split = after if self._layout == "below" else before + 1
            if upper >= 0:
                blocks[upper][1].extend(self._run_of(range(before, split)))
            if lower < len(self.anchors):
                above = self._run_of(range(after, split - 1, -1))
                blocks[lower][0].extend(reversed(above))
        return blocks

    @cached_property
    def _text_end(self) -> int:
        """Where the longest line of all texts ends, px."""
        lines = [self.lines[at] for at in self.anchors]
        lines += [line for block in self._blocks for part in block for line in part]
        words = [word for line in lines for word in self._words(line, self._text_column)]
        return max((word.box[2] for word in words), default=0)

    def _run_of(self, numbers: Sequence[int]) -> list[Line]:
        """Return the lines that follow the first of some without a gap, a sum or titles."""
        found = []
        for before, number in pairwise(numbers):
            upper, lower = sorted((number, before))
            gap = self.lines[lower].box[1] - self.lines[upper].box[3]
            line = self.lines[number]
            if line.is_total or gap > 1.2 * self.page.height or titles_in(line, self.kinds):
                break
            found.append(line)
        return found

    def _text(self, parts: Sequence[list[Word]], column: int | None) -> list[Word]:
        """Return a text of several lines: one goes on where the line above it is full."""
        parts = [part for part in parts if part]
        if column is None:
            return parts[-1] if parts else []
        left = self.spans[column][0]
        room = self.spans[column + 1][0] if column + 1 < len(self.spans) else self.page.width
        is_narrow = self._text_end - left < _LEAST_ROOM * (room - left)
        words: list[Word] = []
        for part in parts:
            first = part[0]
            if abs(first.box[0] - left) > 2 * self.page.height:
                break
            if words:
                end = max(word.box[2] for word in words if word.line == words[-1].line)
                needed = end + first.box[2] - first.box[0] + 0.3 * self.page.height
                needed += 2 * self.page.height if first.text[0].islower() else 0
                full = needed > self._text_end and not is_narrow
                says = text_of(part)
                is_apart = first.box[1] - words[-1].box[3] > _NEXT_LINE * self.page.height
                if is_apart or not full or ":" in says[:20] or _NOTE.search(says):
                    break
            words += part
        return words
