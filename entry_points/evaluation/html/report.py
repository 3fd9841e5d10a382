"""Turns an evaluation into one HTML file, and logs it to the evaluation's run."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import mlflow
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from mlflow.entities import Run
from mlflow.pyfunc import PyFuncModel

from data.forms import Document, Form
from data.progress import Progress
from entry_points.command_line.tracking import experiment_page, trace_page
from entry_points.evaluation.html.views import (
    SHOWN,
    FormView,
    Kind,
    Mark,
    PageView,
    Row,
    Text,
    form_rows,
    marked,
    page_views,
    plain,
)
from entry_points.evaluation.reading import Reading
from entry_points.evaluation.results import Evaluation
from entry_points.logged_models.card import card_of, sections_of
from entry_points.scoring.field_cells import Cell, FieldAlignment
from entry_points.scoring.field_score import PER_FIELD, FieldScore, merged_tally, metric_names
from entry_points.scoring.fields import FieldTruth, shown, what_became
from entry_points.scoring.forms import Truth
from entry_points.scoring.scores import LOWER_IS_BETTER, DocumentTruth, Score, is_failed

REPORT = "report.html"


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
    experiment_id = run.info.experiment_id
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
                trace=trace_page(experiment_id, reading.trace_id) if reading.trace_id else "",
                pages=pages,
                rows=rows,
            )
        )
    address = f"{experiment_page(experiment_id)}/runs/{run.info.run_id}"
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
