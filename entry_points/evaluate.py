"""Evaluates a logged extractor on annotated forms: traces, scores and a table of predictions."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.data.pandas_dataset import from_pandas
from mlflow.pyfunc import PyFuncModel

from data.forms import Form
from data.funsd import dataset_digest, load_folder
from entry_points import cli
from entry_points.loading import extractor_config, load_extractor, predict_rows, print_estimate
from entry_points.scoring.forms import FormScore, Truth, aggregate, score_forms
from entry_points.scoring.mlflow_scorer import form_scorer

PREDICTIONS = "predictions.json"

# Stands for a row that predict did not give; the extractor gives one for every document.
_RAISED: dict[str, Any] = {
    "pairs": None,
    "page_count": None,
    "error_code": "predict_raised",
    "error": "predict raised: the form's trace says why.",
    "input_tokens": None,
    "output_tokens": None,
    "cached_tokens": None,
    "attempts": 0,
    "cache_hits": 0,
    "cost": None,
}
_WHOLE = {"pages", "input_tokens", "output_tokens", "cached_tokens", "attempts", "cache_hits"}

# One layer retries and paces requests, the engine: MLflow's own is turned off. The extractor
# traces by itself, so MLflow need not try the first form to find out.
_HARNESS = {
    "MLFLOW_GENAI_EVAL_MAX_RETRIES": "0",
    "MLFLOW_GENAI_EVAL_PREDICT_RATE_LIMIT": "0",
    "MLFLOW_GENAI_EVAL_SKIP_TRACE_VALIDATION": "true",
}


@dataclass(frozen=True)
class FormReport:
    """How one form was read: a row of the predictions table.

    Attributes:
        doc_id: The form's id.
        pair_f1: Its fuzzy pair F1, [0, 1].
        true_pairs: How many pairs it has.
        right_pairs: How many of them were read.
        seconds: How long predict took, s.
        pages: Its pages, None when it could not be opened.
        error_code: Why it failed, None when it was read.
        error: What to do about that.
        mistakes: The worst mistakes.
        pairs: What was read, as JSON.
    """

    doc_id: str
    pair_f1: float
    true_pairs: int
    right_pairs: int
    seconds: float
    pages: int | None
    error_code: str | None
    error: str | None
    mistakes: str
    pairs: str


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        model_uri: The extractor that was evaluated.
        model_id: MLflow's id of its LoggedModel, None for one that is not logged.
        digest: The content hash of the forms.
        metrics: The headline metrics, as logged.
        forms: One report a form, by form id.
    """

    model_uri: str
    model_id: str | None
    digest: str
    metrics: Mapping[str, float]
    forms: Sequence[FormReport]

    @property
    def all_failed(self) -> bool:
        """Whether not a single form could be read."""
        return self.metrics["coverage"] == 0.0


@dataclass(frozen=True)
class _Reading:
    """One form's row of the output, and how long predict took, s."""

    outputs: dict[str, Any]
    seconds: float


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    return cli.parser(__doc__, "model-uri", "dataset", "limit", "seed", "max-concurrency", "cache")


def evaluate(
    model_uri: str, dataset: Path, *, limit: int | None, seed: int, settings: Mapping[str, Any]
) -> Evaluation:
    """Evaluate within the active run: log traces, assessments, metrics and a table.

    Args:
        model_uri: The logged extractor.
        dataset: A FUNSD-layout folder.
        limit: At most this many forms, drawn with `seed`; None for all.
        seed: Draws the forms.
        settings: `max_concurrency`, and others that replace those the extractor was logged with.

    Returns:
        The scores; a failed form scored 0 and is counted in `coverage`.

    Raises:
        DatasetError: The folder cannot be read.
        UsageError: The extractor cannot be loaded.
    """
    forms = load_folder(dataset, limit=limit, seed=seed)
    truths = {form.form_id: Truth.of(form) for form in forms}
    config = extractor_config(model_uri)
    model = load_extractor(model_uri, **settings)
    print_estimate(model, [form.image_path for form in forms])
    # OCR reads one page at a time on all cores: more than two forms would only wait in line, and
    # the waiting would count as theirs.
    most = settings["max_concurrency"]
    workers = most if config["engine"] == "openai" else min(most, 2)
    os.environ.update(_HARNESS, MLFLOW_GENAI_EVAL_MAX_WORKERS=str(workers))
    started = time.perf_counter()
    readings = _read_and_trace(model, forms, truths, content=config["trace_content"] == "full")
    seconds = time.perf_counter() - started
    scores = score_forms(truths, {doc_id: each.outputs for doc_id, each in readings.items()})
    evaluation = Evaluation(
        model_uri=model_uri,
        model_id=model.model_id,
        digest=dataset_digest(forms),
        metrics=aggregate(scores.values()) | _costs(readings, seconds),
        forms=[
            _form_report(doc_id, score, len(truths[doc_id].pairs), readings[doc_id])
            for doc_id, score in scores.items()
        ],
    )
    _log(evaluation, dataset.name)
    return evaluation


def _read_and_trace(
    model: PyFuncModel, forms: Sequence[Form], truths: Mapping[str, Truth], *, content: bool
) -> dict[str, _Reading]:
    """Let MLflow's harness read every form, and log a trace with assessments for each.

    Args:
        model: The loaded extractor.
        forms: What to read.
        truths: What they say, by form id.
        content: Whether document texts may enter the traces.
    """
    paths = {form.form_id: form.image_path for form in forms}
    readings: dict[str, _Reading] = {}

    def predict_fn(doc_id: str) -> dict[str, Any]:
        document = (doc_id, paths[doc_id].read_bytes())
        started = time.perf_counter()
        [outputs] = predict_rows(model, [document])
        readings[doc_id] = _Reading(outputs, time.perf_counter() - started)
        return outputs

    mlflow.genai.evaluate(
        data=[_record(form, content=content) for form in forms],
        predict_fn=predict_fn,
        scorers=[form_scorer(truths, content=content)],
        model_id=model.model_id,
    )
    if not readings:
        raise cli.UsageError("the extractor raised for every form: its traces say why.")
    return {doc_id: readings.get(doc_id, _Reading(_RAISED, 0.0)) for doc_id in truths}


def _record(form: Form, *, content: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"inputs": {"doc_id": form.form_id}}
    if content:
        pairs = [{"question": pair.question, "answer": pair.answer} for pair in form.pairs()]
        record["expectations"] = {"pairs": pairs}
    return record


def _costs(readings: Mapping[str, _Reading], seconds: float) -> dict[str, float]:
    """Return time, tokens and money; `seconds_per_page` is the whole evaluation's.

    There is no `cost` where that of one form is not known.
    """
    pages = sum(each.outputs["page_count"] or 0 for each in readings.values())
    costs = {"seconds_per_page": seconds / max(pages, 1), "pages": float(pages)}
    for name in ("input_tokens", "output_tokens", "cached_tokens", "attempts", "cache_hits"):
        costs[name] = float(sum(each.outputs[name] or 0 for each in readings.values()))
    if all(each.outputs["cost"] is not None for each in readings.values()):
        costs["cost"] = sum(each.outputs["cost"] for each in readings.values())
    return costs


def _form_report(doc_id: str, score: FormScore, true_pairs: int, reading: _Reading) -> FormReport:
    outputs = reading.outputs
    return FormReport(
        doc_id=doc_id,
        pair_f1=score.metrics()["pair_f1"],
        true_pairs=true_pairs,
        right_pairs=score.counts.fuzzy,
        seconds=reading.seconds,
        pages=outputs["page_count"],
        error_code=outputs["error_code"],
        error=outputs["error"],
        mistakes=score.mistakes.examples(),
        pairs=json.dumps(outputs["pairs"], ensure_ascii=False),
    )


def _log(evaluation: Evaluation, dataset_name: str) -> None:
    """Log metrics with the model and the dataset's content hash, and the table."""
    table = pd.DataFrame(map(asdict, evaluation.forms))
    dataset = from_pandas(table[["doc_id"]], name=dataset_name, digest=evaluation.digest)
    mlflow.log_metrics(dict(evaluation.metrics), model_id=evaluation.model_id, dataset=dataset)
    mlflow.log_input(dataset, context="evaluation")
    mlflow.set_tags({"model_uri": evaluation.model_uri, "dataset_digest": evaluation.digest})
    mlflow.log_table(table, PREDICTIONS)


def report(evaluation: Evaluation) -> None:
    """Print the scores, and the forms that took longest or were read worst."""
    forms = evaluation.forms
    failed = sum(form.error_code is not None for form in forms)
    print(f"\n{evaluation.model_uri}: {len(forms)} forms, {failed} failed")
    cli.print_table(
        (
            (name, f"{value:,.0f}" if name in _WHOLE else f"{value:.3f}")
            for name, value in evaluation.metrics.items()
        ),
        ("metric", "value"),
    )
    print("\nWorst forms")
    _print_forms(sorted(forms, key=lambda form: (form.pair_f1, -form.true_pairs)))
    print("\nSlowest forms")
    _print_forms(sorted(forms, key=lambda form: -form.seconds))


def _print_forms(forms: Sequence[FormReport], most: int = 3) -> None:
    cli.print_table(
        (
            (
                form.doc_id,
                f"{form.pair_f1:.2f}",
                f"{form.right_pairs} of {form.true_pairs}",
                f"{form.seconds:.1f}",
                (form.error or form.mistakes)[:80],
            )
            for form in forms[:most]
        ),
        ("form", "pair_f1", "pairs right", "seconds", "what went wrong"),
    )


def where_to_look(run_id: str) -> None:
    """Print how to open the run, its traces and its table."""
    uri = mlflow.get_tracking_uri()
    store = "" if uri.startswith("http") else f" --backend-store-uri {uri}"
    print(f"\nRun {run_id} ({PREDICTIONS}, traces, metrics). Look at it:\n  mlflow ui{store}")


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    with mlflow.start_run() as run:
        evaluation = evaluate(
            args.model_uri,
            cli.in_project(args.dataset),
            limit=args.limit,
            seed=args.seed,
            settings=cli.reading_settings(args),
        )
    report(evaluation)
    where_to_look(run.info.run_id)
    return int(evaluation.all_failed)


if __name__ == "__main__":
    raise SystemExit(main())
