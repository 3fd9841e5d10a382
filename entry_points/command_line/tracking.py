"""How commands appear in MLflow, and how much MLflow says while they run."""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import shlex
from collections.abc import Callable, Iterator
from typing import Any, Literal

from entry_points.command_line.rights import without_password

_LEVEL = "MLFLOW_LOGGING_LEVEL"

# Where `mlflow ui` listens unless it is told otherwise.
_LOCAL_UI = "http://127.0.0.1:5000"

# MLflow's switches for its output; a value that the user has set stays.
_QUIET = {
    _LEVEL: "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def quiet_mlflow() -> None:
    """Let MLflow write only warnings and errors, in this process and its children.

    MLFLOW_LOGGING_LEVEL=INFO in the environment keeps MLflow's default output.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow").setLevel(os.environ[_LEVEL].upper())


def talkative_mlflow() -> None:
    """Restore MLflow's default output, in this process and its children."""
    for name in _QUIET:
        os.environ.pop(name, None)
    os.environ[_LEVEL] = "INFO"
    logging.getLogger("mlflow").setLevel("INFO")


def mlflow_is_quiet() -> bool:
    """Tell whether MLflow may write only warnings and errors."""
    return not logging.getLogger("mlflow").isEnabledFor(logging.INFO)


@contextlib.contextmanager
def mlflow_logs_only() -> Iterator[None]:
    """Hide what MLflow prints while it registers a model, unless MLflow is verbose."""
    if not mlflow_is_quiet():
        yield
        return
    from mlflow.utils.logging_utils import disable_logging, enable_logging

    log = logging.getLogger("mlflow")
    handlers = log.handlers
    disable_logging()  # type: ignore[no-untyped-call]  # the stream that its prints and its log share
    log.handlers = []  # warnings go to standard error, Python's last resort
    try:
        yield
    finally:
        log.handlers = handlers
        enable_logging()  # type: ignore[no-untyped-call]


def name_run(name: str) -> None:
    """Name the command's run, to which `mlflow run` gives a random name.

    That is the active run or, for a command that logs nothing, the one that `mlflow run` started.
    A nested run keeps the name that its parent gave it.
    """
    import mlflow
    from mlflow.entities import Run
    from mlflow.exceptions import MlflowException
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

    run: Run | None = mlflow.active_run()
    if run is None and (run_id := os.environ.get("MLFLOW_RUN_ID")):
        with contextlib.suppress(MlflowException):  # the variable names a run of another store
            run = mlflow.get_run(run_id)
    if run and MLFLOW_PARENT_RUN_ID not in run.data.tags:
        mlflow.MlflowClient().set_tag(run.info.run_id, MLFLOW_RUN_NAME, name)


def user_name() -> str:
    """Return the name of this process's user; "unknown" where there is none, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name; OSError from Python 3.13 on
        return "unknown"


def all_pages(fetch: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield what all pages of one of MLflow's searches hold.

    Args:
        fetch: Asks for a page by its token, None for the first; returns MLflow's PagedList.
    """
    token: str | None = None
    while True:
        page = fetch(token)
        yield from page
        if not (token := page.token):
            return


def where_is(run_id: str) -> str:
    """Return where to look at a run: its web address, or the command that starts MLflow's UI."""
    import mlflow

    uri = mlflow.get_tracking_uri()
    if not uri.startswith("http"):
        return f"mlflow ui --backend-store-uri {shlex.quote(without_password(uri, '***@'))}"
    return f"{experiment_page(mlflow.get_run(run_id).info.experiment_id)}/runs/{run_id}"


def experiment_page(experiment_id: str) -> str:
    """Return the address of an experiment in MLflow's UI; of a local store, where it listens."""
    return f"{_ui()}/#/experiments/{experiment_id}"


def trace_page(experiment_id: str, trace_id: str) -> str:
    """Return the address of a trace in MLflow's UI, which shows it among all of its experiment."""
    query = f"selectedEvaluationId={trace_id}&startTimeLabel=ALL"
    return f"{experiment_page(experiment_id)}/traces?{query}"


def list_of(what: Literal["models", "prompts"]) -> str:
    """Return what shows all models or prompts: a web address, or MLflow's UI of a local store."""
    return f"{ui}/#/{what}" if (ui := _ui()) != _LOCAL_UI else "`mlflow ui`"


def _ui() -> str:
    import mlflow

    uri = mlflow.get_tracking_uri()
    return without_password(uri).rstrip("/") if uri.startswith("http") else _LOCAL_UI
