"""Measures speed, accuracy and memory against baselines, and what hostile inputs do."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import mlflow
import pandas as pd

from data.progress import Progress
from entry_points.benchmarks.accuracy import accuracy, distortions
from entry_points.benchmarks.environment import Environment, SuiteError
from entry_points.benchmarks.hostile import hostile
from entry_points.benchmarks.measurements import HEADER, Measurement, plot_ratios
from entry_points.benchmarks.models import log_models
from entry_points.benchmarks.overhead import memory, overhead
from entry_points.benchmarks.review_page import review_page
from entry_points.benchmarks.serving import serving, startup
from entry_points.benchmarks.throughput import stores, throughput
from entry_points.command_line import cli, flags
from entry_points.command_line.ending import unwind_on_sigterm
from entry_points.command_line.rights import without_password
from entry_points.command_line.tracking import name_run, where_is

Suite = Callable[[Environment, Mapping[str, str]], list[Measurement]]
"""Takes where to run and the URIs of the logged models; returns the lines of the table."""

SUITES: dict[str, Suite] = {
    "overhead": overhead,
    "throughput": throughput,
    "accuracy": accuracy,
    "distortions": distortions,
    "serving": serving,
    "startup": startup,
    "memory": memory,
    "hostile": hostile,
    "review": review_page,
    "stores": stores,
}
TABLE = "benchmark.json"
PLOT = "benchmark.png"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(__doc__, "dataset")
    parser.add_argument("--suite", default="all", choices=("all", *SUITES), help="what to measure")
    parser.add_argument(
        "--repeats", type=cli.AtLeast(1), default=3, help="how often; medians are shown"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="the part of all pages and requests that is used"
    )
    return parser


def benchmark(suites: Sequence[str], env: Environment) -> tuple[list[Measurement], list[str]]:
    """Run suites, log their lines to the active run, and return them with what failed.

    Raises:
        UsageError: Nothing could be measured.
    """
    models = log_models(env)
    lines: list[Measurement] = []
    failures: list[str] = []
    with Progress(suites, unit="suites") as bar:
        for name in bar:
            bar.set_postfix_str(name)
            try:
                found = SUITES[name](env, models)
            except cli.UsageError as error:
                found = list(error.lines) if isinstance(error, SuiteError) else []
                failures.append(f"Suite {name} failed: {error}")
            lines += [replace(line, suite=name) for line in found]
    if not lines:
        raise cli.UsageError("\n".join(failures))
    _log(lines)
    return lines, failures


def _log(lines: Sequence[Measurement]) -> None:
    """Log our medians, the figures that have an aim, the table and a plot."""
    for line in lines:
        name = f"{line.suite}/{_slug(line.what)}"
        mlflow.log_metric(f"{name}/{_slug(line.unit)}", line.ours.median)
        if line.figure is not None and line.theirs is not None:
            mlflow.log_metric(f"{name}/against_{_slug(line.against)}", line.figure)
    mlflow.log_table(pd.DataFrame([line.cells() for line in lines], columns=list(HEADER)), TABLE)
    mlflow.log_figure(plot_ratios(lines), PLOT)


def _slug(text: str) -> str:
    return re.sub("[^a-z0-9]+", "_", text.lower())


def machine() -> str:
    """Return the date, the machine and its load: they belong to the figures."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{date.today()}, {os.cpu_count()} cores, {memory_gb:.0f} GB, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    suites = list(SUITES) if args.suite == "all" else [args.suite]
    before = machine()
    unwind_on_sigterm()
    with tempfile.TemporaryDirectory() as folder:
        env = Environment(Path(folder), cli.in_project(args.dataset), args.repeats, args.scale)
        with mlflow.start_run() as run:
            name_run(f"benchmark {args.suite}")
            mlflow.set_tag("machine", before)
            lines, failures = benchmark(suites, env)
    print(f"\n{before}; medians of {args.repeats}")
    cli.print_table([line.cells() for line in lines], HEADER)
    print(f"\nRun {run.info.run_id} ({TABLE}, {PLOT}, metrics). Look at it:")
    print(f"  {where_is(run.info.run_id)}")
    for failure in failures:
        print(without_password(failure, "***@"), file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
