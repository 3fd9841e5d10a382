"""Rows of tables without an LLM: from the words of a page to the line items that a schema names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ocr_extractor.engines.base import Evidence
from ocr_extractor.engines.local.fields.ranker import CELL
from ocr_extractor.engines.local.fields.table_columns import Column, assign
from ocr_extractor.engines.local.fields.table_page import TablePage, number_in, text_of, words_in
from ocr_extractor.engines.local.fields.table_reading import Reading
from ocr_extractor.engines.local.fields.table_rows import (
    SUPPORT,
    agreeing_rows,
    aligned,
    find_heads,
    gathered,
    rows_below,
    summed_rows,
    titles_over,
)
from ocr_extractor.engines.local.fields.table_spans import find_spans
from ocr_extractor.engines.local.fields.table_titles import ALIKE, fold_title, kinds_of
from ocr_extractor.fields.raw_tree import cell_path, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.engines.local.fields.ranker import Calibration
    from ocr_extractor.engines.local.fields.table_page import Line
    from ocr_extractor.engines.local.fields.table_reading import Cell
    from ocr_extractor.engines.local.fields.table_rows import Head
    from ocr_extractor.engines.local.fields.table_titles import Kind
    from ocr_extractor.fields.raw_tree import RawTree
    from ocr_extractor.fields.schema import Schema, Table
    from ocr_extractor.ocr.words import Word


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
    page = TablePage(words)
    if not page.lines:
        return []
    kinds = kinds_of(table.columns)
    readings = [
        reading
        for head in (*find_heads(page, kinds), None)
        if (reading := _read(page, kinds, head)) is not None
    ]
    best = max(readings, key=lambda each: each.worth, default=None)
    return [] if best is None else best.rows(len(table.columns))


def fill_tables(
    schema: Schema, words: Sequence[Word], tree: RawTree, calibration: Calibration
) -> dict[str, Evidence]:
    """Put the rows of a page's tables into its tree.

    Args:
        schema: The fields.
        words: The page's words.
        tree: Of the schema's shape.
        calibration: What the evidence of a cell is worth.

    Returns:
        Where each cell stands, px of the words, and how sure it is.
    """
    evidence = {}
    for table in tables(schema):
        rows = read_table(words, table)
        tree[table.name] = [
            {name: cell.text if cell else None for name, cell in row.items()} for row in rows
        ]
        for column in table.columns:
            pattern = f"{table.name}[].{column.name}"
            for at, row in enumerate(rows):
                if cell := row[column.name]:
                    score = calibration.confidence(pattern, CELL, cell.score)
                    evidence[cell_path(table, at, column)] = Evidence(cell.box, score)
    return evidence


def _read(page: TablePage, kinds: Sequence[Kind], head: Head | None) -> Reading | None:
    """Read a page below some titles, or where its numbers agree."""
    later: list[int] = []
    if head is None:
        lines: Sequence[Line] = page.numbered
        anchors = agreeing_rows(page) or summed_rows(page)
    else:
        lines = page.lines
        anchors, later = rows_below(page, kinds, head)
    reading = None
    while anchors:
        lines = aligned(page, gathered(page, lines, anchors), anchors)
        reading = _assigned(page, kinds, lines, anchors, head)
        kept = _own(reading)
        if kept == anchors:
            break
        anchors = kept
    if not anchors or reading is None:
        return None
    if head is None:
        later = sorted({*range(anchors[0], _end(page, anchors[-1]))} - {*anchors})
    if more := [at for at in later if reading.continues(at)]:
        lines = aligned(page, gathered(page, lines, more), more)
        reading = _assigned(page, kinds, lines, sorted([*anchors, *more]), head)
    return reading


def _end(page: TablePage, last: int) -> int:
    """Return the first line below another one that is a sum."""
    sums = (at for at in range(last + 1, len(page.lines)) if page.lines[at].is_total)
    return next(sums, len(page.lines))


def _assigned(
    page: TablePage,
    kinds: Sequence[Kind],
    lines: Sequence[Line],
    anchors: Sequence[int],
    head: Head | None,
) -> Reading:
    """Return the reading of some lines as rows."""
    spans = find_spans([lines[at].runs for at in anchors], page.height, page.width)
    spans = sorted([*spans, *_empty(page, kinds, head, spans)])
    titles = titles_over(page, head, spans)
    columns = []
    for at, span in enumerate(spans):
        cells = [words_in(lines[anchor], spans, at) for anchor in anchors]
        numbers = [page.number(text_of(number_in(words, page))) for words in cells]
        texts = tuple(text_of(words) for words in cells)
        columns.append(Column(span, titles[at], texts, np.array(numbers)))
    below = frozenset(
        round(number, 2)
        for line in page.lines[anchors[-1] + 1 :]
        for run in line.runs
        if np.isfinite(number := page.number(run.text))
    )
    found = assign(kinds, columns, below)
    begin = 0 if head is None else head.last + 1
    return Reading(page, kinds, lines, anchors, spans, columns, found, begin)


def _empty(
    page: TablePage, kinds: Sequence[Kind], head: Head | None, spans: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return where a text column has a title, and texts only beside the lines of numbers, px."""
    text = next((kind for kind in kinds if kind.role == "description"), None)
    if head is None or text is None:
        return []
    below = [run for line in page.lines[head.last + 1 :] for run in line.runs]
    return [
        (run.left, run.right)
        for line in page.lines[head.first : head.last + 1]
        for run in line.runs
        if text.likeness(fold_title(run.text)) >= ALIKE
        and not any(left < run.right and right > run.left for left, right in spans)
        and any(abs(each.left - run.left) < page.height for each in below)
    ]


def _own(reading: Reading) -> list[int]:
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
        if not (reading.lines[at].is_total and sure[place] < 1) and filled >= SUPPORT * len(strong):
            kept.append(at)
    return kept
