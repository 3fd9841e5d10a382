"""Evaluates a logged extractor on annotated forms: traces, scores and a table of predictions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import mlflow

from data.dataset import count_documents, load_documents
from entry_points.command_line import cli
from entry_points.command_line.tracking import talkative_mlflow
from entry_points.evaluation.evaluating import evaluate, report_left
from entry_points.evaluation.printing import report, where_to_look
from entry_points.evaluation.reading import Dataset


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(
        __doc__,
        "model-uri",
        "dataset",
        "split",
        "without",
        "limit",
        "seed",
        "max-concurrency",
        "cache",
        "max-cost",
        "verbose",
    )
    parser.add_argument(
        "--judge",
        default="none",
        type=cli.ValueOr("none"),
        help="openai:/<model>, an LLM that judges the format of each output, or none",
    )
    return parser


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    if verbose := cli.BOOLEANS[args.verbose]:
        talkative_mlflow()
    dataset = cli.in_project(args.dataset)
    split = cli.optional_split(args.split)
    forms = load_documents(
        dataset, split=split, limit=args.limit, seed=args.seed, without=args.without
    )
    with mlflow.start_run() as run:
        mlflow.set_tag("split", args.split)
        evaluation = evaluate(
            run,
            args.model_uri,
            Dataset(dataset.name, forms),
            settings=cli.reading_settings(args),
            max_cost=args.max_cost,
            judge=args.judge,
        )
        report(evaluation, run, count_documents(dataset), verbose=verbose)
        report_left(len(forms), evaluation)
    where_to_look(run.info.run_id)
    return int(evaluation.all_failed)


if __name__ == "__main__":
    cli.end_with(main)
