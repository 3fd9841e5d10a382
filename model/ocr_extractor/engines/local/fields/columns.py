"""Columns of a table: where they stand on a page, and what each of them holds."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz import fuzz
from scipy.optimize import linear_sum_assignment

from ocr_extractor.fields.date_text import parse_date
from ocr_extractor.fields.locale_names import letters
from ocr_extractor.fields.number_text import parse_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ocr_extractor.fields.number_text import DecimalSign
    from ocr_extractor.fields.schema import Field
    from ocr_extractor.ocr.words import Word

_HEADS: Mapping[str, str] = {
    "position": "pos|position|nr|no|lfd nr|#|line|line no|ligne|n°|item no|zeile|riga|linea",
    "article": "article number|article no|item number|item code|part number|part no|sku|code|ref|"
    "reference|product code|artikelnummer|artikelnr|art nr|artnr|material|materialnummer|"
    "bestellnummer|ean|gtin|référence|réf|code article|referencia|código|codice|artikel nr",
    "description": "description|desc|bez|item|items|item description|product|product name|article|service|"
    "details|particulars|name|text|beschreibung|bezeichnung|artikel|artikelbezeichnung|"
    "artikelbeschreibung|leistung|produkt|produktbezeichnung|ware|gegenstand|leistungsbeschreibung|"
    "désignation|libellé|produit|prestation|article désignation|descripción|concepto|producto|"
    "artículo|descrizione|prodotto|omschrijving|descrição",
    "quantity": "quantity|qty|qty ordered|units|hours|hrs|pieces|pcs|count|menge|anzahl|stück|"
    "stk|stunden|std|liefermenge|quantité|qté|qte|nombre|nb|cantidad|cant|unidades|quantità|"
    "q tà|aantal|quantidade|qtd",
    "unit": "unit|uom|unit of measure|einheit|me|mengeneinheit|eh|unité|unidad|ud|unità|eenheid",
    "unit_price": "unit price|price|price each|each|rate|unit cost|cost|price per unit|einzelpreis|"
    "preis|e preis|ep|einzel|stückpreis|preis je einheit|preis einheit|nettopreis|einzelbetrag|"
    "einheitspreis|stundensatz|prix unitaire|prix|pu|p u|pu ht|prix unitaire ht|prix unit|"
    "precio unitario|precio|precio ud|prezzo unitario|prezzo|prijs|preço unitário",
    "discount": "discount|disc|rebate|rabatt|nachlass|rab|remise|descuento|dto|sconto|korting",
    "tax rate": "tax rate|vat rate|vat|tax|gst|vat percent|mwst|mwst satz|ust|ust satz|steuersatz|"
    "steuer|umsatzsteuer|tva|taux|taux tva|taux de tva|iva|btw",
    "tax amount": "tax amount|vat amount|steuerbetrag|mwst betrag|ust betrag|montant tva|cuota iva|"
    "importe iva",
    "amount": "amount|total|line total|net amount|total price|extended|extended price|ext price|"
    "subtotal|sum|value|betrag|gesamt|gesamtpreis|gesamtbetrag|summe|wert|netto|nettobetrag|"
    "betrag netto|gesamt netto|g preis|gp|positionsbetrag|warenwert|montant|montant ht|total ht|"
    "prix total|entgelt|importe|total neto|importo|totale|bedrag|totaal|valor",
    "gross": "gross|gross amount|amount incl vat|total incl vat|brutto|bruttobetrag|gesamt brutto|"
    "ttc|montant ttc|total ttc|importe con iva",
    "date": "date|datum|leistungsdatum|lieferdatum|delivery date|fecha|data",
}
"""What is printed above a column that line items often have, by what it holds."""

_NUMERIC = {"quantity", "unit_price", "discount", "tax rate", "tax amount", "amount", "gross"}

_NOISE = re.compile(r"\(.*?\)|\b(?:in\s+)?(?:eur|euro|usd|gbp|chf)\b|[€$£%]|\bin\b", re.IGNORECASE)
"""What a column's title says of its currency and unit."""

_ALIKE = 75.0
"""Likeness, [0, 100], from which a printed title is that of a column."""

_OWN_WORDS = 0.97
"""What a common title is worth against one that the schema has."""

_HEAD, _TYPE, _SUMS, _PLACE = 0.45, 0.25, 0.2, 0.1
"""What title, type, arithmetic and place tell of a column; together 1."""

_LEAST = 0.4
"""Evidence from which a column holds a member."""

_RAGGED = 0.6
"""Part of the rows that must have several cells in a stripe for it to be several columns."""

_TITLE_WORDS = 5
_DATE_LIKE = re.compile(r"\d[./-]\d|\d\s?[^\W\d_]{3}")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a column may hold: a member of the schema, or something else that tables have.

    Attributes:
        role: Its key in the common titles, "" for none of them.
        titles: What is printed above it, folded.
        field: The member, None for something else.
    """

    role: str
    titles: tuple[tuple[str, float], ...]
    field: Field | None = None

    @property
    def is_numeric(self) -> bool:
        """Whether its cells are numbers."""
        if self.field is None:
            return self.role in _NUMERIC
        return self.field.type in {"number", "integer"}

    @property
    def is_money(self) -> bool:
        """Whether its cells have no percent sign."""
        return self.role in {"quantity", "unit_price", "amount", "gross", "tax amount"}

    def likeness(self, title: str) -> float:
        """Return how like a printed title is to those of this kind, [0, 100]."""
        return _best(title, self.titles)


@lru_cache(maxsize=64)
def kinds_of(fields: tuple[Field, ...]) -> tuple[Kind, ...]:
    """Return the kinds of columns to tell apart: the members, then what else tables have."""
    kinds = [_kind_of(field) for field in fields]
    taken = {kind.role for kind in kinds}
    others = [Kind(role, _titles(role, 1.0)) for role in _HEADS if role not in taken]
    return (*kinds, *others)


def _kind_of(field: Field) -> Kind:
    names = [field.name.replace("_", " "), *field.labels]
    own = [(fold_title(name), 1.0) for name in names]
    scored = []
    for role in _HEADS:
        alike = [
            max(_alike(fold_title(name), title) for title, _ in _titles(role, 1.0))
            for name in names
        ]
        scored.append((alike[0] + 0.2 * max(alike), role))
    best, role = max(scored)
    if best < 1.2 * _ALIKE + 5 or (role in _NUMERIC) != (field.type in {"number", "integer"}):
        role = ""
    told = [(fold_title(field.description), 0.75)] if field.description and not role else []
    return Kind(role, (*own, *_titles(role, _OWN_WORDS), *told), field)


@lru_cache(maxsize=64)
def _titles(role: str, worth: float) -> tuple[tuple[str, float], ...]:
    return tuple((fold_title(title), worth) for title in _HEADS.get(role, "").split("|") if title)


@lru_cache(maxsize=4096)
def fold_title(text: str) -> str:
    """Return the words of a title without case, accents and currency."""
    plain = _NOISE.sub(" ", text) if len(text) > 3 else text
    parts = re.split(r"[\s./:_\-|]+", plain)
    folded = " ".join(word for part in parts if (word := letters(part)))
    return folded or letters(text) or text.strip()


@lru_cache(maxsize=65536)
def _best(title: str, own: tuple[tuple[str, float], ...]) -> float:
    return max((worth * _alike(title, each) for each, worth in own), default=0.0)


def _alike(printed: str, title: str) -> float:
    """Return how like two folded titles are, [0, 100]; one may be abbreviated or longer."""
    if not printed or not title:
        return 0.0
    squeezed, other = printed.replace(" ", ""), title.replace(" ", "")
    if squeezed == other:
        return 100.0
    best = 0.0
    if 3 < min(len(squeezed), len(other)) > 0.5 * max(len(squeezed), len(other)):
        best = max(fuzz.ratio(squeezed, other), fuzz.token_sort_ratio(printed, title))
    if len(squeezed) >= 4 and other.startswith(squeezed):
        best = max(best, 82.0)
    words, own = printed.split(), set(title.split())
    if own < set(words) and len(words) <= _TITLE_WORDS:
        best = max(best, 98.0 - 7 * (len(words) - len(own)))
    return best


@dataclass(frozen=True, slots=True)
class Run:
    """Words of a text row that belong to one cell.

    Attributes:
        words: From left to right, at least one.
        left: px.
        right: px.
    """

    words: tuple[Word, ...]
    left: int
    right: int

    @property
    def text(self) -> str:
        """Its words."""
        return " ".join(word.text for word in self.words)


def find_spans(
    rows: Sequence[Sequence[Run]], height: float, width: int, least: int | None = None
) -> list[tuple[int, int]]:
    """Return where the columns of some rows stand: what white stripes separate, px.

    Args:
        rows: The cells of each row.
        height: Of a text line, px.
        width: Of the page, px.
        least: Rows that a column fills; None for a tenth of them.
    """
    cover = np.zeros(width + 2, dtype=np.int32)
    for row in rows:
        for run in row:
            cover[max(0, run.left)] += 1
            cover[min(width, run.right)] -= 1
    filled = np.cumsum(cover) >= (least or 1 + len(rows) // 10)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], filled.astype(np.int8), [0]])))
    spans: list[tuple[int, int]] = []
    for left, right in edges.reshape(-1, 2).tolist():
        if spans and left - spans[-1][1] < 0.3 * height:
            spans[-1] = (spans[-1][0], right)
        else:
            spans.append((left, right))
    return [part for span in spans for part in _parted(span, rows)]


def _parted(span: tuple[int, int], rows: Sequence[Sequence[Run]]) -> list[tuple[int, int]]:
    """Return the columns of a stripe in which most rows have several cells, ragged ones."""
    cells = [[run for run in row if span[0] <= run.left and run.right <= span[1]] for row in rows]
    counts = Counter(len(row) for row in cells if row)
    often, times = counts.most_common(1)[0] if counts else (1, 0)
    if often < 2 or times < _RAGGED * counts.total():
        return [span]
    same = [row for row in cells if len(row) == often]
    return [
        (
            int(median(row[place].left for row in same)),
            int(median(row[place].right for row in same)),
        )
        for place in range(often)
    ]


def nearest(left: float, right: float, spans: Sequence[tuple[int, int]]) -> int:
    """Return which span an interval overlaps most, or is nearest to; -1 if there is none."""
    best = max(
        (
            (min(right, end) - max(left, start), -abs(left + right - start - end), at)
            for at, (start, end) in enumerate(spans)
        ),
        default=(0, 0, -1),
    )
    return best[2]


def match_spans(titles: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[int]:
    """Return which span each title stands above: each its own one, as near as they can be."""
    starts, ends = np.array(titles).reshape(-1, 2, 1).swapaxes(0, 1)
    lefts, rights = np.array(spans).T
    overlap = np.minimum(ends, rights) - np.maximum(starts, lefts)
    rows, columns = linear_sum_assignment(
        np.where(overlap > 0, 1000.0, 0.0) + overlap, maximize=True
    )
    over = [nearest(*title, spans) for title in titles]
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        over[row] = column
    return over


@dataclass(frozen=True)
class Column:
    """What stands in a column of a page.

    Attributes:
        span: Left and right, px.
        title: What is printed above it, folded; "" for nothing.
        cells: The text of each row, "" for nothing.
        numbers: The number that each cell is or holds, NaN for none.
    """

    span: tuple[int, int]
    title: str
    cells: tuple[str, ...]
    numbers: NDArray[np.float64]

    @property
    def filled(self) -> list[str]:
        """The cells that have a text."""
        return [cell for cell in self.cells if cell]


@dataclass(frozen=True)
class Assignment:
    """Which column each member has.

    Attributes:
        columns: The column of each kind that has one, by the kind's place.
        evidence: How sure each of them is, [0, 1].
        sums: Part of the rows whose numbers agree, [0, 1]; NaN where nothing is to be checked.
        total: The evidence of all kinds together.
    """

    columns: Mapping[int, int]
    evidence: Mapping[int, float]
    sums: float
    total: float


def assign(kinds: Sequence[Kind], columns: Sequence[Column], below: frozenset[float]) -> Assignment:
    """Assign columns to kinds, all together: by title, type, arithmetic and place.

    Args:
        kinds: See `kinds_of`.
        columns: From left to right.
        below: The numbers that stand below the rows: one may be the sum of a column.
    """
    base = np.array(
        [[_fit(kind, columns, at, below) for at in range(len(columns))] for kind in kinds]
    )
    roles = {kind.role: at for at, kind in enumerate(kinds)}
    trio = [roles[role] for role in ("quantity", "unit_price", "amount") if role in roles]
    best = _solve(base, float("nan"))
    numeric = [at for at, column in enumerate(columns) if np.isfinite(column.numbers).any()]
    if len(trio) == 3:
        for places in permutations(numeric, 3):
            agree = _agreement(*(columns[at].numbers for at in places))
            if agree > 0:
                raised = base.copy()
                raised[trio, places] += _SUMS * agree
                found = _solve(raised, agree)
                if all(
                    found.columns.get(kind) == at for kind, at in zip(trio, places, strict=True)
                ):
                    best = max(best, found, key=lambda each: each.total)
    return best


def _solve(worth: NDArray[np.float64], sums: float) -> Assignment:
    kinds, columns = linear_sum_assignment(np.where(worth >= _LEAST, worth, 0.0), maximize=True)
    chosen = {
        int(kind): int(column)
        for kind, column in zip(kinds, columns, strict=True)
        if worth[kind, column] >= _LEAST
    }
    evidence = {kind: float(worth[kind, column]) for kind, column in chosen.items()}
    return Assignment(chosen, evidence, sums, sum(evidence.values()))


def _agreement(
    quantity: NDArray[np.float64], price: NDArray[np.float64], amount: NDArray[np.float64]
) -> float:
    """Return the part of the rows with three numbers in which two make the third, [0, 1]."""
    known = np.isfinite(quantity) & np.isfinite(price) & np.isfinite(amount)
    if not known.any() or (amount[known] == 0).all():
        return 0.0
    holds = products(quantity, price, amount)
    return float(holds[known].mean() * known.sum() / max(1, np.isfinite(amount).sum()))


def products(
    quantity: NDArray[np.float64], price: NDArray[np.float64], amount: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Tell in which rows quantity times unit price is the amount, both rounded to cents."""
    slack = 0.0051 * np.abs(quantity) + 0.011
    with np.errstate(invalid="ignore"):
        holds: NDArray[np.bool_] = np.abs(quantity * price - amount) <= slack
    return holds


def _fit(kind: Kind, columns: Sequence[Column], at: int, below: frozenset[float]) -> float:
    """Return the evidence that a column is of a kind, without what others tell; 0: impossible."""
    column = columns[at]
    titled = kind.likeness(column.title) if column.title else 0.0
    titled = titled if titled >= _ALIKE - 15 else 0.0
    fit = _type_fit(kind, column)
    if kind.role == "description" and titled > 90:  # the first line may be a number
        fit = max(fit, 0.5)
    if fit < 0.5 or (kind.field is None and not titled):
        return 0.0
    place = 0.0
    if kind.role == "description":
        widths = [len("".join(each.filled)) / max(1, len(each.filled)) for each in columns]
        letters_here = sum(map(str.isalpha, "".join(column.filled)))
        is_widest = widths[at] == max(widths) and letters_here > 3 * len(column.filled)
        place = 2.0 * is_widest
    elif kind.role == "amount":
        rest = columns[at + 1 :]
        place = float(not any(np.isfinite(each.numbers).any() for each in rest))
        if not titled and is_sum(column.numbers, below):
            place += _SUMS / _PLACE
    return _HEAD * titled / 100 + _TYPE * fit + _PLACE * place


def is_sum(numbers: NDArray[np.float64], below: frozenset[float]) -> bool:
    """Tell whether the sum of some numbers is one of others."""
    known = numbers[np.isfinite(numbers)]
    return len(known) > 1 and round(float(known.sum()), 2) in below


def _type_fit(kind: Kind, column: Column) -> float:
    """Return the part of the cells that can be of the kind's type, [0, 1]."""
    cells = column.filled
    if not cells:  # texts may stand above and below the line of their numbers
        return 0.5 if kind.role == "description" else 0.0
    known = np.isfinite(column.numbers)
    if kind.is_numeric:
        percent = sum("%" in cell for cell in cells) if kind.is_money else 0
        numbers = column.numbers[known]
        if kind.field is not None and kind.field.type == "integer":
            numbers = numbers[numbers == np.round(numbers)]
        return float(max(0, len(numbers) - percent) / len(cells))
    if kind.role == "date" or (kind.field is not None and kind.field.type == "date"):
        return sum(map(_is_date, cells)) / len(cells)
    if kind.role == "description":
        return sum(
            2 * sum(map(str.isalpha, cell)) > len(cell) - cell.count(" ") for cell in cells
        ) / len(cells)
    if kind.role in {"position", "article"}:
        return sum(any(map(str.isdigit, cell)) for cell in cells) / len(cells)
    return 0.75


def _is_date(text: str) -> bool:
    return bool(_DATE_LIKE.search(text)) and parse_date(text, "dmy") is not None


@lru_cache(maxsize=8192)
def to_number(text: str, decimal: DecimalSign | None) -> float:
    """Return the number that a text is, NaN for none."""
    if len(text) > 24 or not any(map(str.isdigit, text)):
        return float("nan")
    number = parse_number(text, decimal, "money" if "%" not in text else "number")
    return float("nan") if number is None else float(number)
