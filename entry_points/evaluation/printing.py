"""What an evaluation prints: the scores, the worst and the slowest forms, and where to look."""

from __future__ import annotations

from collections.abc import Sequence

import mlflow

from entry_points import cli
from entry_points.evaluation.report import REPORT
from entry_points.evaluation.results import Evaluation, FormResult

_WHOLE = {"pages", "input_tokens", "output_tokens", "cached_tokens", "attempts", "cache_hits"}


def report(evaluation: Evaluation) -> None:
    """Print the scores, and the forms that took longest or were read worst."""
    forms = evaluation.forms
    failed = sum(form.cost.error_code is not None for form in forms)
    print(f"\n{evaluation.model_uri}: {len(forms)} forms, {failed} failed")
    print(f"  read by {', '.join(f'{name} {what}' for name, what in evaluation.read_by.items())}")
    cli.print_table(
        (
            (
                name,
                f"{value:,.0f}" if name in _WHOLE else f"{value:.3f}",
                " to ".join(f"{end:.3f}" for end in evaluation.intervals.get(name, ())),
            )
            for name, value in evaluation.metrics.items()
        ),
        ("metric", "value", "95 % interval"),
    )
    print("\nWorst forms")
    worst = sorted(forms, key=lambda form: (_pair_f1(form), -form.score.counts.true))
    _print_forms(worst, evaluation)
    print("\nSlowest forms")
    _print_forms(sorted(forms, key=lambda form: -form.cost.seconds), evaluation)


def _pair_f1(form: FormResult) -> float:
    return form.score.metrics()["pair_f1"]


def _print_forms(forms: Sequence[FormResult], evaluation: Evaluation, most: int = 3) -> None:
    cli.print_table(
        (
            (
                form.doc_id,
                f"{_pair_f1(form):.2f}",
                f"{form.score.counts.fuzzy} of {form.score.counts.true}",
                f"{form.cost.seconds:.1f}",
                (evaluation.readings[form.doc_id].outputs["error"] or evaluation.mistakes(form))[
                    :80
                ],
            )
            for form in forms[:most]
        ),
        ("form", "pair_f1", "pairs right", "seconds", "what went wrong"),
    )


def where_to_look(run_id: str, page: str = REPORT) -> None:
    """Print how to open the run, its traces and its HTML page."""
    uri = mlflow.get_tracking_uri()
    store = "" if uri.startswith("http") else f" --backend-store-uri {uri}"
    print(f"\nRun {run_id} ({page}, traces, metrics). Look at it:\n  mlflow ui{store}")
