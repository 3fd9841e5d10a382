"""The main job: log the extractor, evaluate it, make it champion if it is no worse, say where."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import get_model_info

from data.funsd import load_folder
from entry_points import ROOT, cli
from entry_points.evaluate import evaluate
from entry_points.evaluation.printing import report, where_to_look
from entry_points.evaluation.results import Evaluation
from entry_points.loading import ask_for_key
from entry_points.serve import curl

HEADLINE = "pair_f1"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    return cli.parser(__doc__, "dataset", "limit", "seed", "cache", *cli.LOG_FLAGS)


def log_in_own_process(args: argparse.Namespace, run_id: str) -> str:
    """Run the entry point `log` within this run.

    In a process of its own, because logging imports the working tree's code, and a process that
    has done so would evaluate that instead of the logged copy.

    Args:
        args: The flags of this entry point.
        run_id: The run to log into.

    Returns:
        The URI of the version that was registered.

    Raises:
        UsageError: Logging failed; it has said why.
    """
    flags = [f"--{name}={getattr(args, name.replace('-', '_'))}" for name in cli.LOG_FLAGS]
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
        "MLFLOW_RUN_ID": run_id,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    code = "from entry_points.log import main; raise SystemExit(main(last=False))"
    command = [sys.executable, "-c", code, *flags]
    done = subprocess.run(command, env=environment, check=False)  # noqa: S603 - fixed program
    if done.returncode != 0:
        raise cli.UsageError("the extractor was not logged: see above.")
    client = mlflow.MlflowClient()
    versions = client.search_model_versions(f"name='{args.model_name}' and run_id='{run_id}'")
    newest = max(int(version.version) for version in versions)
    return f"models:/{args.model_name}/{newest}"


def crown(model_name: str, evaluation: Evaluation) -> str:
    """Point `champion` at the evaluated version unless the present champion reads better.

    Two scores count as comparable only when they come from the same forms (content hash); a
    champion without a score on them stays, because scoring it again could cost money.

    Returns:
        One sentence that says what was done and why.
    """
    client = mlflow.MlflowClient()
    version = evaluation.model_uri.rpartition("/")[2]
    score = evaluation.metrics[HEADLINE]
    try:
        champion = client.get_model_version_by_alias(model_name, cli.CHAMPION)
    except MlflowException:
        reason = "there was none"
    else:
        name = f"models:/{model_name}/{champion.version}"
        theirs = champion_score(name, evaluation.digest)
        if theirs is None:
            return (
                f"{cli.CHAMPION} stays {name}: it has no {HEADLINE} on these forms. Give it one: "
                f"{cli.RUN} -e evaluate -P model_uri={name} with the same dataset, limit and seed."
            )
        if score < theirs:
            return f"{cli.CHAMPION} stays {name}: {HEADLINE} {theirs:.3f} beats {score:.3f}."
        reason = f"{HEADLINE} {score:.3f} is no worse than {theirs:.3f} of {name}"
    client.set_registered_model_alias(model_name, cli.CHAMPION, version)
    return f"{cli.CHAMPION} is now {evaluation.model_uri}: {reason}."


def champion_score(model_uri: str, digest: str) -> float | None:
    """Return a registered model's newest headline score on the forms with this content hash."""
    model_id = get_model_info(model_uri).model_id
    metrics = (mlflow.get_logged_model(model_id).metrics if model_id else None) or []
    scores = [each for each in metrics if each.key == HEADLINE and each.dataset_digest == digest]
    return max(scores, key=lambda each: each.timestamp).value if scores else None


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    dataset = cli.in_project(args.dataset)
    forms = load_folder(dataset, limit=args.limit, seed=args.seed)
    ask_for_key(args.engine)
    with mlflow.start_run() as run:
        model_uri = log_in_own_process(args, run.info.run_id)
        evaluation = evaluate(
            run,
            model_uri,
            forms,
            dataset_name=dataset.name,
            settings=cli.reading_settings(args),
        )
    report(evaluation)
    if evaluation.all_failed:
        raise cli.UsageError(f"no form was read, so {cli.CHAMPION} stays as it was: see above.")
    print(f"\n{crown(args.model_name, evaluation)}")
    where_to_look(run.info.run_id)
    print(f"Serve it:\n  {cli.RUN} -e serve -P model_uri={model_uri}\nand ask it:\n  {curl(5001)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
