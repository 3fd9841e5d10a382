"""Rows of tables: how many a page shows, which are asked for again, and which are not data."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from ocr_extractor.ocr.neighbours import share_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.fields.raw_tree import RawTree
    from ocr_extractor.fields.schema import Table
    from ocr_extractor.grounding.row_search import TextRow
    from ocr_extractor.grounding.text_search import Finding
    from ocr_extractor.ocr.words import Word

    Row = Mapping[str, str | None]
    _Column = tuple[float, float, bool]  # from x to x, px; whether its cells have digits

_FILLED = 0.8
"""Part of the rows in which a column must have been found to tell a row from other text."""

_MOST_GAP = 4.0
"""Steps from row to row without one after which the table has ended."""

_DIGIT = re.compile(r"\d")

# What begins the line below a table's last row.
_SUM = re.compile(
    r"(?:sub|sous-?|zwischen)?(?:total(?:e|s)?|sum(?:me|ma|a)?|gesamt(?:summe|betrag|preis|wert)?"
    r"|netto(?:summe|betrag|wert)?|montant|razem)\b",
    re.IGNORECASE,
)

# What stands before a sum that is carried over to the next page.
_CARRIED = re.compile(
    r"carr(?:y|ied)\s*-?(?:forward|over)|brought\s*forward|balance\s*forward|\b(?:ü|ue)bertrag\b"
    r"|^\W*(?:à|a)\s+reporter\b|^\W*report\b[\W\d]*$|\briporto\b|a\s+riportare"
    r"|suma\s+(?:y\s+sigue|anterior)"
    r"|(?:zwischen|sub[- ]?|sous[- ]?)(?:summe|total)|transport(?:eren)?\s*:?\s*$",
    re.IGNORECASE,
)


def count_rows(
    cells: Sequence[Sequence[str | None]],
    placed: Sequence[Sequence[Finding]],
    rows: Sequence[TextRow],
    taken: Iterable[Box],
) -> int | None:
    """Count the rows of a table that a page shows.

    From the first row that was read and found, each text row counts that has a word in each column
    that is filled in nearly all rows, with a digit where these have one. The table ends at a gap,
    or at a sum below the last row that was read.

    Args:
        cells: The texts of the rows that were read.
        placed: Where they stand.
        rows: The page's text rows, from top to bottom.
        taken: Where other fields stand, px: below the last row that was read, they are no cells.

    Returns:
        At least the rows that were read; None where fewer than two of them were found, or in fewer
        than two columns.
    """
    found = [[each.box for each in row if each.box] for row in placed]
    tops = sorted(min(box[1] for box in row) for row in found if row)
    columns = _columns(cells, placed)
    if len(tops) < 2 or len(columns) < min(2, len(cells[0])):
        return None
    steps = [lower - upper for upper, lower in pairwise(tops) if lower > upper]
    step = median(steps) if steps else max(rows[0].box[3] - rows[0].box[1], 1)
    last_read = max(box[3] for row in found for box in row)
    others = [box for box in taken if box[1] >= last_read]
    count, last = 0, float(tops[0])
    for row in rows:
        middle = (row.box[1] + row.box[3]) / 2
        if middle < tops[0] or any(share_row(row.box, box) for box in others):
            continue
        below = middle > last_read
        if below and (middle - last > _MOST_GAP * step or _SUM.match(row.words[0].text)):
            break
        if _is_row(row, columns):
            count, last = count + 1, middle
    return max(count, len(cells))


def _columns(
    cells: Sequence[Sequence[str | None]], placed: Sequence[Sequence[Finding]]
) -> list[_Column]:
    """Return the columns that nearly all rows fill."""
    columns = []
    for at in range(len(cells[0]) if cells else 0):
        boxes = [box for row in placed if (box := row[at].box)]
        if len(boxes) >= 2 and len(boxes) >= _FILLED * len(cells):
            # Some may have been found at a wrong place: "20" stands in many.
            left, right = (median(box[side] for box in boxes) for side in (0, 2))
            if sum(box[0] < right and left < box[2] for box in boxes) < _FILLED * len(boxes):
                continue
            digits = sum(bool(_DIGIT.search(row[at] or "")) for row in cells)
            columns.append((left, right, digits >= _FILLED * len(cells)))
    return columns


def _is_row(row: TextRow, columns: Sequence[_Column]) -> bool:
    """Tell whether each column has a word of its own in the row."""
    free = list(row.words)
    for column in columns:
        word = next((word for word in free if _is_in(word, column)), None)
        if word is None:
            return False
        free.remove(word)
    return True


def _is_in(word: Word, column: _Column) -> bool:
    (x0, _, x1, _), (left, right, digits) = word.box, column
    return x0 < right and left < x1 and (not digits or _DIGIT.search(word.text) is not None)


def ask_for_rows(tree: RawTree, short: Iterable[str]) -> str:
    """Return what is added to the instructions where a page may show more rows than were read.

    Args:
        tree: What was read.
        short: The names of the tables, which have rows.
    """
    asked = [
        f'of "{name}" only the rows after this one, which you gave last: '
        f"{json.dumps(tree[name][-1], ensure_ascii=False)}"
        for name in short
    ]
    return (
        "\n\nYou have read this page before, and rows at the end were missing. Read it again, and "
        f"give {'; '.join(asked)}."
    )


def join_rows(rows: Sequence[Row], more: Sequence[Row], shown: int | None) -> list[Row]:
    """Return rows and those that were read when more were asked for, each once.

    Args:
        rows: Those that were read first.
        more: Those that were read afterwards; they may begin with some of the first.
        shown: How many the page shows; None when that is not known.
    """
    keys, others = ([_key(row) for row in each] for each in (rows, more))
    if others[: len(keys)] == keys:
        return list(more)
    if shown is None or len(rows) + len(more) > shown:
        for length in range(min(len(keys), len(others)), 0, -1):
            if keys[-length:] == others[:length]:
                return [*rows, *more[length:]]
    return [*rows, *more]


def drop_page_break_rows(
    table: Table, pages: Sequence[Sequence[Row]]
) -> list[list[tuple[int, Row]]]:
    """Return the rows of each page without those that only a page break makes necessary.

    These are the titles of the columns, which begin each page, and a sum that is carried over, at
    the begin or end of one.

    Args:
        table: The table.
        pages: The rows of each page of the document.

    Returns:
        For each page the rows with their places in it, from 0.
    """
    titles = [
        {_fold(label) for label in (*column.labels, column.name, column.description) if label}
        for column in table.columns
    ]
    begins = Counter(_key(rows[0]) for rows in pages if rows)

    def is_title(row: Row) -> bool:
        key = _key(row)
        filled = [text in of for text, of in zip(key, titles, strict=True) if text]
        return len(filled) > 1 and (all(filled) or (begins[key] > 1 and not _digits(key)))

    own = [[(at, row) for at, row in enumerate(rows) if not is_title(row)] for rows in pages]
    if len(pages) == 1:
        return own
    return [
        [
            each
            for each in rows
            # Nothing is carried over to the first row of the first page.
            if each not in (*rows[: number > 0], rows[-1]) or not _is_carried(each[1])
        ]
        for number, rows in enumerate(own)
    ]


def _is_carried(row: Row) -> bool:
    """Tell whether a row is only a sum that is carried over."""
    texts = [text for text in _key(row) if text]
    return len(texts) <= 2 and _CARRIED.search(" ".join(texts)) is not None


def _digits(key: Iterable[str]) -> bool:
    return any(_DIGIT.search(text) for text in key)


def _key(row: Row) -> tuple[str, ...]:
    return tuple(_fold(text or "") for text in row.values())


def _fold(text: str) -> str:
    return " ".join(re.sub(r"[_:.]", " ", text).casefold().split())
