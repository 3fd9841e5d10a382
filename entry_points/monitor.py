"""Compares what production reads with the evaluation of its model, and deletes old traces."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from entry_points.command_line import cli, flags
from entry_points.command_line.tracking import name_run
from entry_points.evaluation.printing import where_to_look
from entry_points.monitoring.attention import DOCUMENTS, PREDICTIONS, find_needs, write_needs
from entry_points.monitoring.comparison import Comparison, compare, find_baseline, run_or_period
from entry_points.monitoring.page import PAGE, log, report
from entry_points.monitoring.records import Period, WatchedModel, production_records
from entry_points.monitoring.retention import delete_old_traces, find_old_traces
from entry_points.predictions.output import read_rows

# Exit codes by verdict; 1 to 3 have other meanings.
EXIT_CODES = {"ok": 0, "look": 4, "worse": 5}


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days < 1e5:
        raise ValueError(text)
    return days


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(__doc__, "model-uri")
    parser.add_argument(
        "--since",
        default="24h",
        type=cli.ValueOr("none", None, Period.parse, "24h, 7d or <first day>..<last day>"),
        help="what to watch: 24h (m, h, d, w), days 2026-11-01..2026-11-07 (UTC), or none",
    )
    parser.add_argument(
        "--baseline",
        **cli.ValueOr(
            "auto", "", run_or_period, "a run's id, 30d or <first day>..<last day>"
        ).as_default,
        help="what to compare with: a run's id, or a time as in --since; auto: the evaluation that "
        "the version was promoted on, or its newest",
    )
    parser.add_argument(
        "--predictions",
        **cli.ValueOr("none").as_default,
        help="the .jsonl file that predict wrote, or none: rows for review are taken from it, "
        "which traces with trace_content=metadata do not have",
    )
    parser.add_argument(
        "--output",
        default="needs-a-person",
        help="a folder for review: rows and files of the documents that most need a person",
    )
    parser.add_argument(
        "--most", type=cli.AtLeast(1), default=20, help="most documents in that folder"
    )
    parser.add_argument(
        "--keep-days",
        **cli.ValueOr("none", None, _days, "a number of days").as_default,
        help="say what deleting the model's traces older than this frees, or none",
    )
    parser.add_argument(
        "--delete",
        default="false",
        choices=("all", "false", "true"),
        help="delete them; all: also those that runs or assessments refer to",
    )
    return parser


@dataclass(frozen=True)
class WatchTask:
    """What to watch.

    Attributes:
        period: The time.
        baseline: As for `find_baseline`.
        predictions: What predict wrote; None for nothing.
        output: The folder for review.
        most: Most documents in it.
    """

    period: Period
    baseline: Period | str
    predictions: Path | None
    output: Path
    most: int


def monitor(model: WatchedModel, task: WatchTask) -> Comparison:
    """Compare within the active run, print, log, and write what review opens.

    Raises:
        UsageError: There is nothing to compare, or a file cannot be used.
    """
    records = list(production_records(model, task.period))
    if not records:
        raise cli.UsageError(
            f"no trace of {model.name} has counts in {task.period}: give a longer --since, and "
            "look whether what reads documents writes its traces into this store."
        )
    baseline = find_baseline(model, task.baseline)
    comparison = compare(baseline.records, records)
    needs = find_needs(comparison, task.most)
    report(comparison, baseline, needs)
    log(comparison, baseline, needs, f"{model.name} {task.period}")
    predicted = read_rows(task.predictions) if task.predictions else ()
    rows, documents = write_needs(needs, task.output, {row["doc_id"]: row for row in predicted})
    if rows:
        folder = (
            shlex.quote(str(task.output / DOCUMENTS)) if documents == rows else "<their folder>"
        )
        flags = f"-P predictions={shlex.quote(str(task.output / PREDICTIONS))} -P input={folder}"
        print(f"Review {rows} of them: {cli.RUN} -e review {flags}")
    elif needs:
        print("Their traces hold only numbers: give -P predictions=<what predict wrote>.")
    return comparison


def delete_old(model: WatchedModel, keep_days: float, delete: str) -> None:
    """Delete old traces, or say what that would free."""
    old = find_old_traces(model, keep_days, referred=delete == "all")
    attached = sum(old.attached_bytes.values())
    size = f"{old.span_bytes / 1e6:,.1f} MB of spans, {attached / 1e6:,.1f} MB of pages"
    told = f"{len(old.traces):,} traces older than {keep_days:g} days ({size})"
    if delete == "false":
        print(f"{told} can be deleted: add -P delete=true.")
    else:
        print(f"Deleting {told} ...", flush=True)
        print(f"{delete_old_traces(old):,} traces deleted.")
    if old.kept:
        print(f"{old.kept:,} others stay: runs or assessments refer to them (-P delete=all).")


@cli.reports(MlflowException)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; exit code 4 for the verdict `look`, 5 for `worse`."""
    args = build_parser().parse_args(argv)
    model = WatchedModel.find(args.model_uri)
    code = 0
    refusal: cli.UsageError | None = None
    if args.since is not None:
        task = WatchTask(
            period=args.since,
            baseline=args.baseline,
            predictions=cli.in_project(args.predictions) if args.predictions else None,
            output=cli.in_project(args.output),
            most=args.most,
        )
        try:
            with mlflow.start_run() as run:
                name_run(f"monitor {model.name}/{model.version}")
                comparison = monitor(model, task)
            where_to_look(run.info.run_id, PAGE)
            code = EXIT_CODES[comparison.verdict]
        except cli.UsageError as error:  # after a quiet period, too, old traces go
            refusal = error
    if args.keep_days is not None:
        delete_old(model, args.keep_days, args.delete)
    if refusal:
        raise refusal
    return code


if __name__ == "__main__":
    raise SystemExit(main())
