"""The documents that most need a person, in the files that review opens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entry_points.command_line import cli
from entry_points.monitoring.comparison import Comparison
from entry_points.monitoring.layouts import halves, nearest
from entry_points.monitoring.records import Record
from entry_points.monitoring.watches import mean_confidence
from entry_points.predictions.output import KEY, replacing

_DOUBTFUL = 0.5  # a mean confidence below this is a reason


@dataclass(frozen=True)
class Need:
    """A document, why a person should see it, and how much it needs that, from 0."""

    record: Record
    reasons: tuple[str, ...]
    weight: float


def find_needs(comparison: Comparison, most: int) -> list[Need]:
    """Return the documents that most need a person, the neediest first."""
    seen, known = halves(comparison.baseline)
    usual = max((n for n in nearest(known, seen) if n is not None), default=float("inf"))
    records = comparison.records
    needs = [
        _need(record, new_layout=(distance or 0.0) > usual)
        for record, distance in zip(records, nearest(records, seen), strict=True)
    ]
    found = [need for need in needs if need.reasons]
    return sorted(found, key=lambda need: -need.weight)[:most]


def _need(record: Record, *, new_layout: bool) -> Need:
    counts, error = record.counts, record.row["error_code"]
    confidence = mean_confidence(record)
    doubt = 0.0 if confidence is None else max(0.0, _DOUBTFUL - confidence)
    checked = counts["grounded"] + counts["ungrounded"]
    found = {
        f"failed: {error}": 4.0 * bool(error),
        f"{counts['failed_checks']} failed checks": 3.0 * bool(counts["failed_checks"]),
        f"{counts['invalid']} invalid": 2.0 * bool(counts["invalid"]),
        "a layout unlike the baseline's": 2.0 * new_layout,
        f"{counts['ungrounded']} of {checked} not found on the page": 2.0
        * (counts["ungrounded"] / checked if checked else 0.0),
        f"confidence {confidence or 0.0:.2f}": 2.0 * doubt,
    }
    reasons = {reason: weight for reason, weight in found.items() if weight}
    return Need(record, tuple(reasons), sum(reasons.values()))


def write_needs(
    needs: Sequence[Need], output: Path, predictions: Mapping[str, Mapping[str, Any]]
) -> int:
    """Write the rows of documents for `review -P predictions=`, the neediest first.

    A row is the one that predict wrote, or the one in the trace where that has the content.

    Args:
        needs: The documents.
        output: The .jsonl file; it is replaced.
        predictions: Rows that predict wrote, by doc_id.

    Returns:
        How many rows are known and written.

    Raises:
        UsageError: The file cannot be written.
    """
    rows = [
        {**row, "why": "; ".join(need.reasons)}
        for need in needs
        if (row := predictions.get(need.record.doc_id) or _traced_row(need.record))
    ]
    with cli.writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing(output) as new:
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            new.write_text("".join(lines), encoding="utf-8")
    return len(rows)


def _traced_row(record: Record) -> dict[str, Any] | None:
    """Return a document's row of the output from its trace; None if that has only numbers."""
    if not record.doc_id or not isinstance(record.row["pairs"], list):
        return None
    return {**record.row, KEY: record.trace_id.removeprefix("tr-")}
