"""Real model servers, each a process group of its own that is stopped by its id."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.entry_points.conftest import Project
from tests.llm_servers.completions import KEY
from tests.waiting import wait_for

Process = subprocess.Popen[bytes]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def log_of(project: Project, address: str) -> str:
    """Return what a server has printed, its address among it."""
    logs = sorted(project.folder.glob("serve-*.log"), key=lambda log: -log.stat().st_mtime_ns)
    printed = (log.read_text() for log in logs)
    return next(text for text in printed if re.search(rf"{re.escape(address)}\b", text))


@contextmanager
def served(project: Project, *flags: str, **environment: str) -> Iterator[tuple[str, Process]]:
    """Run the entry point serve on a port that it chooses; yield its address and process."""

    def address() -> str:
        found = re.search(r"curl -sS (http://127\.0\.0\.1:[1-9]\d*)/invocations", log.read_text())
        return found[1] if found else ""

    log = _log(project)
    words = ["entry_points.serve", "--port=0", *flags]
    with _running(project, words, log, address, environment) as process:
        yield address(), process


@contextmanager
def served_by_mlflow(
    project: Project, model_uri: str, **environment: str
) -> Iterator[tuple[str, Process]]:
    """Run MLflow's own scoring server; yield its address and process."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    words = ["mlflow", "models", "serve", "--env-manager", "local", "--model-uri", model_uri]
    words += ["--port", str(port)]
    with _running(project, words, _log(project), lambda: address, environment) as process:
        yield address, process


def _log(project: Project) -> Path:
    number, path = tempfile.mkstemp(".log", "serve-", project.folder)
    os.close(number)
    return Path(path)


@contextmanager
def _running(
    project: Project,
    words: list[str],
    log: Path,
    address: Callable[[], str],
    environment: dict[str, str],
) -> Iterator[Process]:
    own = project.environment | {"MLFLOW_TRACKING_URI": project.tracking_uri} | environment
    with running(words, project.folder, own, log, lambda: f"{address()}/ping") as server:
        yield server
    assert KEY not in log.read_text()


@contextmanager
def running(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    route: Callable[[], str],
) -> Iterator[Process]:
    """Run a module in a folder, with what it prints in `log`, once its `route` answers.

    `route` returns no URL yet while the server has not printed the port that it chose.
    """
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:

        def answers() -> bool:
            assert server.poll() is None, log.read_text()
            try:
                return requests.get(route(), timeout=5).ok
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.MissingSchema):
                return False

        wait_for(answers)
        yield server
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(120)
