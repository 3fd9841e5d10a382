"""The fields of one document in the report: every value with its outcome and its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from entry_points.evaluation.html.views import Kind, Mark, Row, Text, marked, plain
from entry_points.evaluation.reading import Reading
from entry_points.scoring.field_cells import Cell, FieldAlignment
from entry_points.scoring.field_score import FieldScore, merged_tally, metric_names
from entry_points.scoring.fields import FieldTruth, shown, what_became
from entry_points.scoring.scores import is_failed


@dataclass(frozen=True)
class FieldLine:
    """One line of the table of fields.

    Attributes:
        path: The field's, as in the schema; of a table its own path.
        counts: The number of its values by outcome; for a table, of its rows.
        f1: Its F1, [0, 1]; None for a table.
        interval: The 95 % interval of the F1.
    """

    path: str
    counts: Mapping[str, int]
    f1: float | None = None
    interval: tuple[float, float] | None = None


def field_lines(
    truth: FieldTruth,
    scores: Iterable[FieldScore],
    metrics: Mapping[str, float],
    found: Mapping[str, tuple[float, float]],
) -> list[FieldLine]:
    """Return the table of fields over all documents, with their metrics and 95 % intervals."""
    names = metric_names(truth.schema)
    return [
        FieldLine(path, counts, metrics.get(names.get(path, "")), found.get(names.get(path, "")))
        for path, counts in merged_tally(scores).items()
    ]


def field_rows(truth: FieldTruth, reading: Reading) -> list[Row]:
    """Set the values as read beside the true ones; a failed document has missed everything."""
    outputs = reading.outputs
    failed = is_failed(outputs, "values")
    leaves = {} if failed else {leaf["path"]: leaf for leaf in outputs["fields"] or ()}
    found = truth.align(outputs)
    rows = [_row(truth, cell, leaves) for cell in found.cells]
    return [*rows, *_tables(found, leaves)]


def _row(truth: FieldTruth, cell: Cell, leaves: Mapping[str, Mapping[str, Any]]) -> Row:
    leaf = leaves.get(cell.read_path or "", {})
    kind = what_became(cell, leaves)
    true, read = marked(shown(cell.true), shown(cell.read))
    if kind in {"missed", "invented", "invalid"}:
        true, read = plain(shown(cell.true)), plain(shown(cell.read))
    place = truth.places.get(cell.true_path or "")
    marks = [] if place is None else [Mark("true", "answer", place.page, place.box)]
    if leaf.get("box") is not None:
        marks.append(Mark("read", "answer", leaf["page"] or 1, tuple(leaf["box"])))
    return Row(
        kind,
        Text(plain(cell.true_path), true) if cell.true_path else None,
        Text(plain(cell.read_path), read) if cell.read_path and leaf else None,
        tuple(marks),
        leaf.get("confidence"),
        _note(leaf),
    )


def _note(leaf: Mapping[str, Any]) -> str:
    """Return the evidence for a value and against it."""
    if not leaf:
        return ""
    parts = [] if leaf["raw"] is None else [f"printed {leaf['raw']!r}"]
    if leaf["status"] in {"blank", "invalid"}:
        parts.append(f"status {leaf['status']}")
    if leaf["grounded"] is False:
        parts.append("not found on the page")
    parts += [f"fails {check}" for check in leaf["checks"] or ()]
    if leaf["accepted"] is not None:
        parts.append("accepted" if leaf["accepted"] else "needs a person")
    return "; ".join(parts)


def _tables(found: FieldAlignment, leaves: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """Yield a row for each table that lacks rows, has too many, or whose checks fail."""
    for path, rows in found.rows.items():
        checks = leaves.get(path, {}).get("checks") or ()
        if rows.true == rows.read and not checks:
            continue
        kind: Kind = "right"
        if rows.true != rows.read:
            kind = "missed" if rows.read < rows.true else "invented"
        yield Row(
            kind,
            Text(plain(path), plain(f"{rows.true} rows")),
            Text(plain(path), plain(f"{rows.read} rows")),
            (),
            None,
            "; ".join(checks),
        )
