"""A page as a table's rows need it: lines from top to bottom, cut into cells."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from ocr_extractor.engines.local.fields.table_spans import Run, nearest
from ocr_extractor.fields.number_text import parse_number
from ocr_extractor.ocr.segments import is_sideways
from ocr_extractor.ocr.words import union

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.fields.number_text import DecimalSign
    from ocr_extractor.ocr.words import Word

_SPLIT = 0.8
"""White space, in text heights, that separates cells; between two OCR lines it may be half."""

_DECIMALS = re.compile(r"\d([.,])\d{2}(?!\d)")

MONEY = re.compile(r"\d[.,]\d{2}(?!\d)")
"""What an amount has."""

_TIMES = {"x", "X", "*", "@", "×", "à", "a"}  # noqa: RUF001 - printed so

# A cash register and a bar stool are items, cash received is none.
_OF_MONEY = (
    r"\b(?=[\W\d]*(?:$|(?:eur|euro|usd|gbp|chf|rm|due|amount|amt|total|payable|price|value|sum|"
    r"tendered|received|given|paid|payment|back|by|in|on|ex|incl|excl|inkl|exkl|zzgl|betrag|summe|"
    r"wert|preis|imponible|ht|ttc|tax|vat|ust|mwst|steuer|net|netto|brutto|gross|invoice|order|"
    r"weight|gewicht|ec|karte|card|visa)\b))"
)
_TOTAL = re.compile(
    r"^\W*(?:"
    r"\w*(?:summe|betrag|beitrag|steuer)\b|(?:waren)?wert\b|gesamt|total|totale\b|totaal\b|sum\b|"
    r"suma\b|somme\b|montant|importe\b|(?:sub|grand|net|gross|order|invoice|sous)[\s-]?total|"
    r"(?:zzgl|inkl|enth|plus|incl|davon|dont|including)\b.*(?:st|vat|tax|tva|iva)|"
    r"(?:mwst|ust|vat|tax|sales tax|gst|tva|t\.v\.a|iva|btw)\b|versicherungs?teuer|"
    rf"(?:net|netto|brutto|gross|base|change|cash|paid|bar|report){_OF_MONEY}|"
    r"(?:net\s+)?[àa]\s+payer|zu zahlen|skonto|(?:gegeben|rückgeld|espèces|rendu|rounding)\b|"
    r"carr(?:y|ied)|balance\s*forward|transport\s*:?\s*$)"
    r"|(?:amount|balance|total)\s+(?:due|payable)|brought\s*forward|(?:ü|u|ue)bertrag|"
    r"[àa]\s+reporter|riporto|suma\s+(?:y\s+sigue|anterior)",
    re.IGNORECASE,
)
"""How a row begins that is a sum, a tax or carried over."""


@dataclass(frozen=True)
class Line:
    """What stands beside each other on a page.

    Attributes:
        runs: Its cells, from left to right.
        box: Around them, px.
    """

    runs: tuple[Run, ...]
    box: Box

    @property
    def text(self) -> str:
        """Its words."""
        return " ".join(run.text for run in self.runs)

    @property
    def is_total(self) -> bool:
        """Whether it begins as a sum, a tax or what is carried over does."""
        return any(_TOTAL.search(run.text) for run in self.runs[:3])


class TablePage:
    """A page's lines of cells.

    Attributes:
        height: Of a text line, px.
        width: Of the page, px.
        decimal: What separates decimals, None where no amount tells.
        lines: From top to bottom.
    """

    def __init__(self, words: Sequence[Word]) -> None:
        """Take the words of a page."""
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

    def _line(self, words: Sequence[Word]) -> Line:
        in_order = sorted(words, key=lambda word: word.box[0])
        return Line(tuple(self._cut(in_order)), union(word.box for word in words))

    def _cut(self, words: Sequence[Word]) -> Iterator[Run]:
        cell: list[Word] = []
        for word in words:
            if cell and (self._is_apart(cell[-1], word) or self._is_next(cell, word)):
                yield run_of(cell)
                cell = []
            cell.append(word)
        if cell:
            yield run_of(cell)

    def _is_apart(self, left: Word, right: Word) -> bool:
        gap = right.box[0] - left.box[2]
        both = MONEY.search(left.text) and MONEY.search(right.text)
        close = both or left.line != right.line or right.walled
        return gap > _SPLIT * self.height / (2 if close else 1)

    def _is_next(self, cell: Sequence[Word], word: Word) -> bool:
        """Tell whether a number follows another one, of which it is no part."""
        return (
            np.isfinite(self.number(word.text))
            and np.isfinite(self.number(text_of(cell)))
            and not np.isfinite(self.number(f"{text_of(cell)} {word.text}"))
        )

    def number(self, text: str) -> float:
        """Return the number that a text is, NaN for none."""
        return to_number(text, self.decimal)

    @cached_property
    def numbered(self) -> list[Line]:
        """Its lines with each number in a cell of its own."""
        return [Line(tuple(self._single(line)), line.box) for line in self.lines]

    def _single(self, line: Line) -> Iterator[Run]:
        for run in line.runs:
            part: list[Word] = []
            for word in run.words:
                is_times = word.text in _TIMES
                is_unit = len(part) == 1 and np.isfinite(self.number(f"{part[0].text} {word.text}"))
                is_number = np.isfinite(self.number(word.text))
                ends = part and np.isfinite(self.number(text_of(part))) and not is_unit
                if part and (is_times or (is_number and not is_unit) or ends):
                    yield run_of(part)
                    part = []
                if not is_times:
                    part.append(word)
            if part:
                yield run_of(part)


@lru_cache(maxsize=8192)
def to_number(text: str, decimal: DecimalSign | None) -> float:
    """Return the number that a text is, NaN for none."""
    if len(text) > 24 or not any(map(str.isdigit, text)):
        return float("nan")
    number = parse_number(text, decimal, "money" if "%" not in text else "number")
    return float("nan") if number is None else float(number)


def text_of(words: Sequence[Word]) -> str:
    """Return the text of words."""
    return " ".join(word.text for word in words)


def _gap(word: Word, other: Word) -> int:
    """Return the white space between two words of a row, px; negative where they overlap."""
    return max(word.box[0], other.box[0]) - min(word.box[2], other.box[2])


def run_of(words: Sequence[Word]) -> Run:
    """Return the cell that words are, from left to right, at least one."""
    box = union(word.box for word in words)
    return Run(tuple(words), box[0], box[2])


def words_in(line: Line, spans: Sequence[tuple[int, int]], column: int) -> list[Word]:
    """Return the words of a line that stand in a column."""
    found = []
    for run in line.runs:
        for words in split_over(run, spans):
            box = union(word.box for word in words)
            if nearest(box[0], box[2], spans) == column:
                found += words
    return found


def split_over(run: Run, spans: Sequence[tuple[int, int]]) -> list[list[Word]]:
    """Return a run's words together, or each alone where they stand in several columns."""
    met = {
        at
        for word in run.words
        for at, (left, right) in enumerate(spans)
        if 2 * (min(word.box[2], right) - max(word.box[0], left)) > word.box[2] - word.box[0]
    }
    return [[word] for word in run.words] if len(met) > 1 else [list(run.words)]


def number_in(words: Sequence[Word], page: TablePage) -> list[Word]:
    """Return the longest part of a cell that is a number."""
    for length in range(min(len(words), 5), 0, -1):
        for start in range(len(words) - length + 1):
            part = list(words[start : start + length])
            if np.isfinite(page.number(text_of(part))):
                return part
    return []


def is_number(run: Run, page: TablePage) -> bool:
    """Tell whether a cell is a number, or mostly one."""
    part = "".join(word.text for word in number_in(run.words, page))
    return 2.5 * len(part) >= len(run.text)


def joined(words: Sequence[Word]) -> str:
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
