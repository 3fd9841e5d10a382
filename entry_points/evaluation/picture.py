"""Draws what was read on a typical form, a picture that anybody can open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run
from mlflow.pyfunc import PyFuncModel

from data.drawing import draw_form
from data.forms import Document, Entity, Form
from entry_points.evaluation.read_items import ReadItem
from entry_points.evaluation.results import Evaluation

_FOLDER = "read"


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
