"""The main job: logs the extractor, evaluates it, and makes it champion if it is no worse."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

import mlflow
from mlflow.exceptions import MlflowException

from data.dataset import count_documents, load_documents
from entry_points.command_line import cli, flags
from entry_points.command_line.ending import end_with
from entry_points.command_line.flags import read_settings
from entry_points.command_line.store_watch import needs_store
from entry_points.command_line.tracking import talkative_mlflow
from entry_points.comparing.gate import Gate
from entry_points.comparing.printing import report_promotion
from entry_points.comparing.processes import log_in_own_process, require_key
from entry_points.comparing.promotion import promote
from entry_points.evaluation.evaluating import evaluate, report_left
from entry_points.evaluation.printing import report, where_to_look
from entry_points.evaluation.reading import Dataset, unwritten_traces


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    reading = ("dataset", "limit", "seed", "cache", "max-cost", "verbose")
    parser = flags.parser(__doc__, *reading, *flags.LOG_FLAGS)
    parser.set_defaults(limit="8")  # a minute's work: the first run should tell soon
    return parser


@cli.reports(MlflowException)
@needs_store(unwritten_traces)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    if verbose := cli.BOOLEANS[args.verbose]:
        talkative_mlflow()
    dataset = cli.in_project(args.dataset)
    forms = load_documents(dataset, limit=args.limit, seed=args.seed)
    require_key({"engine": args.engine} | read_settings(args.settings))
    with mlflow.start_run() as run:
        given = flags.flags_of(args, flags.LOG_FLAGS)
        model_uri = log_in_own_process(given, verbose=verbose)
        evaluation = evaluate(
            run,
            model_uri,
            Dataset(dataset.name, forms),
            settings=flags.reading_settings(args),
            max_cost=args.max_cost,
        )
        report(evaluation, run, held := count_documents(dataset), verbose=verbose)
        if evaluation.all_failed:
            raise cli.UsageError(f"no form was read, so {cli.CHAMPION} stays as it was: see above.")
        if report_left(len(forms), evaluation):
            print(
                f"{cli.CHAMPION} stays as it was. Read the others, and promote it:\n"
                f"  {cli.RUN} -e evaluate -P model_uri={model_uri} "
                f"-P dataset={shlex.quote(args.dataset)}\n"
                f"  {cli.RUN} -e promote -P model_uri={model_uri}"
            )
            where_to_look(run.info.run_id)
            return 0
        outcome = promote(run, model_uri, Gate())
    report_promotion(outcome)
    more = f"all {held} forms" if len(forms) < held else "your own forms"
    where_to_look(run.info.run_id, after=f", then read documents, serve, and evaluate on {more}")
    its = f"-P model_uri={model_uri}"
    print(f"  {cli.RUN} -e predict {its} -P input={shlex.quote(f'{args.dataset}/images')}")
    print(f"  {cli.RUN} -e serve {its}")
    folder = shlex.quote(args.dataset) if len(forms) < held else "<folder>"
    print(f"  {cli.RUN} -e evaluate {its} -P dataset={folder}")
    return 0


if __name__ == "__main__":
    end_with(main)
