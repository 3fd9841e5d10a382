"""Turns an evaluation into one HTML file."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from entry_points.evaluation.html.field_views import FieldLine
from entry_points.evaluation.html.views import SHOWN, FormView
from entry_points.evaluation.results import Evaluation
from entry_points.scoring.field_score import PER_FIELD
from entry_points.scoring.scores import LOWER_IS_BETTER


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
