"""Draws what was read on a typical form, a picture that anybody can open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import mlflow
from mlflow.entities import Run
from mlflow.pyfunc import PyFuncModel

from data.drawing import draw_form
from data.forms import Entity, Form
from entry_points.evaluation.results import Evaluation

_FOLDER = "read"


def log_picture(evaluation: Evaluation, forms: Sequence[Form], model: PyFuncModel) -> None:
    """Log the typical form's pages with a box around every question and answer that was read.

    Args:
        evaluation: What was found; with no typical form there is no picture.
        forms: The annotated forms.
        model: The loaded extractor; it opens the pages as it saw them.
    """
    if (typical := evaluation.typical) is None:
        return
    [form] = [form for form in forms if form.form_id == typical.doc_id]
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    pages = extractor.pages(form.image_path.read_bytes())
    read = _as_form(form, evaluation.pairs(typical))
    mlflow.log_image(draw_form(read, pages), artifact_file=_artifact(typical.doc_id))


def local_picture(evaluation: Evaluation, run: Run) -> Path | None:
    """Return a path of the picture on this machine; None where there is none.

    Args:
        evaluation: What was found.
        run: The run that has the picture; a remote one is fetched.
    """
    if (typical := evaluation.typical) is None:
        return None
    uri = f"{run.info.artifact_uri}/{_artifact(typical.doc_id)}"
    return Path(mlflow.artifacts.download_artifacts(uri))


def _artifact(form_id: str) -> str:
    return f"{_FOLDER}/{form_id}.png"


def _as_form(form: Form, pairs: Sequence[Mapping[str, Any]]) -> Form:
    """Return the form with what was read in place of what was annotated."""
    linked = [tuple(_entities(number, pair)) for number, pair in enumerate(pairs)]
    return Form(
        form.form_id,
        form.image_path,
        form.annotation_path,
        tuple(entity for entities in linked for entity in entities),
        tuple((pair[0], pair[1]) for pair in linked if len(pair) == 2),
    )


def _entities(number: int, pair: Mapping[str, Any]) -> Iterator[Entity]:
    """Yield the question and the answer of a pair, as far as their boxes are known."""
    labels: tuple[Literal["question", "answer"], ...] = ("question", "answer")
    for place, label in enumerate(labels):
        if pair[f"{label}_box"] is not None:
            box = tuple(pair[f"{label}_box"])
            yield Entity(2 * number + place, label, pair[label], box, page=pair["page"])
