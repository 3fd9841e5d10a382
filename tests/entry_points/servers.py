"""Real model servers, each a process group of its own that is stopped by its id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
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
    """Return what a server has printed."""
    return _log(project, int(address.rpartition(":")[2])).read_text()


@contextmanager
def served(project: Project, *flags: str, **environment: str) -> Iterator[tuple[str, Process]]:
    """Run the entry point serve; yield its address and process."""
    port = free_port()
    words = ["entry_points.serve", "--port", str(port), *flags]
    with _running(project, words, port, environment) as process:
        yield f"http://127.0.0.1:{port}", process


@contextmanager
def served_by_mlflow(
    project: Project, model_uri: str, **environment: str
) -> Iterator[tuple[str, Process]]:
    """Run MLflow's own scoring server; yield its address and process."""
    port = free_port()
    words = ["mlflow", "models", "serve", "--env-manager", "local", "--model-uri", model_uri]
    with _running(project, [*words, "--port", str(port)], port, environment) as process:
        yield f"http://127.0.0.1:{port}", process


def _log(project: Project, port: int) -> Path:
    return project.folder / f"serve-{port}.log"


@contextmanager
def _running(
    project: Project, words: list[str], port: int, environment: dict[str, str]
) -> Iterator[Process]:
    own = project.environment | {"MLFLOW_TRACKING_URI": project.tracking_uri} | environment
    log = _log(project, port)
    with running(words, project.folder, own, log, f"http://127.0.0.1:{port}/ping") as server:
        yield server
    assert KEY not in log.read_text()


@contextmanager
def running(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path, route: str
) -> Iterator[Process]:
    """Run a module in a folder, with what it prints in `log`, once its `route` answers."""
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
                return requests.get(route, timeout=5).ok
            except (requests.ConnectionError, requests.Timeout):
                return False

        wait_for(answers)
        yield server
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(120)
