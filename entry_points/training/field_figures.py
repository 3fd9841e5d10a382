"""Figures of fields on held-out documents, and of what more documents bring."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from entry_points.command_line import cli
from entry_points.scoring.calibration import judge_confidences, reliability
from entry_points.scoring.field_score import PER_FIELD
from entry_points.scoring.fields import FieldTruth
from entry_points.scoring.scores import aggregate
from ocr_extractor.engines.base import PageReading
from ocr_extractor.engines.local.fields.search import find_fields
from ocr_extractor.fields.assembly import assemble

if TYPE_CHECKING:
    from data.fields import FieldDocument
    from entry_points.scoring.counts import Numbers
    from entry_points.training.field_lessons import FieldPage
    from ocr_extractor.engines.local.fields.ranker import Ranker
    from ocr_extractor.fields.schema import Schema

_SHOWN = ("value_f1", "value_f1_lenient", "document_accuracy", "calibration_error")
_FIRST = 5
"""Documents of the learning curve's first point; each further one has twice as many."""


@dataclass(frozen=True)
class Learned:
    """How well held-out documents were read.

    Attributes:
        metrics: Those of `evaluate`, and `calibration_error` of the leaves.
        judged: (2, leaves): the confidence of each leaf, and 1 where it is right, else 0.
        curve: `value_f1` by the number of documents that were learned from.
    """

    metrics: Mapping[str, float]
    judged: Numbers
    curve: Mapping[int, float] = field(default_factory=dict)


def curve_sizes(documents: int, folds: int) -> list[int]:
    """Return the numbers of documents of a learning curve, all but the last one."""
    most, sizes = documents * (folds - 1) // folds, []
    size = _FIRST
    while size < most:
        sizes.append(size)
        size *= 2
    return sizes


def read_row(schema: Schema, pages: Sequence[FieldPage], ranker: Ranker) -> dict[str, Any]:
    """Return what the local engine gives for a document: a row of the output."""
    read: Mapping[int, PageReading] = {
        page.number: PageReading((), raw_fields=tree, evidence=evidence)
        for page in pages
        for tree, evidence in [find_fields(schema, page.words, (), page.number, ranker)]
    }
    found = assemble(schema, read, None)
    if found is None:
        return {"values": None, "fields": None, "error_code": None}
    leaves = [leaf.to_dict() for leaf in found.leaves]
    return {"values": json.dumps(found.values), "fields": leaves, "error_code": None}


def score_fields(
    documents: Sequence[FieldDocument], rows: Mapping[str, Mapping[str, Any]]
) -> Learned:
    """Score the rows of held-out documents."""
    truths = {each.form_id: FieldTruth.of(each) for each in documents}
    scores = [truths[name].score(row) for name, row in rows.items()]
    judged = judge_confidences(truths, rows)
    return Learned(aggregate(scores) | {"calibration_error": reliability(*judged).ece}, judged)


def print_learned(learned: Learned) -> None:
    """Print the metrics, the fields' F1 and the learning curve."""
    rows = [(name, f"{learned.metrics[name]:.3f}") for name in _SHOWN]
    rows += [
        (name, f"{value:.3f}")
        for name, value in learned.metrics.items()
        if name.startswith(PER_FIELD)
    ]
    cli.print_table(rows, ("metric", "value"))
    if learned.curve:
        points = [(f"{size}", f"{value:.3f}") for size, value in learned.curve.items()]
        cli.print_table(
            [*points, ("all", f"{learned.metrics['value_f1']:.3f}")], ("documents", "value_f1")
        )
