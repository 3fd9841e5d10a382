"""Metrics and figures on held-out documents: of the trained stages, and of fields."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, average_precision_score, confusion_matrix, log_loss

from entry_points.command_line import cli
from entry_points.scoring.calibration import judge_confidences, reliability
from entry_points.scoring.field_score import PER_FIELD
from entry_points.scoring.fields import FieldTruth
from entry_points.scoring.scores import aggregate
from ocr_extractor.engines.base import PageReading
from ocr_extractor.engines.local.fields.search import find_fields
from ocr_extractor.engines.local.learned.page_features import LABELS
from ocr_extractor.fields.assembly import assemble

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from data.fields import FieldDocument
    from entry_points.scoring.counts import Numbers
    from entry_points.training.field_lessons import FieldPage
    from entry_points.training.truth import Targets
    from ocr_extractor.engines.local.fields.ranker import Ranker
    from ocr_extractor.engines.local.learned.cascade import Ask, Stage
    from ocr_extractor.engines.local.learned.columns import Floats
    from ocr_extractor.fields.schema import Schema

_MOST_SHOWN = 20

_SHOWN = ("value_f1", "value_f1_lenient", "document_accuracy", "calibration_error")
_FIRST = 5
"""Documents of the learning curve's first point; each further one has twice as many."""


class Answers:
    """Collects the answers of the stages on held-out forms, and the right answers."""

    def __init__(self) -> None:
        self._answers: dict[Stage, list[Floats]] = defaultdict(list)
        self._targets: dict[Stage, list[Targets]] = defaultdict(list)

    def add(self, ask: Ask, answer: Floats, targets: Targets) -> None:
        """Take the answers to one question."""
        self._answers[ask.stage].append(answer)
        self._targets[ask.stage].append(targets)

    def metrics(self) -> dict[str, float]:
        """Return `<stage>_log_loss`, and the stage's accuracy or average precision, [0, 1]."""
        found = {}
        for stage, parts in self._answers.items():
            answers, targets = np.concatenate(parts).astype(np.float64), self._right(stage)
            classes = [*range(len(LABELS))] if answers.ndim == 2 else [0, 1]
            if answers.ndim == 2:
                answers /= answers.sum(axis=1, keepdims=True)  # they were rounded to float32
            found[f"{stage}_log_loss"] = float(log_loss(targets, answers, labels=classes))
            if answers.ndim == 2:
                accuracy = accuracy_score(targets, answers.argmax(axis=1))
                found[f"{stage}_accuracy"] = float(accuracy)
            elif targets.any():
                precision = average_precision_score(targets, answers)
                found[f"{stage}_average_precision"] = float(precision)
        return found

    def stages(self) -> list[Stage]:
        """Return the stages that have answered questions."""
        return [*self._answers]

    def confusion(self, stage: Stage) -> NDArray[np.int64]:
        """Return (true, answered) counts of a stage: of labels, or of no and yes."""
        answers, targets = np.concatenate(self._answers[stage]), self._right(stage)
        labelled = answers.ndim == 2
        answered = answers.argmax(axis=1) if labelled else (answers >= 0.5).astype(np.intp)
        classes = range(len(LABELS) if labelled else 2)
        return np.asarray(confusion_matrix(targets, answered, labels=classes))

    def _right(self, stage: Stage) -> Targets:
        return np.concatenate(self._targets[stage])


def draw_confusion(counts: NDArray[np.int64], names: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix."""
    figure, axes = _figure()
    axes.imshow(counts / np.maximum(1, counts.sum(axis=1, keepdims=True)), cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, f"{count:,}", ha="center", va="center")
    axes.set(xticks=range(len(names)), xticklabels=names, yticks=range(len(names)))
    axes.set(yticklabels=names, xlabel="answered", ylabel="true", title=title)
    return figure


def draw_importances(importances: Mapping[str, float], title: str) -> Figure:
    """Draw the features with the largest gain."""
    top = sorted(importances.items(), key=lambda item: item[1])[-_MOST_SHOWN:]
    figure, axes = _figure()
    axes.barh([name for name, _ in top], [share for _, share in top])
    axes.set(xlabel="share of the gain", title=title)
    return figure


def _figure() -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 6), layout="constrained")
    return figure, figure.add_subplot()


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
