"""Evaluates a logged extractor on annotated forms: traces, scores and a table of predictions."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

import mlflow
from mlflow.entities import Run

from data.forms import Form
from data.funsd import dataset_digest, load_folder
from entry_points import cli
from entry_points.evaluation.figures import log_figures
from entry_points.evaluation.printing import report, where_to_look
from entry_points.evaluation.reading import read_and_trace
from entry_points.evaluation.report import log_report
from entry_points.evaluation.results import Evaluation, FormResult, headline, log
from entry_points.loading import extractor_config, load_extractor, print_estimate
from entry_points.scoring.bootstrap import intervals
from entry_points.scoring.calibration import judge
from entry_points.scoring.forms import Truth, score_forms


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    return cli.parser(
        __doc__, "model-uri", "dataset", "split", "limit", "seed", "max-concurrency", "cache"
    )


def evaluate(
    run: Run,
    model_uri: str,
    forms: Sequence[Form],
    *,
    dataset_name: str,
    settings: Mapping[str, Any],
) -> Evaluation:
    """Evaluate within the active run: log traces, assessments, metrics, tables and the report.

    Args:
        run: The active run.
        model_uri: The logged extractor.
        forms: What it shall read.
        dataset_name: The name under which MLflow shows them.
        settings: `max_concurrency`, and others that replace those the extractor was logged with.

    Returns:
        The scores; a failed form scored 0 and is counted in `coverage`.

    Raises:
        UsageError: The extractor cannot be loaded.
    """
    truths = {form.form_id: Truth.of(form) for form in forms}
    config = {**extractor_config(model_uri), **settings}
    model = load_extractor(model_uri, **settings)
    print_estimate(model, [form.image_path for form in forms])
    # OCR reads one page at a time on all cores: more than two forms would only wait in line, and
    # the waiting would count as theirs.
    most = config["max_concurrency"]
    workers = most if config["engine"] == "openai" else min(most, 2)
    content = config["trace_content"] == "full"
    started = time.perf_counter()
    readings = read_and_trace(model, forms, truths, content=content, workers=workers)
    seconds = time.perf_counter() - started
    outputs = {doc_id: each.outputs for doc_id, each in readings.items()}
    scores = score_forms(truths, outputs)
    judged = judge(truths, outputs)
    results = [FormResult.of(doc_id, score, readings[doc_id]) for doc_id, score in scores.items()]
    evaluation = Evaluation(
        model_uri=model_uri,
        model_id=model.model_id,
        dataset_name=dataset_name,
        digest=dataset_digest(forms),
        content=content,
        metrics=headline(results, judged, seconds),
        intervals=intervals(scores),
        forms=results,
        readings=readings,
        judged=judged,
    )
    log(evaluation)
    log_figures(evaluation, run.info.run_id)
    log_report(evaluation, forms, truths, model, run)
    return evaluation


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    dataset = cli.in_project(args.dataset)
    split = cli.optional_split(args.split)
    forms = load_folder(dataset, split=split, limit=args.limit, seed=args.seed)
    with mlflow.start_run() as run:
        mlflow.set_tag("split", args.split)
        evaluation = evaluate(
            run,
            args.model_uri,
            forms,
            dataset_name=dataset.name,
            settings=cli.reading_settings(args),
        )
    report(evaluation)
    where_to_look(run.info.run_id)
    return int(evaluation.all_failed)


if __name__ == "__main__":
    raise SystemExit(main())
