"""What an evaluation prints: scores, a typical form, the worst ones, and where to look."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow.entities import Run

from entry_points.command_line import cli
from entry_points.command_line.tracking import where_is
from entry_points.evaluation.figures import local_picture
from entry_points.evaluation.html.report import REPORT
from entry_points.evaluation.results import Evaluation, FormResult
from entry_points.scoring.mistakes import one_line

_ITEMS = 5
_WORST = 2
_WHOLE = {"pages", "input_tokens", "output_tokens", "cached_tokens", "attempts", "cache_hits"}


def report(evaluation: Evaluation, run: Run, forms: int, *, verbose: bool) -> None:
    """Print what was read on one form and the headline scores, or with `verbose` every metric.

    `forms` is the number of forms in the folder.
    """
    failed = sum(form.cost.error_code is not None for form in evaluation.forms)
    read = len(evaluation.forms)
    drawn = f" ({read} of {forms} in {evaluation.dataset_name})" if read < forms else ""
    print(f"{evaluation.model_uri}: {read} forms, {failed} failed{drawn}")
    print(f"  read by {', '.join(f'{name} {what}' for name, what in evaluation.read_by.items())}")
    if known := evaluation.learned_from:
        ids = cli.printable(",".join(known))
        print(
            f"  the scores are too high: the local weights have learned from {len(known)} of these "
            f"forms. Leave them out: -P without={ids}"
        )
    if verbose:
        _print_scores(evaluation, list(evaluation.shown))
        _print_forms("worst forms", _worst(evaluation), evaluation, 3)
        slowest = sorted(evaluation.forms, key=lambda form: -form.cost.seconds)
        _print_forms("slowest forms", slowest, evaluation, 3)
        return
    _print_typical(evaluation, run)
    share = {"llm_share"} & evaluation.shown.keys()
    _print_scores(evaluation, (*evaluation.kind.PRINTED, "seconds_per_page", *share))
    _print_forms("worst forms", _worst(evaluation), evaluation, _WORST)


def _print_scores(evaluation: Evaluation, names: Sequence[str]) -> None:
    rows = [
        (
            name,
            f"{evaluation.metrics[name]:,.0f}"
            if name in _WHOLE
            else f"{evaluation.metrics[name]:.3f}",
            " to ".join(f"{end:.3f}" for end in evaluation.intervals.get(name, ())),
        )
        for name in names
    ]
    cli.print_table(rows, ("metric", "value", "95 % interval"))


def _print_typical(evaluation: Evaluation, run: Run) -> None:
    """Print some of what was read on the form in the middle, and where its picture is."""
    if (typical := evaluation.typical) is None:
        return
    items, kind = evaluation.items(typical), evaluation.kind
    rows = [
        (
            one_line(item.name, 36),
            one_line(item.text, 48),
            "" if item.confidence is None else f"{item.confidence:.2f}",
        )
        for item in items[:_ITEMS]
    ]
    name, text = ("field", "value") if kind.UNIT == "values" else ("question", "answer")
    cli.print_table(rows, (f"{name} on {typical.doc_id}", text, "confidence"))
    print(f"  all {len(items)} {kind.UNIT} on the page: {local_picture(evaluation, run)}")


def _worst(evaluation: Evaluation) -> list[FormResult]:
    return sorted(evaluation.forms, key=lambda form: (form.main, -form.score.true))


def _print_forms(
    title: str, forms: Sequence[FormResult], evaluation: Evaluation, most: int
) -> None:
    rows = [
        (
            form.doc_id,
            f"{form.main:.2f}",
            f"{form.score.right} of {form.score.true}",
            f"{form.cost.seconds:.1f}",
            one_line(evaluation.what_went_wrong(form), 80),
        )
        for form in forms[:most]
    ]
    kind = evaluation.kind
    header = (title, kind.MAIN, f"{kind.UNIT} right", "seconds", "what went wrong")
    cli.print_table(rows, header)


def where_to_look(run_id: str, page: str = REPORT, after: str = "") -> None:
    """Print how to open the run, its traces and its HTML page; `after` says what else follows."""
    print(f"\nRun {run_id} ({page}, traces, all metrics). Look at it{after}:\n  {where_is(run_id)}")
