"""Runs log, evaluate and the check of the key in processes of their own.

Logging imports the working tree's code, and a process that has done so would evaluate that code
instead of the logged copy. One process cannot evaluate two logged copies either.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import mlflow

from entry_points.command_line.cli import UsageError
from entry_points.command_line.ending import child_environment, run_child
from entry_points.command_line.flags import refuse_secret
from entry_points.logged_models.calls import ESTIMATE
from entry_points.logged_models.loading import CHOSEN, ask_for_key, has_llm_access


def require_key(settings: Mapping[str, Any]) -> None:
    """Ask for the API key if it is missing, and return only if the engine can start with it.

    A command that reads with the model that it logs calls this before it logs anything.

    Raises:
        UsageError: There is no usable key, or a password among the settings.
    """
    refuse_secret(settings)
    ask_for_key(settings)
    if settings["engine"] == "local" or (settings["engine"] == "auto" and not has_llm_access()):
        return
    base_url = str(settings.get("base_url", ""))
    objection = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", "entry_points.engine_access.llm_access", base_url],
        env=child_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    if objection:
        raise UsageError(objection.strip())


def log_in_own_process(flags: Mapping[str, str], *, verbose: bool = True) -> str:
    """Run the entry point `log` with all of `flags.LOG_FLAGS`; return the URI of the new version.

    It has a run of its own, nested in the active one: MLflow takes a run that has logged a model
    for a training run, and would not show it among the evaluations. Unless `verbose`, only the
    chosen engine is printed.

    Raises:
        UsageError: Logging failed; it has said why.
    """
    only = "" if verbose else CHOSEN
    with mlflow.start_run(nested=True, run_name="log") as run:
        if _start("log", flags, run.info.run_id, "last=False", only) != 0:
            raise UsageError("the extractor was not logged: see above.")
    name = flags["model-name"]
    client = mlflow.MlflowClient()
    [version] = client.search_model_versions(f"name='{name}' and run_id='{run.info.run_id}'")
    return f"models:/{name}/{version.version}"


def evaluate_in_own_process(flags: Mapping[str, str], run_id: str) -> dict[str, float]:
    """Run the entry point `evaluate` within a run, print its estimate, and return its metrics.

    Raises:
        UsageError: It failed, and has said why. If only all forms failed, there is an evaluation.
    """
    _start("evaluate", flags, run_id, "", ESTIMATE)
    metrics: dict[str, float] = mlflow.get_run(run_id).data.metrics
    if "coverage" not in metrics:
        raise UsageError(f"{flags['model-uri']} was not evaluated: see above.")
    return metrics


def _start(entry_point: str, flags: Mapping[str, str], run_id: str, options: str, only: str) -> int:
    """Run an entry point within a run, passing on those of its lines that begin with `only`."""
    code = f"from entry_points.{entry_point} import main; raise SystemExit(main({options}))"
    return run_child(
        [sys.executable, "-c", code, *(f"--{name}={value}" for name, value in flags.items())],
        only=only,
        MLFLOW_TRACKING_URI=mlflow.get_tracking_uri(),
        MLFLOW_RUN_ID=run_id,
    )
