"""Ends a command whose tracking store no longer answers, and says which traces are lost."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

import mlflow
import sqlalchemy
from mlflow.environment_variables import (
    MLFLOW_HTTP_REQUEST_TIMEOUT,
    MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT,
)
from mlflow.exceptions import MlflowException
from mlflow.tracing.utils.otlp import should_use_otlp_exporter
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from sqlalchemy.exc import SQLAlchemyError

from entry_points.command_line.cli import Main
from entry_points.command_line.ending import leave

# How often the store is asked within the time limit.
_LOOKS = 10
# Stores that may not answer; a file does, or fails at once.
_SERVERS = ("http", "postgresql", "mysql", "mssql")
# The exit code of a command that has ended for that reason: the user can give it again.
_STORE_IS_GONE = 2


def needs_store(unwritten: Callable[[], int] = lambda: 0) -> Callable[[Main], Main]:
    """Decorate the `main` of a command whose results are of use only in the tracking store.

    MLflow waits up to MLFLOW_HTTP_REQUEST_TIMEOUT (120 s) for a server's answer, repeats the
    request seven times, and makes several requests for each form; for a database it waits without
    end. So the command looks for itself: if the store has not answered for that time, the command
    ends, at most half of it later, whatever its threads wait for.

    Args:
        unwritten: Returns how many traces have not reached the store; they are counted in the
            command's last line.
    """

    def decorate(main: Main) -> Main:
        @wraps(main)
        def watched(argv: Sequence[str] | None = None, **options: Any) -> int:
            ended = threading.Event()
            uri = mlflow.get_tracking_uri()
            limit_s = MLFLOW_HTTP_REQUEST_TIMEOUT.get()  # type: ignore[no-untyped-call]
            if uri.startswith(_SERVERS):
                # Asked here first, so that the thread imports nothing: MLflow's import hooks and
                # Python's import lock would wait for each other.
                _answers(uri, limit_s / 2)
                thread = partial(_watch, uri, limit_s, ended, unwritten)
                threading.Thread(target=thread, daemon=True).start()
            try:
                code = main(argv, **options)
            finally:
                ended.set()
            if count := unwritten():
                _say(f"{count} traces were not written: {_why_unwritten()}")
            return code

        return watched

    return decorate


def _watch(uri: str, limit_s: float, ended: threading.Event, unwritten: Callable[[], int]) -> None:
    answered = time.monotonic()
    while not ended.wait(limit_s / _LOOKS):
        if _answers(uri, limit_s / 2):
            answered = time.monotonic()
        elif time.monotonic() - answered > limit_s and not ended.is_set():
            _say(
                f"error: the tracking store has not answered for {limit_s} s, so the command "
                f"ends: {unwritten()} traces were not written. Give the same command again when "
                "it answers; pages in the cache are not paid for again."
            )
            leave(_STORE_IS_GONE)


def _why_unwritten() -> str:
    both = MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT
    if should_use_otlp_exporter() and not both.get():  # type: ignore[no-untyped-call]
        return f"they go to an OpenTelemetry collector alone; {both.name}=true sends them to both."
    return "the tracking store did not take them."


def _answers(uri: str, within_s: float) -> bool:
    """Tell whether the store answers; any answer of a server will do."""
    if not uri.startswith("http"):
        return _database_answers(uri, within_s)
    # With the user's login: without it, a server refuses before it asks its database.
    credentials = get_default_host_creds(uri)  # type: ignore[no-untyped-call]
    try:
        http_request(  # type: ignore[no-untyped-call]
            credentials,
            "/api/2.0/mlflow/experiments/search",
            "GET",
            params={"max_results": 1},
            timeout=within_s,
            max_retries=0,
            raise_on_status=False,
        )
    except MlflowException:
        return False
    return True


def _database_answers(uri: str, within_s: float) -> bool:
    """Tell whether a new connection can be opened, which takes its driver no bounded time."""
    opened = threading.Event()

    def connect() -> None:
        without_pool = partial(sqlalchemy.create_engine, poolclass=sqlalchemy.NullPool)
        # MLflow reports what is wrong with the address or its driver.
        with contextlib.suppress(SQLAlchemyError, ImportError), without_pool(uri).connect():
            opened.set()

    asked = threading.Thread(target=connect, daemon=True)
    asked.start()
    asked.join(within_s)
    return opened.is_set()


def _say(line: str) -> None:
    sys.stdout.flush()  # the results come first where both streams are one
    print(line, file=sys.stderr, flush=True)
