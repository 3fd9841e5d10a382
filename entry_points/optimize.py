"""Searches for a better prompt (GEPA) and registers it if it wins on forms the search never saw."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import mlflow
import pandas as pd
from mlflow.entities import Feedback
from mlflow.exceptions import MlflowException
from mlflow.genai.scorers import Scorer, scorer
from mlflow.pyfunc import PyFuncModel

from data.dataset import load_documents
from data.fields import FieldDocument
from data.forms import Document, Form
from data.funsd import dataset_digest
from entry_points.command_line import cli, flags
from entry_points.command_line.tracking import name_run
from entry_points.logged_models.calls import predict_rows
from entry_points.logged_models.loading import (
    extractor_config,
    extractor_errors_reported,
    load_extractor,
    require_same_kind,
)
from entry_points.optimizing.budget import OptimizationBudget, divide
from entry_points.optimizing.examples import NOT_WITH_A_SCHEMA, FewShotExamples, write_example
from entry_points.optimizing.gepa_optimizer import GepaOptimizer, OptimizationTask
from entry_points.optimizing.result import OptimizationResult, register_winner
from entry_points.scoring.field_score import FieldScore
from entry_points.scoring.forms import FormScore
from entry_points.scoring.mlflow_scorer import form_scorer
from entry_points.scoring.truths import truth_of


@dataclass(frozen=True)
class Request:
    """What to optimize, and by which means.

    Attributes:
        model_uri: The logged extractor, whose prompt is improved.
        reflection_llm: The LLM that proposes prompts, "" for the extractor's own.
        max_calls: Most forms read, those whose completion is in the cache included.
        max_cost: Most that all requests may cost, USD; None for no ceiling.
        examples: How many forms the prompt shows; 0 keeps those that it has.
        seed: Draws the forms of each iteration.
        settings: `max_concurrency`, and others that replace those the extractor was logged with.
    """

    model_uri: str
    reflection_llm: str
    max_calls: int
    max_cost: float | None
    examples: int
    seed: int
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Optimization:
    """The prompt to improve, the one that wins, if any, and why.

    The search maximises `metric`. This start asked for `proposed` prompts; `cost` is the cost of
    all starts, USD, None if a price is not known.
    """

    prompt_uri: str
    metric: str
    winner_uri: str | None
    outcome: OptimizationResult
    proposed: int
    cost: float | None


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(
        __doc__, "model-uri", "dataset", "limit", "seed", "max-concurrency", "cache", "max-cost"
    )
    parser.add_argument(
        "--reflection-llm",
        **cli.ValueOr("auto").as_default,
        help="the LLM that proposes prompts; auto: the extractor's",
    )
    parser.add_argument(
        "--max-calls",
        default="200",
        type=cli.AtLeast(1),
        help="most forms read, cached ones included",
    )
    parser.add_argument(
        "--examples",
        default="0",
        type=cli.AtLeast(0),
        help="how many forms the search chooses as examples in the prompt",
    )
    return parser


def optimize(request: Request, forms: Sequence[Document]) -> Optimization:
    """Search within the active run; register the prompt that wins, and promote nothing.

    The search uses the development forms, the verdict comes from the validation forms
    (`data.splits`). The logged extractor reads them all: while a candidate is tried, MLflow puts
    its text in the place of the prompt's text.

    Raises:
        UsageError: The extractor or the forms cannot be used, or the LLM does not answer.
        MlflowException: The registry does not have the extractor's prompt.
    """
    config = extractor_config(request.model_uri)
    if config["engine"] != "openai":
        raise cli.UsageError(f"engine={config['engine']} reads without a prompt: log an LLM.")
    parts = divide(forms, request.examples, request.seed)
    budget = OptimizationBudget(
        request.max_calls,
        request.max_cost,
        len(parts.development),
        validation=len(parts.validation),
    )
    model = load_extractor(request.model_uri, **request.settings)
    require_same_kind(model, config, forms[0], request.model_uri)
    prompt = mlflow.genai.load_prompt(config["prompt_uri"])
    of_fields = isinstance(forms[0], FieldDocument)
    if request.examples and (of_fields or prompt.response_format):
        raise cli.UsageError(NOT_WITH_A_SCHEMA)
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    optimizer = GepaOptimizer(
        OptimizationTask(
            truths={form.form_id: truth_of(form) for form in forms},
            metric=FieldScore.MAIN if of_fields else FormScore.MAIN,
            validation=[form.form_id for form in parts.validation],
            template_fault=extractor.template_fault,
            ask=lambda question: extractor.ask(question, request.reflection_llm),
            budget=budget,
            seed=request.seed,
            run_dir=_run_dir(request, model, forms),
            shots=FewShotExamples(
                request.examples, _write_examples(parts.shown, extractor), request.seed
            ),
        )
    )
    # The extractor traces by itself, and is told not to: MLflow need not find out.
    os.environ["MLFLOW_GENAI_EVAL_SKIP_TRACE_VALIDATION"] = "true"
    os.environ["MLFLOW_GENAI_EVAL_MAX_WORKERS"] = str(request.settings["max_concurrency"])
    with extractor_errors_reported():
        mlflow.genai.optimize_prompts(
            predict_fn=_reader(model, forms, budget),
            train_data=[{"inputs": {"doc_id": form.form_id}} for form in parts.development],
            prompt_uris=[prompt.uri],
            optimizer=optimizer,
            scorers=[_headline(optimizer.task)],
        )
    outcome = optimizer.outcome
    _log(outcome, optimizer.task.metric)
    winner = register_winner(prompt, outcome) if outcome.wins else None
    cost = budget.spent if budget.priced else None
    return Optimization(prompt.uri, optimizer.task.metric, winner, outcome, budget.questions, cost)


def _write_examples(forms: Sequence[Document], extractor: Any) -> dict[str, str]:
    """Write examples down, with the text that the logged extractor's OCR reads."""
    return {
        form.form_id: write_example(form, extractor.document_text(form.image_path.read_bytes()))
        for form in forms
        if isinstance(form, Form)
    }


def _run_dir(request: Request, model: PyFuncModel, forms: Sequence[Document]) -> Path | None:
    """Return where a search is kept: beside the cache of completions, without one nowhere.

    Named by what decides the search's course; budgets do not, so a larger one goes on.
    """
    if not request.settings["cache"]:
        return None
    search = [request.seed, request.examples, request.reflection_llm]
    identity = [model.model_id, dataset_digest(forms), *search]
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    return Path(request.settings["cache"]).parent / "optimize" / key


def _reader(
    model: PyFuncModel, forms: Sequence[Document], budget: OptimizationBudget
) -> Callable[..., dict[str, Any]]:
    """Return what reads one form for MLflow."""
    paths = {form.form_id: form.image_path for form in forms}

    def predict_fn(doc_id: str) -> dict[str, Any]:
        try:
            # A trace would name the registered version, which is not what was sent.
            with mlflow.tracing.context(enabled=False):
                [row] = predict_rows(model, [(doc_id, paths[doc_id].read_bytes())])
        except Exception as error:
            budget.fault = error  # MLflow takes its text for the output and goes on
            raise
        budget.count_form(row["cost"], row["attempts"], failed=row["error_code"] is not None)
        return row

    return predict_fn


def _headline(task: OptimizationTask) -> Scorer:
    """Return the one score of a form that the search goes by, with its mistakes."""
    form_score = form_scorer(task.truths, content=True)

    @scorer(name=task.metric)
    def headline(inputs: dict[str, Any], outputs: object) -> Feedback:
        row = outputs if isinstance(outputs, dict) else None
        found = cast(list[Feedback], form_score(inputs=inputs, outputs=row))
        return next(each for each in found if each.name == task.metric)

    return headline


def _log(outcome: OptimizationResult, metric: str) -> None:
    """Log the search and the verdict."""
    mlflow.log_table(pd.DataFrame(map(asdict, outcome.candidates)), "candidates.json")
    for step, each in enumerate(outcome.candidates):
        mlflow.log_metric(f"development_{metric}", each.score, step=step)
    if outcome.verdict is not None:
        gain = outcome.verdict.gain
        mlflow.log_metrics({"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high})


def next_command(model_uri: str, prompt_uri: str, dataset: str) -> str:
    """Return the command that logs the extractor with another prompt and shows it to `promote`."""
    config = extractor_config(model_uri)
    kept = [f"{name}={config[name]}" for name in ("llm", "base_url", "page_input") if config[name]]
    candidate = ";".join([prompt_uri, "engine=openai", *kept])
    return (
        f'{cli.RUN} -e compare -P candidates="{model_uri},{candidate}" '
        f"-P dataset={shlex.quote(dataset)} -P split=validation"
    )


def report(found: Optimization) -> None:
    """Print what the search found, and what to do with it."""
    first, best = found.outcome.candidates[0], found.outcome.best
    cost = "unknown" if found.cost is None else f"{found.cost:.4f} USD"
    print(f"\n{found.prompt_uri}: {found.proposed} prompts proposed, cost {cost}.")
    print(f"Development forms: {found.metric} {first.score:.3f} -> {best.score:.3f} (mean).")
    if found.outcome.verdict is None:
        print("No prompt reads them better, so none is registered.")
        return
    print(f"Validation forms: {found.outcome.verdict}.")
    if found.winner_uri is None:
        print("The interval reaches 0, so nothing is registered. The run has it: candidates.json.")
        return
    print(f"Candidate for promotion: {found.winner_uri}.")


@cli.reports(MlflowException)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; it succeeds whether or not a better prompt is found."""
    args = build_parser().parse_args(argv)
    request = Request(
        model_uri=args.model_uri,
        reflection_llm=args.reflection_llm,
        max_calls=args.max_calls,
        max_cost=args.max_cost,
        examples=args.examples,
        seed=args.seed,
        settings=flags.reading_settings(args),
    )
    forms = load_documents(cli.in_project(args.dataset), limit=args.limit, seed=args.seed)
    try:
        with mlflow.start_run():
            dataset = cli.in_project(args.dataset).name
            name_run(f"optimize {args.model_uri.removeprefix('models:/')} on {dataset}")
            found = optimize(request, forms)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on.")
        return cli.STOPPED
    report(found)
    if found.winner_uri is not None:
        print(f"Next: {next_command(args.model_uri, found.winner_uri, args.dataset)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
