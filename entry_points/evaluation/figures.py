"""Logs an evaluation's pictures: figures without a form's text, and a typical form as read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mlflow.entities import Run
from mlflow.pyfunc import PyFuncModel

from data.drawing import draw_form
from data.forms import Document, Entity, Form
from entry_points.evaluation.read_items import ReadItem
from entry_points.evaluation.results import Evaluation
from entry_points.scoring.calibration import error_left, reliability
from entry_points.scoring.counts import Numbers

# Okabe and Ito's palette, as in the report.
_COLOURS = {
    "right": "#009e73",
    "misread": "#d55e00",
    "invalid": "#e69f00",
    "missed": "#0072b2",
    "invented": "#b0568a",
}
_PLAIN = "#1f5fa8"

_FOLDER = "read"


def log_figures(evaluation: Evaluation, run_id: str) -> None:
    """Log the figures to a run, under `figures/`."""
    client = mlflow.MlflowClient()
    for name, figure in _figures(evaluation):
        client.log_figure(run_id, figure, f"figures/{name}.png")


def _figures(evaluation: Evaluation) -> Iterator[tuple[str, Figure]]:
    yield "error_types", _error_types(evaluation)
    yield "score_by_length", _score_by_length(evaluation)
    if evaluation.judged.size:
        yield "reliability", draw_reliability(evaluation.judged, evaluation.kind.UNIT)
        yield "review", _review(evaluation)


def new_axes(title: str, across: str, up: str) -> tuple[Figure, Axes]:
    """Return a figure with empty axes: its title, and what is measured across and up."""
    figure = Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=across, ylabel=up)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _error_types(evaluation: Evaluation) -> Figure:
    kinds = evaluation.fates
    unit = evaluation.kind.UNIT
    figure, axes = new_axes(f"What became of the {unit}", "", unit)
    bars = axes.bar(list(kinds), list(kinds.values()), color=[_COLOURS[kind] for kind in kinds])
    axes.bar_label(bars, fmt="{:,.0f}")
    return figure


def _score_by_length(evaluation: Evaluation) -> Figure:
    kind = evaluation.kind
    across, up = f"true {kind.UNIT}", f"{kind.MAIN} of the form"
    figure, axes = new_axes("Score by length of the form", across, up)
    scores = [form.main for form in evaluation.forms]
    axes.scatter([form.score.true for form in evaluation.forms], scores, color=_PLAIN, alpha=0.6)
    axes.set_ylim(-0.03, 1.03)
    return figure


def draw_reliability(judged: Numbers, unit: str) -> Figure:
    """Draw what share of "pairs" or "values" (`unit`) was right, by their confidence.

    `judged` is that of `judge_confidences`, of at least one.
    """
    found = reliability(*judged)
    title = f"Reliability: expected calibration error {found.ece:.3f}"
    figure, axes = new_axes(title, "confidence", f"share of the {unit} that are right")
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", label="perfectly calibrated")
    axes.plot(found.confidence, found.accuracy, color=_PLAIN, marker="o", label="this extractor")
    for x, y, pairs in zip(found.confidence, found.accuracy, found.pairs, strict=True):
        axes.annotate(f"{pairs:,.0f}", (x, y), (0, 7), textcoords="offset points", ha="center")
    axes.set(xlim=(0, 1), ylim=(-0.03, 1.08))
    axes.legend()
    return figure


def _review(evaluation: Evaluation) -> Figure:
    left = error_left(*evaluation.judged)
    reviewed = np.linspace(0, 100, len(left))
    figure, axes = new_axes(
        f"Error left if a person reviews the least confident {evaluation.kind.UNIT}",
        f"{evaluation.kind.UNIT} reviewed, %",
        f"predicted {evaluation.kind.UNIT} still wrong, %",
    )
    axes.plot(reviewed, 100 * left, color=_PLAIN, label="least confident first")
    axes.plot([0, 100], [100 * left[0], 0], color="grey", linestyle="--", label="in any order")
    axes.set(xlim=(0, 100), ylim=(0, None))
    axes.legend()
    return figure


def log_picture(evaluation: Evaluation, forms: Sequence[Document], model: PyFuncModel) -> None:
    """Log the typical form's pages with a box around everything that was read, if there is one."""
    if (typical := evaluation.typical) is None:
        return
    [form] = [form for form in forms if form.form_id == typical.doc_id]
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    pages = extractor.pages(form.image_path.read_bytes())
    read = _as_form(form, evaluation.items(typical))
    mlflow.log_image(draw_form(read, pages), artifact_file=_artifact(typical.doc_id))


def local_picture(evaluation: Evaluation, run: Run) -> Path | None:
    """Return the picture's path on this machine, after a download if necessary; None for none."""
    if (typical := evaluation.typical) is None:
        return None
    uri = f"{run.info.artifact_uri}/{_artifact(typical.doc_id)}"
    return Path(mlflow.artifacts.download_artifacts(uri))


def _artifact(form_id: str) -> str:
    return f"{_FOLDER}/{form_id}.png"


def _as_form(document: Document, items: Sequence[ReadItem]) -> Form:
    """Return a form with what was read in place of what was annotated."""
    linked = [tuple(_entities(number, item)) for number, item in enumerate(items)]
    return Form(
        document.form_id,
        document.image_path,
        document.image_path,
        tuple(entity for entities in linked for entity in entities),
        tuple((pair[0], pair[1]) for pair in linked if len(pair) == 2),
    )


def _entities(number: int, item: ReadItem) -> Iterator[Entity]:
    """Yield what was read and what it answers, as far as their boxes are known."""
    if item.name_box is not None:
        yield Entity(2 * number, "question", item.name, item.name_box, page=item.page)
    if item.box is not None:
        yield Entity(2 * number + 1, "answer", item.text, item.box, page=item.page)
