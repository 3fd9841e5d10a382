"""Which column of a page holds what: all of a table's members are assigned together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from ocr_extractor.engines.local.fields.table_titles import ALIKE
from ocr_extractor.fields.date_text import parse_date

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ocr_extractor.engines.local.fields.table_titles import Kind
    from ocr_extractor.engines.local.learned.columns import Values

_HEAD, _TYPE, _SUMS, _PLACE = 0.45, 0.25, 0.2, 0.1
"""What title, type, arithmetic and place tell of a column; together 1."""

_LEAST = 0.4
"""Evidence from which a column holds a member."""

_DATE_LIKE = re.compile(r"\d[./-]\d|\d\s?[^\W\d_]{3}")


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
    numbers: Values

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


def _solve(worth: Values, sums: float) -> Assignment:
    kinds, columns = linear_sum_assignment(np.where(worth >= _LEAST, worth, 0.0), maximize=True)
    chosen = {
        int(kind): int(column)
        for kind, column in zip(kinds, columns, strict=True)
        if worth[kind, column] >= _LEAST
    }
    evidence = {kind: float(worth[kind, column]) for kind, column in chosen.items()}
    return Assignment(chosen, evidence, sums, sum(evidence.values()))


def _agreement(quantity: Values, price: Values, amount: Values) -> float:
    """Return the part of the rows with three numbers in which two make the third, [0, 1]."""
    known = np.isfinite(quantity) & np.isfinite(price) & np.isfinite(amount)
    if not known.any() or (amount[known] == 0).all():
        return 0.0
    holds = products(quantity, price, amount)
    return float(holds[known].mean() * known.sum() / max(1, np.isfinite(amount).sum()))


def products(quantity: Values, price: Values, amount: Values) -> NDArray[np.bool_]:
    """Tell in which rows quantity times unit price is the amount, both rounded to cents."""
    slack = 0.0051 * np.abs(quantity) + 0.011
    with np.errstate(invalid="ignore"):
        holds: NDArray[np.bool_] = np.abs(quantity * price - amount) <= slack
    return holds


def _fit(kind: Kind, columns: Sequence[Column], at: int, below: frozenset[float]) -> float:
    """Return the evidence that a column is of a kind, without what others tell; 0: impossible."""
    column = columns[at]
    titled = kind.likeness(column.title) if column.title else 0.0
    titled = titled if titled >= ALIKE - 15 else 0.0
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


def is_sum(numbers: Values, below: frozenset[float]) -> bool:
    """Tell whether the sum of some numbers is one of others."""
    known = numbers[np.isfinite(numbers)]
    return len(known) > 0 and round(float(known.sum()), 2) in below


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
