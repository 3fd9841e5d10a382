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
from entry_points.evaluation.assessors import OwnScorer, correct_format
from entry_points.evaluation.figures import log_figures, log_picture
from entry_points.evaluation.html.report import log_report
from entry_points.evaluation.reading import Dataset, note_trace, read_and_trace
from entry_points.evaluation.results import MEASURED, Evaluation, FormResult, headline, log
from entry_points.logged_models.calls import print_estimate, sample_of
from entry_points.logged_models.card import write_scores
from entry_points.logged_models.loading import (
    extractor_config,
    learned_from,
    load_extractor,
    require_same_kind,
    version_of,
)
from entry_points.scoring.bootstrap import intervals
from entry_points.scoring.calibration import judge_confidences
from entry_points.scoring.mlflow_scorer import form_scorer
from entry_points.scoring.scores import DocumentTruth, Score, aggregate, score_forms
from entry_points.scoring.truths import truth_of

# The settings that are shown beside the scores, by engine.
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
        dataset: The forms to read.
        settings: `max_concurrency`, and others that replace those the extractor was logged with.
        max_cost: Most that the forms may cost, USD: no form starts that could exceed it; None for
            no limit.
        judge: The LLM that judges the output's format, `openai:/<model>`; "" for none.
        scorers: The user's own scorers.

    Returns:
        The scores. A failed form scores 0 and counts in `coverage`; forms that did not start are
        neither in the scores nor in the digest.

    Raises:
        UsageError: The extractor cannot be loaded or reads no fields although the dataset has
            some, a judge or scorer cannot be used, or `max_cost` is given with a judge or for an
            LLM whose price is not known.
    """
    if judge and max_cost is not None:
        raise cli.UsageError(
            "the cost of a judge is not known: give only one of --max-cost and --judge."
        )
    forms = dataset.forms
    truths = {form.form_id: truth_of(form) for form in forms}
    config = {**extractor_config(model_uri), **settings}
    content = config["trace_content"] == "full"
    reader = config["llm" if config["engine"] == "openai" else "engine"]
    name_run(f"evaluate {version_of(model_uri)} on {dataset.name} ({reader})")
    expectations = {form.form_id: form.expectations() for form in forms}
    assessors = [form_scorer(truths, content=content, note_trace=note_trace)]
    assessors += [each.to_mlflow(expectations) for each in scorers]
    if judge:
        assessors.append(correct_format(judge, content=content))
    _refuse_taken_names(scorers, truths)
    model = load_extractor(model_uri, **settings)
    require_same_kind(model, config, forms[0], model_uri)
    print_estimate(model, [form.image_path for form in sample_of(forms)], len(forms))
    # OCR reads one page at a time on all cores: a third form would only wait, and its time would
    # include that.
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
        read_by={name: config[name] for name in ("engine", *_READ_BY[config["engine"]])},
        dataset_name=dataset.name,
        digest=dataset_digest(begun),
        content=content,
        metrics=headline(results, judged, seconds) | _own_means(scorers),
        intervals=intervals(scores),
        forms=results,
        readings=readings,
        judged=judged,
        blanks_asked=config["engine"] == "openai" or bool(config.get("include_blank")),
        learned_from=learned_from(model_uri, begun),
    )
    log(evaluation)
    if model.model_id is not None:
        write_scores(model_uri, model.model_id)
    log_figures(evaluation, run.info.run_id)
    log_picture(evaluation, forms, model)
    log_report(evaluation, forms, truths, model, run)
    return evaluation


def _refuse_taken_names(
    scorers: Sequence[OwnScorer], truths: Mapping[str, DocumentTruth[Score]]
) -> None:
    """Refuse scorers whose means would replace a metric, before any form is paid for."""
    if not scorers:
        return
    taken = MEASURED | aggregate([truth.score(None) for truth in truths.values()]).keys()
    for each in scorers:
        if each.name.removesuffix("_low").removesuffix("_high") in taken:
            raise cli.UsageError(
                f"the scorer {each.name[:80]} has the name of a metric that evaluate logs: rename "
                "the function."
            )


def _own_means(scorers: Sequence[OwnScorer]) -> dict[str, float]:
    means = {each.name: each.mean() for each in scorers}
    return {name: mean for name, mean in means.items() if mean is not None}


def report_left(forms: int, evaluation: Evaluation) -> int:
    """Tell the user and the active run how many forms `max_cost` left unread, and return it."""
    left = forms - len(evaluation.forms)
    mlflow.set_tag("forms_left", left)
    if left:
        print(
            f"\n{left} of {forms} forms left: they could exceed --max-cost. "
            "The scores are those of the others."
        )
    return left
