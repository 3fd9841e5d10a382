"""Sets read values beside true ones: cell by cell, the rows of a table in their best pairing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.field_schema import FieldSchema, Leaf, LeafType, value_at
from entry_points.scoring.matching import FUZZY_SIMILARITY, best_assignment, normalise, similarities

Kind = Literal["right", "null", "misread", "missed", "invented"]

# A value in a truth file says nothing of how it is printed: 86 and 86.00 are one amount. Amounts
# have two decimals, so that fewer never make two numbers alike.
_LEAST_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """A scalar, or a cell of a table's row.

    Attributes:
        leaf: Its path in the schema: `items[].amount`.
        kind: What became of it; "null": nothing is there, and nothing was read.
        true: The true value.
        read: The value that was read.
        true_path: Its path in the truth (`items[3].amount`); None in a row that is not there.
        read_path: Its path in the output; None in a row that was not read.
    """

    leaf: str
    kind: Kind
    true: Any
    read: Any
    true_path: str | None
    read_path: str | None

    @property
    def is_right(self) -> bool:
        """Whether the value that was read is the true one."""
        return self.kind in {"right", "null"}


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows of a table are there and were read."""

    true: int
    read: int


@dataclass(frozen=True, slots=True)
class FieldAlignment:
    """What became of every cell of a document.

    Attributes:
        cells: Of the scalars, then of the tables: the paired rows in the order of the truth, the
            rows that were missed, and those that are not there.
        rows: By the path of each table.
    """

    cells: tuple[Cell, ...]
    rows: Mapping[str, Rows]


def align_fields(
    schema: FieldSchema,
    true: Mapping[str, Any],
    read: Mapping[str, Any],
    *,
    lenient: bool = False,
) -> FieldAlignment:
    """Find out what became of every cell.

    Rows are an unordered set: they are paired one to one so that as many cells as possible are
    right (ExtractBench, https://arxiv.org/abs/2607.29677, section 2.4). The result does not depend
    on the order of the rows: of several best pairings always the same one is taken.

    Args:
        schema: The fields.
        true: The true values, every key present.
        read: The values that were read; what is not there counts as null.
        lenient: Whether texts are right that are similar enough (`FUZZY_SIMILARITY`).
    """
    cells = []
    for path, leaf in schema.scalars.items():
        pair = value_at(true, path), value_at(read, path)
        right = bool(_right(leaf.type, pair[:1], pair[1:], lenient=lenient)[0, 0])
        cells.append(Cell(path, _kind(*pair, right=right), *pair, path, path))
    rows = {}
    for path, columns in schema.tables.items():
        ours, theirs = value_at(true, path) or [], _rows_of(value_at(read, path))
        rows[path] = Rows(len(ours), len(theirs))
        cells += _table(path, columns, ours, theirs, lenient=lenient)
    return FieldAlignment(tuple(cells), rows)


def _rows_of(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _table(
    path: str,
    columns: Mapping[str, Leaf],
    true: Sequence[Any],
    read: Sequence[Any],
    *,
    lenient: bool,
) -> list[Cell]:
    ours, theirs = _canonical(true), _canonical(read)
    right = {
        name: _right(
            leaf.type,
            [true[row].get(name) for row in ours],
            [read[row].get(name) for row in theirs],
            lenient=lenient,
        )
        for name, leaf in columns.items()
    }
    total = np.sum(list(right.values()), axis=0, dtype=np.float64)
    pairs = best_assignment(total.reshape(len(ours), len(theirs)))
    paired = sorted((ours[i], theirs[j], i, j) for i, j in pairs)
    cells = []
    for row, other, i, j in paired:
        for name, leaf in columns.items():
            one, two = true[row].get(name), read[other].get(name)
            kind = _kind(one, two, right=bool(right[name][i, j]))
            places = f"{path}[{row}].{name}", f"{path}[{other}].{name}"
            cells.append(Cell(leaf.path, kind, one, two, *places))
    for row in sorted(set(range(len(true))) - {row for row, *_ in paired}):
        for name, leaf in columns.items():
            place = f"{path}[{row}].{name}"
            cells.append(Cell(leaf.path, "missed", true[row].get(name), None, place, None))
    for row in sorted(set(range(len(read))) - {row for _, row, *_ in paired}):
        for name, leaf in columns.items():
            place = f"{path}[{row}].{name}"
            cells.append(Cell(leaf.path, "invented", None, read[row].get(name), None, place))
    return cells


def _canonical(rows: Sequence[Any]) -> list[int]:
    """Return the rows' numbers in an order that does not depend on how they are ordered."""
    texts = [json.dumps(row, sort_keys=True) for row in rows]
    return sorted(range(len(rows)), key=texts.__getitem__)


def _kind(true: Any, read: Any, *, right: bool) -> Kind:
    if right:
        return "null" if true is None else "right"
    if true is None:
        return "invented"
    return "missed" if read is None else "misread"


def _right(
    kind: LeafType, true: Sequence[Any], read: Sequence[Any], *, lenient: bool
) -> NDArray[np.bool_]:
    """Compare every true value with every read one.

    Returns:
        (true, read): whether they are the same value: both null, or

        - string: equal after `normalise` (case, whitespace, punctuation at the edges);
        - number: equal to the decimals of the one that has fewer, at least two;
        - date, integer, boolean: equal.
    """
    nulls = (np.array([each is None for each in side], dtype=bool) for side in (true, read))
    both_null: NDArray[np.bool_] = np.logical_and.outer(*nulls)
    if kind in {"number", "integer"}:
        numbers = [_number(each) for each in true], [_number(each) for each in read]
        both_null |= _same_number(*numbers)
        return both_null
    texts = [_text(kind, each) for each in true], [_text(kind, each) for each in read]
    codes = {text: code for code, text in enumerate({*texts[0], *texts[1]} - {None})}
    ours = np.array([codes.get(text, -1) for text in texts[0]], dtype=np.int64)
    theirs = np.array([codes.get(text, -2) for text in texts[1]], dtype=np.int64)
    same: NDArray[np.bool_] = np.equal.outer(ours, theirs)
    if lenient and kind == "string":
        alike = similarities([each or "" for each in texts[0]], [each or "" for each in texts[1]])
        given = np.logical_and.outer(ours >= 0, theirs >= 0)
        same |= given & (alike >= FUZZY_SIMILARITY)
    same |= both_null
    return same


def _text(kind: LeafType, value: Any) -> str | None:
    """Return what must be the same in two values of a type; None for null."""
    if value is None:
        return None
    if isinstance(value, str):
        return normalise(value) if kind == "string" else value.strip()
    return json.dumps(value)


def _number(value: Any) -> float:
    given = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if given else float("nan")


def _same_number(true: Sequence[float], read: Sequence[float]) -> NDArray[np.bool_]:
    ours, theirs = np.array(true, dtype=np.float64), np.array(read, dtype=np.float64)
    decimals = np.minimum.outer(_decimals(true), _decimals(read))
    decimals = np.maximum(decimals, _LEAST_DECIMALS)
    with np.errstate(invalid="ignore"):  # two infinities
        off = np.abs(np.subtract.outer(ours, theirs))
    same: NDArray[np.bool_] = off <= 0.5 * 10.0**-decimals * (1 + 1e-6)
    return same


def _decimals(values: Sequence[float]) -> NDArray[np.float64]:
    """Return how many decimals each number is written with."""
    found = [len(f"{value:.6f}".rstrip("0").partition(".")[2]) for value in values]
    return np.array(found, dtype=np.float64)
