"""The documents that most need a person, in the files that review opens."""

from __future__ import annotations

import json
import mimetypes
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracing.attachments import Attachment
from mlflow.tracing.utils.artifact_utils import get_artifact_uri_for_trace

from data.folder import IMAGE_SUFFIXES
from entry_points.command_line import cli
from entry_points.monitoring.comparison import Comparison
from entry_points.monitoring.records import Record
from entry_points.monitoring.watches import halves, mean_confidence, nearest
from entry_points.predictions.documents import doc_id_of
from entry_points.predictions.output import KEY, replacing

PREDICTIONS, DOCUMENTS = "predictions.jsonl", "documents"

_LONGEST = 200  # bytes of a file's name

# A mean confidence below that of this share of the baseline is a reason.
_DOUBTFUL = 0.1


@dataclass(frozen=True)
class Need:
    """A document, why a person should see it, and how much it needs that, from 0."""

    record: Record
    reasons: tuple[str, ...]
    weight: float


def find_needs(comparison: Comparison, most: int) -> list[Need]:
    """Return the documents that most need a person, the neediest first."""
    baseline, records = comparison.baseline, comparison.records
    seen, known = halves(baseline)
    far = max((n for n in nearest(known, seen) if n is not None), default=float("inf"))
    confidences = [n for each in baseline if (n := mean_confidence(each)) is not None]
    least = float(np.quantile(confidences, _DOUBTFUL)) if confidences else 0.0
    needs = [
        _need(record, least, is_new_layout=(distance or 0.0) > far)
        for record, distance in zip(records, nearest(records, seen), strict=True)
    ]
    found = [need for need in needs if need.reasons]
    return sorted(found, key=lambda need: -need.weight)[:most]


def _need(record: Record, least_confidence: float, *, is_new_layout: bool) -> Need:
    counts, error = record.counts, record.row["error_code"]
    confidence = mean_confidence(record)
    doubt = 0.0 if confidence is None else max(0.0, least_confidence - confidence)
    checked = counts["grounded"] + counts["ungrounded"]
    found = {
        f"failed: {error}": 4.0 * bool(error),
        f"{counts['failed_checks']} failed checks": 3.0 * bool(counts["failed_checks"]),
        f"{counts['invalid']} invalid": 2.0 * bool(counts["invalid"]),
        "a layout unlike the baseline's": 2.0 * is_new_layout,
        f"{counts['ungrounded']} of {checked} not found on the page": 2.0
        * (counts["ungrounded"] / checked if checked else 0.0),
        f"confidence {confidence or 0.0:.2f}": 2.0 * doubt,
    }
    reasons = {reason: weight for reason, weight in found.items() if weight}
    return Need(record, tuple(reasons), sum(reasons.values()))


def write_needs(
    needs: Sequence[Need], output: Path, predictions: Mapping[str, Mapping[str, Any]]
) -> tuple[int, int]:
    """Write what review opens: `predictions.jsonl`, the neediest first, and `documents/`.

    A row is the one that predict wrote, or the one in the trace where that has the content; so are
    the documents. Of several with one doc_id the neediest counts.

    Args:
        needs: The documents.
        output: The folder; rows that an earlier run has written are replaced.
        predictions: Rows that predict wrote, by doc_id.

    Returns:
        How many rows are written, and how many of their documents.

    Raises:
        UsageError: The folder cannot be written.
    """
    rows: dict[str, dict[str, Any]] = {}
    documents = output / DOCUMENTS
    saved = 0
    with cli.writing(output):
        documents.mkdir(0o700, parents=True, exist_ok=True)
        for need in needs:
            record = need.record
            row = predictions.get(record.doc_id) or _traced_row(record)
            if row is None or record.doc_id in rows:
                continue
            doc_id = record.doc_id
            if record.attachment:
                doc_id = _save(record, documents)
                saved += 1
            rows[doc_id] = {**row, "doc_id": doc_id, "why": "; ".join(need.reasons)}
        with replacing(output / PREDICTIONS) as new:
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows.values())
            new.write_text("".join(lines), encoding="utf-8")
    return len(rows), saved


def _traced_row(record: Record) -> dict[str, Any] | None:
    """Return a document's row of the output from its trace; None if that has only numbers."""
    if not isinstance(record.row["pairs"], list):
        return None
    return {**record.row, KEY: record.trace_id.removeprefix("tr-")}


def _save(record: Record, folder: Path) -> str:
    """Write a document out of its trace; return its doc_id in the folder.

    Callers of a server choose doc_ids: one that is no plain name of a document gets another.
    """
    reference = Attachment.parse_ref(record.attachment) or {}
    doc_id, attached = record.doc_id, str(reference["attachment_id"])
    suffix = mimetypes.guess_extension(str(reference["content_type"])) or ""
    is_plain = doc_id == Path(doc_id).name and doc_id == doc_id_of(doc_id)
    is_image = Path(doc_id).suffix.lower() in IMAGE_SUFFIXES
    if not is_plain or not is_image or len(os.fsencode(doc_id)) > _LONGEST:
        doc_id = f"{record.trace_id}{suffix}"
    info = mlflow.MlflowClient().get_trace(record.trace_id, display=False).info
    artifacts = get_artifact_repository(get_artifact_uri_for_trace(info))
    artifacts.download_trace_attachment_to_file(attached, folder / doc_id)
    return doc_id
