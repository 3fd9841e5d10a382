"""Rows of tables without an LLM: from the words of a page to the line items that a schema names."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from statistics import median
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from ocr_extractor.engines.base import Evidence
from ocr_extractor.engines.local.fields.columns import (
    Assignment,
    Column,
    Kind,
    Run,
    assign,
    find_spans,
    fold_title,
    kinds_of,
    match_spans,
    nearest,
    products,
    to_number,
)
from ocr_extractor.fields.raw_tree import cell_path, tables
from ocr_extractor.ocr.segments import is_sideways
from ocr_extractor.ocr.text_shapes import has_digits
from ocr_extractor.ocr.words import union

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.fields.number_text import DecimalSign
    from ocr_extractor.fields.raw_tree import RawTree
    from ocr_extractor.fields.schema import Schema, Table
    from ocr_extractor.ocr.words import Word

_SPLIT = 0.8
"""White space, in text heights, that separates cells; between two OCR lines it may be half."""

_HEADS_READ = 4
"""Rows of titles that are looked at closely on a page."""

_TITLE_WORDS = 8
"""A cell of more words is no title, nor several ones that stand close."""

_TITLED = 75.0
"""Likeness, [0, 100], from which a text is the title of a column."""

_BY_PLACE = 0.5
"""Evidence that type and place alone do not reach."""

_SUPPORT = 0.6
"""Part of the numeric columns that a row must fill to be one."""

_DECIMALS = re.compile(r"\d([.,])\d{2}(?!\d)")
_MONEY = re.compile(r"\d[.,]\d{2}(?!\d)")
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

_TIMES = {"x", "X", "*", "@", "×", "à", "a"}  # noqa: RUF001 - printed so

_TOTAL = re.compile(
    r"^\W*\w*(?:summe|betrag|beitrag)\b|^\W*(?:(?:sub|grand|net|gross|order|invoice)[\s-]?)?total|^\W*(?:zwischen|gesamt|end|netto|"
    r"brutto|rechnungs|waren|zahl)?-?(?:summe|betrag|wert)\b|^\W*gesamt|^\W*(?:sous|sub)[\s-]?total"
    r"|^\W*(?:total|totale|totaal|summe|sum|suma|somme)\b|^\W*montant|^\W*importe\b|^\W*base\b|"
    r"^\W*(?:zzgl|inkl|enth|plus|incl|davon|dont|including)\b.*(?:st|vat|tax|tva|iva)|"
    r"^\W*(?:mwst|ust|umsatzsteuer|mehrwertsteuer|vat|tax|sales tax|gst|tva|t\.v\.a|iva|btw|"
    r"steuer)\b|^\W*versicherungs?teuer|^\W*(?:net|netto|brutto|gross)\b|(?:amount|balance|total)\s+(?:due|payable)|"
    r"^\W*(?:net\s+)?(?:à|a)\s+payer|^\W*zahlbetrag|^\W*zu zahlen|^\W*(?:change|cash|paid|bar|"
    r"gegeben|rückgeld|espèces|rendu|rounding)\b|^\W*carr(?:y|ied)|brought\s*forward|"
    r"^\W*balance\s*forward|(?:ü|u|ue)bertrag|(?:à|a)\s+reporter|^\W*report\b|riporto|"
    r"suma\s+(?:y\s+sigue|anterior)|^\W*transport\s*:?\s*$|^\W*skonto",
    re.IGNORECASE,
)
"""How a row begins that is a sum, a tax or carried over."""


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


def read_table(words: Sequence[Word], table: Table) -> list[dict[str, Cell | None]]:
    """Read the rows of a table on a page.

    Sums, taxes, what is carried over and titles are no rows. Each way to read the page, below each
    row of titles and without titles, is worth what its columns have of evidence; the best one
    counts.

    Args:
        words: The page's words.
        table: What a row holds.

    Returns:
        For each row the cell of every member, None where it has none; nothing where the page has
        no such table.
    """
    page = _Page(words)
    if not page.lines:
        return []
    kinds = kinds_of(table.columns)
    readings = [
        reading
        for head in (*_find_heads(page, kinds), None)
        if (reading := _read(page, kinds, head)) is not None
    ]
    best = max(readings, key=lambda each: each.worth, default=None)
    return [] if best is None else best.rows(len(table.columns))


def fill_tables(schema: Schema, words: Sequence[Word], tree: RawTree) -> dict[str, Evidence]:
    """Put the rows of a page's tables into its tree.

    Args:
        schema: The fields.
        words: The page's words.
        tree: Of the schema's shape.

    Returns:
        Where each cell stands, px of the words, and how sure it is.
    """
    evidence = {}
    for table in tables(schema):
        rows = read_table(words, table)
        tree[table.name] = [
            {name: cell and cell.text for name, cell in row.items()} for row in rows
        ]
        for at, row in enumerate(rows):
            for column in table.columns:
                if cell := row[column.name]:
                    evidence[cell_path(table, at, column)] = Evidence(cell.box, cell.score)
    return evidence


@dataclass(frozen=True)
class _Line:
    """What stands beside each other on a page."""

    runs: tuple[Run, ...]
    box: Box

    @property
    def text(self) -> str:
        return " ".join(run.text for run in self.runs)

    @property
    def says(self) -> str:
        """Its first text with letters, as sums and taxes begin."""
        return next((run.text for run in self.runs if any(map(str.isalpha, run.text))), "")

    @property
    def is_total(self) -> bool:
        return any(_TOTAL.search(run.text) for run in self.runs[:3])


class _Page:
    """A page's lines of cells, from top to bottom."""

    def __init__(self, words: Sequence[Word]) -> None:
        by_line: dict[int, list[Word]] = {}
        for word in words:
            by_line.setdefault(word.line, []).append(word)
        level = [word for line in by_line.values() if not is_sideways(line) for word in line]
        self.height = median([word.box[3] - word.box[1] for word in level]) if level else 1.0
        self.width = max((word.box[2] for word in level), default=0) + 1
        signs = Counter(sign for word in level for sign in _DECIMALS.findall(word.text))
        self.decimal: DecimalSign | None = None
        if signs:
            self.decimal = "," if signs[","] >= signs["."] else "."
        self.lines = [self._line(row) for row in self._rows(level)]

    def _rows(self, words: Sequence[Word]) -> list[list[Word]]:
        """Return the words of each row; a word stands where its nearest neighbour does."""
        rows: list[list[Word]] = []
        for word in sorted(words, key=lambda word: (word.box[1] + word.box[3], word.box[0])):
            for row in reversed(rows[-4:]):
                near = min(row, key=lambda other: _gap(other, word))
                off = abs(near.box[1] + near.box[3] - word.box[1] - word.box[3])
                if off < 0.8 * self.height and _gap(near, word) > -0.3 * self.height:
                    row.append(word)
                    break
            else:
                rows.append([word])
        return rows

    def _line(self, words: Sequence[Word]) -> _Line:
        in_order = sorted(words, key=lambda word: word.box[0])
        return _Line(tuple(self._cut(in_order)), union(word.box for word in words))

    def _cut(self, words: Sequence[Word]) -> Iterator[Run]:
        cell: list[Word] = []
        for word in words:
            if cell and (self._is_apart(cell[-1], word) or self._is_next(cell, word)):
                yield _run(cell)
                cell = []
            cell.append(word)
        if cell:
            yield _run(cell)

    def _is_apart(self, left: Word, right: Word) -> bool:
        gap = right.box[0] - left.box[2]
        both = _MONEY.search(left.text) and _MONEY.search(right.text)
        close = both or left.line != right.line or right.walled
        return gap > _SPLIT * self.height / (2 if close else 1)

    def _is_next(self, cell: Sequence[Word], word: Word) -> bool:
        """Tell whether a number follows another one, of which it is no part."""
        return (
            np.isfinite(self.number(word.text))
            and np.isfinite(self.number(_text(cell)))
            and not np.isfinite(self.number(f"{_text(cell)} {word.text}"))
        )

    def number(self, text: str) -> float:
        """Return the number that a text is, NaN for none."""
        return to_number(text, self.decimal)

    @cached_property
    def numbered(self) -> list[_Line]:
        """Its lines with each number in a cell of its own."""
        return [_Line(tuple(self._single(line)), line.box) for line in self.lines]

    def _single(self, line: _Line) -> Iterator[Run]:
        for run in line.runs:
            part: list[Word] = []
            for word in run.words:
                is_times = word.text in _TIMES
                is_unit = len(part) == 1 and np.isfinite(self.number(f"{part[0].text} {word.text}"))
                is_number = np.isfinite(self.number(word.text))
                ends = part and np.isfinite(self.number(_text(part))) and not is_unit
                if part and (is_times or (is_number and not is_unit) or ends):
                    yield _run(part)
                    part = []
                if not is_times:
                    part.append(word)
            if part:
                yield _run(part)


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def _gap(word: Word, other: Word) -> int:
    """Return the white space between two words of a row, px; negative where they overlap."""
    return max(word.box[0], other.box[0]) - min(word.box[2], other.box[2])


def _run(words: Sequence[Word]) -> Run:
    box = union(word.box for word in words)
    return Run(tuple(words), box[0], box[2])


@dataclass(frozen=True)
class _Head:
    """The titles above a table: lines `first` to `last`, inclusive."""

    first: int
    last: int
    worth: float


def _find_heads(page: _Page, kinds: Sequence[Kind]) -> list[_Head]:
    """Return the lines that are titles of columns, the best first."""
    scored = []
    for at, line in enumerate(page.lines):
        worth = _titles(line, kinds)
        if worth:
            scored.append((worth, at))
    heads = []
    for worth, at in sorted(scored, reverse=True)[:_HEADS_READ]:
        first = at - 1 if at and _may_join(page, at - 1, at) else at
        last = at
        while last - at < 2 and last + 1 < len(page.lines) and _may_join(page, last, last + 1):
            last += 1
        blocks = {(at, at), (at, last), (first, last), (at, min(last, at + 1)), (first, at)}
        heads += [_Head(*block, worth) for block in sorted(blocks)]
    return heads


def _may_join(page: _Page, upper: int, lower: int) -> bool:
    """Tell whether two lines may be titles together: close, and without numbers."""
    above, below = page.lines[upper], page.lines[lower]
    return below.box[1] - above.box[3] < 0.8 * page.height and not any(
        _MONEY.search(run.text) or np.isfinite(page.number(run.text))
        for line in (above, below)
        for run in line.runs
    )


def _titles(line: _Line, kinds: Sequence[Kind]) -> float:
    """Return how much a line is a row of titles; 0 for not at all."""
    if len(line.runs) < 2 and len(line.text.split()) < 3:
        return 0.0
    if any(_MONEY.search(run.text) or len(run.words) > _TITLE_WORDS for run in line.runs):
        return 0.0
    texts = []
    for run in line.runs:
        whole = fold_title(run.text)
        words = [fold_title(word.text) for word in run.words]
        if len(words) > 1 and max(kind.likeness(whole) for kind in kinds) < _TITLED:
            texts += words
        else:
            texts.append(whole)
    likeness = np.array([[kind.likeness(text) for text in texts] for kind in kinds])
    likeness[likeness < _TITLED] = 0
    rows, columns = linear_sum_assignment(likeness, maximize=True)
    found = [
        (likeness[at], kinds[at[0]])
        for at in zip(rows.tolist(), columns.tolist(), strict=True)
        if likeness[at]
    ]
    members = [kind for _, kind in found if kind.field is not None]
    numeric = any(kind.is_numeric for kind in kinds if kind.field is not None)
    if len(found) < 2 or not any(kind.is_numeric or not numeric for kind in members):
        return 0.0
    return float(sum(worth * (0.5 if kind.field is None else 1) for worth, kind in found)) / 100


@dataclass(frozen=True)
class _Reading:
    """One way to read a page's table."""

    page: _Page
    kinds: Sequence[Kind]
    lines: Sequence[_Line]
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
                here = [run for run in here if _is_number(run, self.page)]
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
            words = _number_in(words, self.page)
        elif kind.role == "description":
            above, below = self._blocks[at]
            parts = (
                [self._words(line, column) for line in above],
                [self._words(line, column) for line in below],
            )
            words = self._joined([*parts[0], words, *parts[1]], column)
        if not words:
            return None
        text = _joined(words)
        evidence = min(1.0, self.found.evidence.get(place, 0.5)) * sure
        return Cell(text, union(word.box for word in words), round(evidence, 4))

    def _words(self, line: _Line, column: int | None) -> list[Word]:
        """Return the words of a line in a column; without one all, if none is a number."""
        if column is not None:
            return _words_in(line, self.spans, column)
        words = [word for run in line.runs for word in run.words]
        return [] if any(_MONEY.search(word.text) for word in words) else words

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
    def _blocks(self) -> list[tuple[list[_Line], list[_Line]]]:
        """For each row the lines above and below that of its numbers that may be of its text."""
        blocks: list[tuple[list[_Line], list[_Line]]] = [([], []) for _ in self.anchors]
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

    def _run_of(self, numbers: Sequence[int]) -> list[_Line]:
        """Return the lines that follow the first of some without a gap or a sum."""
        found = []
        for before, number in pairwise(numbers):
            upper, lower = sorted((number, before))
            gap = self.lines[lower].box[1] - self.lines[upper].box[3]
            if self.lines[number].is_total or gap > 1.2 * self.page.height:
                break
            found.append(self.lines[number])
        return found

    def _joined(self, parts: Sequence[list[Word]], column: int | None) -> list[Word]:
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
                says = " ".join(word.text for word in part)
                is_apart = first.box[1] - words[-1].box[3] > _NEXT_LINE * self.page.height
                if is_apart or not full or ":" in says[:20] or _NOTE.search(says):
                    break
            words += part
        return words


def _words_in(line: _Line, spans: Sequence[tuple[int, int]], column: int) -> list[Word]:
    """Return the words of a line that stand in a column."""
    found = []
    for run in line.runs:
        for words in _split_over(run, spans):
            box = union(word.box for word in words)
            if nearest(box[0], box[2], spans) == column:
                found += words
    return found


def _split_over(run: Run, spans: Sequence[tuple[int, int]]) -> list[list[Word]]:
    """Return a run's words together, or each alone where they stand in several columns."""
    met = {
        at
        for word in run.words
        for at, (left, right) in enumerate(spans)
        if 2 * (min(word.box[2], right) - max(word.box[0], left)) > word.box[2] - word.box[0]
    }
    return [[word] for word in run.words] if len(met) > 1 else [list(run.words)]


def _number_in(words: Sequence[Word], page: _Page) -> list[Word]:
    """Return the longest part of a cell that is a number."""
    for length in range(min(len(words), 5), 0, -1):
        for start in range(len(words) - length + 1):
            part = list(words[start : start + length])
            if np.isfinite(page.number(" ".join(word.text for word in part))):
                return part
    return []


def _read(page: _Page, kinds: Sequence[Kind], head: _Head | None) -> _Reading | None:
    """Read a page below some titles, or where its numbers agree."""
    later: list[int] = []
    if head is None:
        lines, begin = page.numbered, 0
        anchors = _agreeing(page) or _summed(page)
    else:
        lines, begin = page.lines, head.last + 1
        anchors, later = _below(page, kinds, head)
    reading = None
    while anchors:
        lines = _aligned(page, _gathered(page, lines, anchors), anchors)
        reading = _assigned(page, kinds, lines, anchors, head, begin)
        kept = _own(reading)
        if kept == anchors:
            break
        anchors = kept
    if not anchors or reading is None:
        return None
    if head is None:
        later = sorted({*range(anchors[0], _end(page, anchors[-1]))} - {*anchors})
    if more := [at for at in later if reading.continues(at)]:
        reading = _assigned(
            page,
            kinds,
            _aligned(page, _gathered(page, lines, more), more),
            sorted([*anchors, *more]),
            head,
            begin,
        )
    return reading


def _end(page: _Page, last: int) -> int:
    """Return the first line below another one that is a sum."""
    sums = (at for at in range(last + 1, len(page.lines)) if page.lines[at].is_total)
    return next(sums, len(page.lines))


def _gathered(page: _Page, lines: Sequence[_Line], anchors: Sequence[int]) -> list[_Line]:
    """Return the lines, a row's with its numbers that stand up to a line higher or lower."""
    own = {*anchors}
    gathered = list(lines)
    for at in anchors:
        middle = sum(lines[at].box[1::2])
        for near in (at - 1, at + 1):
            if near in own or not 0 <= near < len(lines):
                continue
            if abs(sum(lines[near].box[1::2]) - middle) < 2 * page.height:
                added = [
                    run
                    for run in lines[near].runs
                    if _MONEY.search(run.text)
                    and _is_number(run, page)
                    and not any(
                        run.left < other.right and other.left < run.right
                        for other in gathered[at].runs
                    )
                ]
                runs = sorted([*gathered[at].runs, *added], key=lambda run: run.left)
                gathered[at] = _Line(tuple(runs), gathered[at].box)
    return gathered


def _aligned(page: _Page, lines: Sequence[_Line], anchors: Sequence[int]) -> list[_Line]:
    """Return the lines with cells cut where a number stands below or above other numbers."""
    alone = [
        (run.left, run.right)
        for at in anchors
        for run in lines[at].runs
        if np.isfinite(page.number(run.text))
    ]
    ends = [
        (run.words[-1].box[0], run.right)
        for at in anchors
        for run in lines[at].runs
        if len(run.words) > 1 and np.isfinite(page.number(run.words[-1].text))
    ]
    near = 0.4 * page.height

    def is_below(word: Word, others: Sequence[tuple[int, int]], *, right_end: bool) -> bool:
        same = sum(
            abs(word.box[2] - right) < near or (abs(word.box[0] - left) < near and not right_end)
            for left, right in others
        )
        return same > 1 and bool(np.isfinite(page.number(word.text)))

    def is_cut(left: Word, right: Word, *, last: bool, whole: bool) -> bool:
        if is_below(left, alone, right_end=whole) and left.box[2] < right.box[0]:
            return any(map(str.isdigit, right.text))
        if not any(map(str.isalpha, left.text)):
            return False
        return last and is_below(right, [*alone, *ends], right_end=False)

    cut = list(lines)
    for at in anchors:
        runs: list[Run] = []
        for run in lines[at].runs:
            part = [run.words[0]]
            # A space may separate thousands.
            whole = np.isfinite(page.number(run.text))
            for place, (left, right) in enumerate(pairwise(run.words)):
                if is_cut(left, right, last=place == len(run.words) - 2, whole=bool(whole)):
                    runs.append(_run(part))
                    part = []
                part.append(right)
            runs.append(_run(part))
        cut[at] = _Line(tuple(runs), lines[at].box)
    return cut


def _assigned(
    page: _Page,
    kinds: Sequence[Kind],
    lines: Sequence[_Line],
    anchors: Sequence[int],
    head: _Head | None,
    begin: int,
) -> _Reading:
    spans = find_spans([lines[at].runs for at in anchors], page.height, page.width)
    spans = sorted([*spans, *_empty(page, kinds, head, spans)])
    titles = _titles_over(page, head, spans)
    columns = []
    for at, span in enumerate(spans):
        cells = [_words_in(lines[anchor], spans, at) for anchor in anchors]
        numbers = [
            page.number(" ".join(word.text for word in _number_in(words, page))) for words in cells
        ]
        texts = tuple(_text(words) for words in cells)
        columns.append(Column(span, titles[at], texts, np.array(numbers)))
    below = frozenset(
        round(number, 2)
        for line in page.lines[anchors[-1] + 1 :]
        for run in line.runs
        if np.isfinite(number := page.number(run.text))
    )
    return _Reading(
        page, kinds, lines, anchors, spans, columns, assign(kinds, columns, below), begin
    )


def _empty(
    page: _Page, kinds: Sequence[Kind], head: _Head | None, spans: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return where a text column has a title and nothing on the lines of the numbers, px."""
    text = next((kind for kind in kinds if kind.role == "description"), None)
    if head is None or text is None:
        return []
    return [
        (run.left, run.right)
        for line in page.lines[head.first : head.last + 1]
        for run in line.runs
        if text.likeness(fold_title(run.text)) >= _TITLED
        and not any(left < run.right and right > run.left for left, right in spans)
    ]


def _titles_over(page: _Page, head: _Head | None, spans: Sequence[tuple[int, int]]) -> list[str]:
    """Return the folded title above each column."""
    if head is None:
        return [""] * len(spans)
    runs = [
        _run(words)
        for line in page.lines[head.first : head.last + 1]
        for run in line.runs
        for words in _split_over(run, spans)
    ]
    cells = find_spans([[run] for run in runs], page.height, page.width, least=1)
    over = match_spans(cells, spans)
    titles: list[list[Word]] = [[] for _ in spans]
    for run in runs:
        titles[over[nearest(run.left, run.right, cells)]] += run.words
    return [fold_title(_joined(words)) if words else "" for words in titles]


def _joined(words: Sequence[Word]) -> str:
    """Return the text of words; one that is broken at the end of a line is put together."""
    text = ""
    for before, word in zip((None, *words), words, strict=False):
        is_broken = before is not None and before.box[3] <= (word.box[1] + word.box[3]) / 2
        if is_broken and re.search(r"[^\W\d]-$", text) and word.text[0].islower():
            text = text[:-1] + word.text
        elif is_broken and (text.endswith("-") or re.match(r"-[^\W\d]", word.text)):
            text += word.text
        else:
            text = f"{text} {word.text}".lstrip()
    return text


def _below(page: _Page, kinds: Sequence[Kind], head: _Head) -> tuple[list[int], list[int]]:
    """Return the lines below some titles that fill most of the numeric columns.

    Returns:
        Those above the first sum, and those below it.
    """
    block = [line.runs for line in page.lines[head.first : head.last + 1]]
    spans = find_spans(block, page.height, page.width)
    numeric, money = set(), set()
    for at, title in enumerate(_titles_over(page, head, spans)):
        best = max(kinds, key=lambda kind: kind.likeness(title))
        if title and (best.is_numeric or best.likeness(title) < _TITLED):
            numeric.add(at)
            if best.is_money:
                money.add(at)
    support: dict[int, int] = {}
    later: dict[int, int] = {}
    most = 0
    ended = False
    for number in range(head.last + 1, len(page.lines)):
        line = page.lines[number]
        met = [
            (nearest(run.left, run.right, spans), "%" in run.text)
            for run in line.runs
            if _is_number(run, page)
        ]
        if numeric:
            filled = {at for at, percent in met if at in numeric and not (percent and at in money)}
        else:
            filled = {nearest(run.left, run.right, spans) for run in line.runs}
        is_money = any(_MONEY.search(run.text) for run in line.runs)
        is_head = len(line.runs) > 2 and not any(has_digits(run.text) for run in line.runs)
        if line.is_total and (is_money or is_head) and len(filled) < max(most, 2):
            ended = ended or bool(support)
            continue
        if filled:
            (later if ended else support)[number] = len(filled)
        if not ended:
            most = max(most, len(filled))
    first, second = (
        [number for number, filled in each.items() if filled >= _SUPPORT * most]
        for each in (support, later)
    )
    return first, second


def _is_number(run: Run, page: _Page) -> bool:
    """Tell whether a cell is a number, or mostly one."""
    part = "".join(word.text for word in _number_in(run.words, page))
    return 2.5 * len(part) >= len(run.text)


def _agreeing(page: _Page) -> list[int]:
    """Return the lines on which one number times another is a third one."""
    found = []
    for at, line in enumerate(page.numbered):
        numbers = [page.number(run.text) for run in line.runs]
        known = [number for number in numbers if np.isfinite(number) and number]
        if len(known) < 3 or line.is_total:
            continue
        for first, second in combinations(known[:-1], 2):
            one = np.array([[first], [second], [known[-1]]])
            if products(*one).all():
                found.append(at)
                break
    if len(found) < 2:
        return []
    gaps = [lower - upper for upper, lower in pairwise(found)]
    return found if max(gaps) < 12 else []


def _summed(page: _Page) -> list[int]:
    """Return the lines of a text and an amount each whose sum is the total below them."""
    for at, line in enumerate(page.numbered):
        if not line.is_total or len(line.runs) < 2:
            continue
        total, end = page.number(line.runs[-1].text), line.runs[-1].right
        found: list[int] = []
        sum_ = 0.0
        for above in range(at - 1, -1, -1):
            *texts, amount = page.numbered[above].runs
            number = page.number(amount.text)
            if page.numbered[above].is_total or at - above > 40:
                break
            if abs(amount.right - end) > page.height or not _MONEY.search(amount.text):
                continue
            if not texts or not np.isfinite(number):
                break
            found.insert(0, above)
            sum_ += number
            if abs(sum_ - total) < 0.005 and total:
                return found
    return []


def _own(reading: _Reading) -> list[int]:
    """Return the lines of a reading that are rows: no sums, and with what the others have."""
    strong = []
    for place, at in reading.found.columns.items():
        kind, column = reading.kinds[place], reading.columns[at]
        if kind.is_numeric:
            percent = [kind.is_money and "%" in cell for cell in column.cells]
            filled_here = np.isfinite(column.numbers) & ~np.array(percent)
            if 2 * filled_here.sum() >= len(reading.anchors):
                strong.append(filled_here)
    kept = []
    sure = reading.holds
    for place, at in enumerate(reading.anchors):
        filled = sum(bool(column[place]) for column in strong)
        if not (reading.lines[at].is_total and sure[place] < 1) and filled >= _SUPPORT * len(
            strong
        ):
            kept.append(at)
    return kept
