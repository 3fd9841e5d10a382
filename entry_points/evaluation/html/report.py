"""Turns an evaluation into one HTML file, and logs it to the evaluation's run."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import mlflow
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from mlflow.entities import Run
from mlflow.pyfunc import PyFuncModel

from data.forms import Document, Form
from data.progress import Progress
from entry_points.command_line.tracking import experiment_page
from entry_points.evaluation.html.field_views import FieldLine, field_lines, field_rows
from entry_points.evaluation.html.views import SHOWN, FormView, PageView, Row, form_rows, page_views
from entry_points.evaluation.reading import Reading
from entry_points.evaluation.results import Evaluation
from entry_points.logged_models.card import card_of, sections_of
from entry_points.scoring.field_score import PER_FIELD, FieldScore
from entry_points.scoring.fields import FieldTruth
from entry_points.scoring.forms import Truth
from entry_points.scoring.scores import LOWER_IS_BETTER, DocumentTruth, Score

REPORT = "report.html"


def templates(*folders: Path) -> Environment:
    """Return the templates of the report and of other folders; what they show is escaped."""
    return Environment(
        loader=FileSystemLoader([Path(__file__).parent, *folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(
    evaluation: Evaluation,
    forms: Sequence[FormView],
    run_address: str,
    lines: Sequence[FieldLine] = (),
    card: Sequence[tuple[str, Sequence[str]]] = (),
) -> str:
    """Return the report as one HTML page that needs nothing else.

    Every text is escaped by the template. A content security policy lets the browser run the
    report's own script only, by its nonce, and fetch nothing. `lines` is the table of fields, empty
    if pairs were read; `card` has the title and the lines of each section of the model card.
    """
    page = templates().get_template("report.html")
    return page.render(
        evaluation=evaluation,
        forms=sorted(forms, key=lambda form: form.result.main),
        lines=lines,
        card=card,
        per_field=PER_FIELD,
        kinds=SHOWN[evaluation.kind.UNIT],
        run_address=run_address,
        lower_is_better=LOWER_IS_BETTER,
        nonce=secrets.token_urlsafe(16),
    )


def log_report(
    evaluation: Evaluation,
    forms: Sequence[Document],
    truths: Mapping[str, DocumentTruth[Score]],
    model: PyFuncModel,
    run: Run,
) -> None:
    """Log `report.html` to a run; it links to the run and to the forms' traces."""
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    annotated = {form.form_id: form for form in forms}
    experiment = experiment_page(run.info.experiment_id)
    views = []
    for result in Progress(evaluation.forms, desc="report", unit="forms"):
        form, reading = annotated[result.doc_id], evaluation.readings[result.doc_id]
        rows: list[Row] = []
        pages: list[PageView] = []
        if evaluation.content:
            rows = _rows(form, truths[result.doc_id], reading)
            pages = page_views(extractor.pages(form.image_path.read_bytes()))
        views.append(
            FormView(
                result=result,
                error=reading.outputs["error"] or "",
                trace=_trace_address(experiment, reading.trace_id),
                pages=pages,
                rows=rows,
            )
        )
    address = f"{experiment}/runs/{run.info.run_id}"
    lines = _lines(evaluation, next(iter(truths.values())))
    card = sections_of(card_of(evaluation.model_id)) if evaluation.model_id else []
    mlflow.log_text(render(evaluation, views, address, lines, card), REPORT, run.info.run_id)


def _rows(form: Document, truth: DocumentTruth[Score], reading: Reading) -> list[Row]:
    if isinstance(truth, FieldTruth):
        return field_rows(truth, reading)
    return form_rows(cast(Form, form), cast(Truth, truth), reading)


def _lines(evaluation: Evaluation, truth: DocumentTruth[Score]) -> list[FieldLine]:
    if not isinstance(truth, FieldTruth):
        return []
    scores = [cast(FieldScore, form.score) for form in evaluation.forms]
    return field_lines(truth, scores, evaluation.metrics, evaluation.intervals)


def _trace_address(experiment: str, trace_id: str | None) -> str:
    query = f"selectedEvaluationId={trace_id}&startTimeLabel=ALL"
    return f"{experiment}/traces?{query}" if trace_id else ""
