"""The main job: logs the extractor, evaluates it, and makes it champion if it is no worse."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import mlflow

from data.funsd import load_folder
from entry_points import cli
from entry_points.comparing.gate import Gate
from entry_points.comparing.printing import report_promotion
from entry_points.comparing.processes import log_in_own_process, require_key
from entry_points.comparing.promotion import promote
from entry_points.evaluate import evaluate, report_left
from entry_points.evaluation.printing import report, where_to_look
from entry_points.evaluation.reading import Dataset
from entry_points.serve import curl


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    return cli.parser(__doc__, "dataset", "limit", "seed", "cache", "max-cost", *cli.LOG_FLAGS)


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    dataset = cli.in_project(args.dataset)
    forms = load_folder(dataset, limit=args.limit, seed=args.seed)
    require_key({"engine": args.engine} | cli.read_settings(args.settings))
    with mlflow.start_run() as run:
        flags = cli.flags_of(args, cli.LOG_FLAGS)
        model_uri = log_in_own_process(flags)
        evaluation = evaluate(
            run,
            model_uri,
            Dataset(dataset.name, forms),
            settings=cli.reading_settings(args),
            max_cost=args.max_cost,
        )
        report(evaluation)
        if evaluation.all_failed:
            raise cli.UsageError(f"no form was read, so {cli.CHAMPION} stays as it was: see above.")
        if report_left(len(forms), evaluation):
            print(
                f"{cli.CHAMPION} stays as it was. Read the others, and promote it:\n"
                f"  {cli.RUN} -e evaluate -P model_uri={model_uri} -P dataset={args.dataset}\n"
                f"  {cli.RUN} -e promote -P model_uri={model_uri}"
            )
            where_to_look(run.info.run_id)
            return 0
        outcome = promote(run, model_uri, Gate())
    print()
    report_promotion(outcome)
    where_to_look(run.info.run_id)
    print(f"Serve it:\n  {cli.RUN} -e serve -P model_uri={model_uri}\nand ask it:\n  {curl(5001)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
