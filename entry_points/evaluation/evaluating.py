"""Evaluates a logged extractor within the active run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import mlflow
from mlflow.entities import Run

from data.funsd import dataset_digest
from entry_points.command_line import cli
from entry_points.command_line.tracking import name_run
from entry_points.comparing.promotion import pinned
from entry_points.evaluation.figures import log_figures
from entry_points.evaluation.judge import correct_format
from entry_points.evaluation.own_scorers import OwnScorer
from entry_points.evaluation.picture import log_picture
from entry_points.evaluation.reading import Dataset, read_and_trace
from entry_points.evaluation.report import log_report
from entry_points.evaluation.results import Evaluation, FormResult, headline, log
from entry_points.logged_models.loading import (
    extractor_config,
    load_extractor,
    print_estimate,
    require_same_kind,
    sample_of,
)
from entry_points.scoring.bootstrap import intervals
from entry_points.scoring.calibration import judge_confidences
from entry_points.scoring.mlflow_scorer import form_scorer
from entry_points.scoring.scores import score_forms
from entry_points.scoring.truths import truth_of

# The settings, by engine, that a reader of scores asks for first.
_READ_BY = {"openai": ("llm", "page_input", "prompt_uri"), "local": ("ocr_quality",)}


def evaluate(  # noqa: PLR0913 - what reads what, for how much, and where it is logged
    run: Run,
    model_uri: str,
    dataset: Dataset,
    *,
    settings: Mapping[str, Any],
    max_cost: float | None = None,
    judge: str = "",
    scorers: Sequence[OwnScorer] = (),
) -> Evaluation:
    """Evaluate within the active run: log traces, assessments, metrics, tables and the report.

    Args:
        run: The active run.
        model_uri: The logged extractor.
        dataset: What it shall read.
        settings: `max_concurrency`, and others that replace those the extractor was logged with.
        max_cost: No form is begun that could make them cost more, USD; None for no ceiling.
        judge: The LLM that judges the output's format, `openai:/<model>`; "" for none.
        scorers: The user's own.

    Returns:
        The scores; a failed form scored 0 and is counted in `coverage`. A form that was not begun
        is no part of them, nor of the digest.

    Raises:
        UsageError: The extractor cannot be loaded or reads no fields where they are asked for, a
            judge or scorer cannot be used, or `max_cost` is given with a judge or for an LLM whose
            price is not known.
    """
    if judge and max_cost is not None:
        raise cli.UsageError("what a judge costs is not known: give --max-cost or --judge.")
    forms = dataset.forms
    truths = {form.form_id: truth_of(form) for form in forms}
    config = {**extractor_config(model_uri), **settings}
    content = config["trace_content"] == "full"
    reader = config["llm" if config["engine"] == "openai" else "engine"]
    name_run(f"evaluate {_version(model_uri)} on {dataset.name} ({reader})")
    expectations = {form.form_id: form.expectations() for form in forms}
    assessors = [form_scorer(truths, content=content)]
    assessors += [each.to_mlflow(expectations) for each in scorers]
    if judge:
        assessors.append(correct_format(judge, content=content))
    model = load_extractor(model_uri, **settings)
    require_same_kind(model, config, forms[0], model_uri)
    print_estimate(model, [form.image_path for form in sample_of(forms)], len(forms))
    # OCR reads one page at a time on all cores: more than two forms would only wait in line, and
    # the waiting would count as theirs.
    most = config["max_concurrency"]
    workers = most if config["engine"] == "openai" else min(most, 2)
    started = time.perf_counter()
    readings = read_and_trace(
        model, dataset, assessors, content=content, workers=workers, max_cost=max_cost
    )
    seconds = time.perf_counter() - started
    begun = [form for form in forms if form.form_id in readings]
    truths = {form.form_id: truths[form.form_id] for form in begun}
    outputs = {doc_id: each.outputs for doc_id, each in readings.items()}
    scores = score_forms(truths, outputs)
    judged = judge_confidences(truths, outputs)
    results = [FormResult.of(doc_id, score, readings[doc_id]) for doc_id, score in scores.items()]
    evaluation = Evaluation(
        model_uri=model_uri,
        model_id=model.model_id,
        read_by=_read_by(config),
        dataset_name=dataset.name,
        digest=dataset_digest(begun),
        content=content,
        metrics=headline(results, judged, seconds) | _own_means(scorers),
        intervals=intervals(scores),
        forms=results,
        readings=readings,
        judged=judged,
        blanks_asked=config["engine"] == "openai" or bool(config.get("include_blank")),
    )
    log(evaluation)
    log_figures(evaluation, run.info.run_id)
    log_picture(evaluation, forms, model)
    log_report(evaluation, forms, truths, model, run)
    return evaluation


def _own_means(scorers: Sequence[OwnScorer]) -> dict[str, float]:
    means = {each.name: each.mean() for each in scorers}
    return {name: mean for name, mean in means.items() if mean is not None}


def _read_by(config: Mapping[str, Any]) -> dict[str, str]:
    return {name: config[name] for name in ("engine", *_READ_BY[config["engine"]])}


def _version(model_uri: str) -> str:
    """Return the model's name and version as they stand in a run's name."""
    if "@" in model_uri:
        return "/".join(pinned(model_uri))
    return model_uri.removeprefix("models:/")


def report_left(forms: int, evaluation: Evaluation) -> int:
    """Tell the user and the active run how many forms `max_cost` left unread, and return it."""
    left = forms - len(evaluation.forms)
    mlflow.set_tag("forms_left", left)
    if left:
        print(
            f"\n{left} of {forms} forms left: --max-cost would be crossed. The scores are those of "
            "the others."
        )
    return left
