"""Evaluates a logged extractor on annotated forms: traces, scores and a table of predictions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import mlflow
from mlflow.exceptions import MlflowException

from data.dataset import count_documents, load_documents
from data.fields import has_fields
from entry_points.command_line import cli, flags
from entry_points.command_line.ending import end_with
from entry_points.command_line.store_watch import needs_store
from entry_points.command_line.tracking import talkative_mlflow
from entry_points.evaluation.accepting import accept
from entry_points.evaluation.assessors import load_scorers
from entry_points.evaluation.evaluating import evaluate, report_left
from entry_points.evaluation.printing import report, where_to_look
from entry_points.evaluation.reading import Dataset, unwritten_traces
from entry_points.logged_models.loading import learned_from


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(
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
        "precision",
    )
    parser.add_argument(
        "--judge",
        **cli.ValueOr("none").as_default,
        help="openai:/<model>, an LLM that judges the format of each output, or none",
    )
    parser.add_argument(
        "--scorers",
        **cli.ValueOr("none", (), flags.ids, "package.module:function").as_default,
        help="your own scorers, package.module:function, separated by commas, or none",
    )
    return parser


@cli.reports(MlflowException)
@needs_store(unwritten_traces)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    if verbose := cli.BOOLEANS[args.verbose]:
        talkative_mlflow()
    dataset = cli.in_project(args.dataset)
    split = flags.optional_split(args.split)
    forms = load_documents(
        dataset, split=split, limit=args.limit, seed=args.seed, without=args.without
    )
    scorers = load_scorers(args.scorers)
    if args.precision is not None and not has_fields(dataset):
        raise cli.UsageError("--precision is for fields: give a dataset that has fields/.")
    if args.precision is not None and (known := learned_from(args.model_uri, forms)):
        raise cli.UsageError(
            f"--precision needs documents that are new to the extractor: its local weights have "
            f"learned from {len(known)} of these {len(forms)}. Leave them out: "
            f"-P without={','.join(known)}"
        )
    with mlflow.start_run() as run:
        mlflow.set_tag("split", args.split)
        evaluation = evaluate(
            run,
            args.model_uri,
            Dataset(dataset.name, forms),
            settings=flags.reading_settings(args),
            max_cost=args.max_cost,
            judge=args.judge,
            scorers=scorers,
        )
        report(evaluation, run, count_documents(dataset), verbose=verbose)
        if args.precision is not None:
            accept(evaluation, forms, args.precision)
        report_left(len(forms), evaluation)
    where_to_look(run.info.run_id)
    return int(evaluation.all_failed)


if __name__ == "__main__":
    end_with(main)
