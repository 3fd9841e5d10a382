"""Where the card of a logged model is kept, and its scores, which each evaluation writes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import mlflow
from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from entry_points.command_line.cli import UsageError, printable
from entry_points.command_line.rights import without_password
from entry_points.logged_models.loading import pinned
from entry_points.scoring.field_score import FieldScore
from entry_points.scoring.forms import FormScore

CARD = "card.md"
"""The card's name among the artifacts of a logged model."""

SCORES = "\n## Scores\n\n"
"""The title of the card's last section; what follows is replaced by each evaluation."""

LONGEST = 5000
"""Most characters of a card: MLflow's column for the description of a model version has no more."""

_MOST_ROWS = 8


def card_of(model_id: str) -> str:
    """Return the card of a logged model, "" if it has none."""
    return str(mlflow.get_logged_model(model_id).tags.get(MLFLOW_RUN_NOTE, ""))


def sections_of(card: str) -> list[tuple[str, list[str]]]:
    """Return the title and the lines of each section of a card, without the scores."""
    parts = card.partition(SCORES)[0].split("\n## ")[1:]
    cut = (part.partition("\n") for part in parts)
    return [
        (title, [line.removeprefix("- ") for line in lines.splitlines() if line])
        for title, _, lines in cut
    ]


def keep_card(card: str, model_id: str) -> None:
    """Keep a card with a logged model: as its description, and among its artifacts."""
    client = mlflow.MlflowClient()
    client.set_logged_model_tags(model_id, {MLFLOW_RUN_NOTE: card})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / CARD
        file.write_text(card, encoding="utf-8")
        client.log_model_artifact(model_id, str(file))


def write_scores(model_uri: str, model_id: str) -> None:
    """Write the scores of a logged model's newest evaluations into its card.

    The description of a registered version is written too. What people have written into either
    above the scores stays; without the title of the scores nothing is written. A user who may
    evaluate need not be allowed to edit the model: then a line says that the card is older.
    """
    try:
        _write_scores(model_uri, model_id)
    except MlflowException as error:
        reason = printable(without_password(error.message, "***@"))
        print(f"The model card does not have these scores: {reason[:200]}")


def _write_scores(model_uri: str, model_id: str) -> None:
    scores = "".join(_table(model_id))
    if card := _with_scores(card_of(model_id), scores):
        keep_card(card, model_id)
    try:
        version = pinned(model_uri)
    except UsageError:  # not registered
        return
    client = mlflow.MlflowClient()
    if card := _with_scores(client.get_model_version(*version).description or "", scores):
        client.update_model_version(*version, description=card)


def _with_scores(card: str, scores: str) -> str:
    """Return a card with other scores, "" if it has no place for them."""
    head, title, _ = card.partition(SCORES)
    return (head + title + scores)[:LONGEST] if title else ""


def _table(model_id: str) -> Iterator[str]:
    """Yield the lines of the table of scores: the newest evaluation on each set of documents."""
    metrics = mlflow.get_logged_model(model_id).metrics or []
    newest: dict[str, Metric] = {}
    for metric in sorted(metrics, key=lambda metric: -metric.timestamp):
        if metric.key == "coverage" and metric.run_id and metric.dataset_digest:
            newest.setdefault(metric.dataset_digest, metric)
    yield "| documents | scores (95 % interval) | evaluated |\n| --- | --- | --- |\n"
    for metric in list(newest.values())[:_MOST_ROWS]:
        run = mlflow.get_run(str(metric.run_id))
        when = datetime.fromtimestamp(metric.timestamp / 1000, UTC).date()
        yield f"| {_documents(run, metric)} | {_scores(run)} | {when} |\n"


def _documents(run: Run, metric: Metric) -> str:
    count, split = run.data.tags.get("documents", "?"), run.data.tags.get("split", "all")
    named = printable(metric.dataset_name).replace("|", "/")[:80]
    return f"{count} of {named}" + ("" if split == "all" else f", {split} split")


def _scores(run: Run) -> str:
    metrics = run.data.metrics
    names = FieldScore.PRINTED if FieldScore.MAIN in metrics else FormScore.PRINTED
    return ", ".join(
        f"{name} {metrics[name]:.3f} "
        f"({metrics[f'{name}_low']:.3f} to {metrics[f'{name}_high']:.3f})"
        for name in names
        if f"{name}_low" in metrics
    )
