"""Turns the lines that predict writes into a Parquet or CSV table, a few at a time.

No spreadsheet runs a text of a CSV file as a formula.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from mlflow.types import DataType, Schema
from mlflow.types.schema import Array, Object

from entry_points.command_line.cli import writing
from entry_points.predictions.output import KEY, replacing

SUFFIXES = (".parquet", ".csv")

_LINES_AT_ONCE = 500
# The start of a formula, from OWASP's "CSV Injection". A spreadsheet may ignore white space before
# it, and accepts the full-width forms too.
_FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001 - full-width is meant


def write_table(lines: Path, table: Path, suffix: str, schema: Schema) -> None:
    """Write a table with one row for each line, and replace an older one in one step.

    Args:
        lines: The lines that predict has written.
        table: The table.
        suffix: One of `SUFFIXES`. In .csv, pairs and fields are JSON text, and other texts are what
            `to_cell` makes of them.
        schema: The extractor's output columns.

    Raises:
        UsageError: It cannot be written.
    """
    with writing(table), replacing(table) as new:
        if suffix == ".parquet":
            _write_parquet(lines, new, schema)
        else:
            _write_csv(lines, new, [*map(str, schema.input_names()), KEY])


def _write_parquet(lines: Path, table: Path, schema: Schema) -> None:
    columns = [(column.name, _arrow_type(column.type)) for column in schema.inputs]
    arrow = pa.schema([*columns, (KEY, pa.string())])
    with pq.ParquetWriter(table, arrow) as writer:
        for rows in _batches(lines):
            writer.write_batch(pa.RecordBatch.from_pylist(rows, arrow))


def _write_csv(lines: Path, table: Path, columns: list[str]) -> None:
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for rows in _batches(lines):
            for row in rows:
                writer.writerow({name: _to_csv(each) for name, each in row.items()})


def _to_csv(value: Any) -> Any:
    """Return a column's value as CSV holds it."""
    if isinstance(value, str):
        return to_cell(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


def _batches(lines: Path) -> Iterator[list[dict[str, Any]]]:
    with lines.open(encoding="utf-8") as file:
        while rows := [json.loads(line) for line in islice(file, _LINES_AT_ONCE)]:
            yield rows


def _arrow_type(of: Any) -> pa.DataType:
    """Return the Arrow type for the type of an MLflow column."""
    if isinstance(of, Array):
        return pa.list_(_arrow_type(of.dtype))
    if isinstance(of, Object):
        return pa.struct([(each.name, _arrow_type(each.dtype)) for each in of.properties])
    return pa.from_numpy_dtype(of.to_numpy()) if of is not DataType.string else pa.string()


def to_cell(text: str) -> str:
    """Return a text, with an apostrophe before it if a spreadsheet would run it.

    A text with apostrophes before a formula gets one more, so that `from_cell` restores every
    text.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """Return the text from which `to_cell` made a cell."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
