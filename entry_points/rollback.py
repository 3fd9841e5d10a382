"""Restores the model version and the prompt that the last promotion replaced."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from entry_points.command_line import cli, flags
from entry_points.command_line.store_watch import needs_store
from entry_points.command_line.tracking import name_run
from entry_points.comparing.history import History, InForce, Move
from entry_points.comparing.promotion import in_force, move, user
from entry_points.logged_models.loading import extractor_config


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    return flags.parser(__doc__, "model-name")


def rollback(run: Run, model_name: str) -> InForce:
    """Undo the latest promotion that is still in effect; return the aliases after that.

    Raises:
        UsageError: There is nothing to restore, or another promotion runs at the same time.
    """
    history = History(mlflow.MlflowClient(), model_name)
    after = history.previous()
    if after is None:
        raise cli.UsageError(
            f"no promotion has replaced a {cli.CHAMPION} of {model_name}: nothing to go back to."
        )
    config = extractor_config(f"models:/{model_name}/{after.champion}")
    before = in_force(history, after.production or config["prompt_uri"])
    who = user(run)
    step = Move(before, after, True, run.info.run_id, who)
    tags = {"promotion.rolled_back_by": f"{who}, {run.info.run_id}"}
    # A deleted version has lost its alias and is not tagged; neither is a prompt that stays.
    replaced = before.production if before.production != after.production else ""
    move(history, step, InForce(before.champion, replaced), tags)
    return after


@cli.reports(MlflowException)
@needs_store()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    with mlflow.start_run() as run:
        name_run(f"roll back {args.model_name}")
        now = rollback(run, args.model_name)
    print(f"{cli.CHAMPION} is models:/{args.model_name}/{now.champion} again.")
    if now.production:
        print(f"{cli.PRODUCTION} is {now.production}.")
    print(f"Next: {cli.RUN} -e evaluate -P model_uri=models:/{args.model_name}@{cli.CHAMPION}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
