"""A server ends in time after a signal, whatever hangs, and says that it stops until then."""

from __future__ import annotations

import base64
import contextlib
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.entry_points.conftest import Done, Project
from tests.entry_points.servers import log_of, served
from tests.llm_servers.faulty import FaultyLlm, Held
from tests.waiting import wait_for

SHUTDOWN_S = 8
# How long the process itself may take to end on a busy machine, s; what hangs does so for longer.
GRACE_S = 30


@pytest.fixture(scope="module")
def body(project: Project) -> dict[str, Any]:
    page = (project.dataset / "images" / "fax-01.png").read_bytes()
    return {"inputs": [{"image": base64.b64encode(page).decode()}]}


def post(address: str, body: Any) -> requests.Response:
    return requests.post(f"{address}/invocations", json=body, timeout=90)


@pytest.mark.parametrize(
    ("number", "workers"),
    [
        pytest.param(signal.SIGTERM, 1, id="SIGTERM"),
        pytest.param(signal.SIGINT, 1, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, 2, id="two workers"),
    ],
)
def test_a_page_that_never_ends_does_not_keep_the_server(
    project: Project, main_run: Done, body: dict[str, Any], number: signal.Signals, workers: int
):
    held = Held()
    flags = (f"--shutdown-s={SHUTDOWN_S}", f"--workers={workers}")
    with FaultyLlm() as llm, ThreadPoolExecutor(1) as client:
        llm.always = held
        with served(project, *flags, OPENAI_BASE_URL=llm.base_url) as (address, server):
            pending = client.submit(post, address, body)
            wait_for(lambda: llm.requests)
            started = time.monotonic()
            server.send_signal(number)
            if workers == 1:
                assert said_while_stopping(address, body) == {
                    "/ping": 200,
                    "/ready": "server_stopping",
                    "/invocations": "server_stopping",
                }
            server.wait(60)
            took_s = time.monotonic() - started
            got = pending.result()
            held.released.set()
            log = log_of(project, address)
    assert (got.status_code, got.json()["error_code"]) == (503, "server_stopping")
    assert got.headers["Retry-After"]
    assert SHUTDOWN_S <= took_s < SHUTDOWN_S + GRACE_S
    assert server.returncode == 0
    assert "Traceback" not in log


def said_while_stopping(address: str, body: dict[str, Any]) -> dict[str, Any]:
    """Wait until the server is not ready; return what it says then, a route each."""
    wait_for(lambda: not requests.get(f"{address}/ready", timeout=60).ok)
    return {
        "/ping": requests.get(f"{address}/ping", timeout=60).status_code,
        "/ready": requests.get(f"{address}/ready", timeout=60).json()["error_code"],
        "/invocations": post(address, body).json()["error_code"],
    }


@contextmanager
def locked(project: Project) -> Iterator[None]:
    """Hold the store's lock: whoever writes to it waits, and then tries again."""
    with contextlib.closing(sqlite3.connect(project.folder / "mlflow.db", timeout=60)) as store:
        store.execute("BEGIN EXCLUSIVE")
        yield


@pytest.mark.parametrize("workers", [1, 2])
def test_a_store_that_takes_nothing_does_not_keep_the_server(
    project: Project, main_run: Done, body: dict[str, Any], workers: int
):
    flags = (f"--shutdown-s={SHUTDOWN_S}", f"--workers={workers}")
    with served(project, *flags) as (address, server):
        assert post(address, {"inputs": body["inputs"] * 40}).ok
        with locked(project):
            started = time.monotonic()
            server.send_signal(signal.SIGTERM)
            server.wait(90)
            took_s = time.monotonic() - started
    assert took_s < SHUTDOWN_S + GRACE_S
    assert server.returncode == 0


def test_workers_count_together(project: Project, main_run: Done, body: dict[str, Any]):
    with served(project, "--workers=2", "--shutdown-s=5") as (address, _):
        for _ in range(12):
            assert post(address, body).ok
        texts = {requests.get(f"{address}/metrics", timeout=60).text for _ in range(8)}
    for text in texts:
        counts = re.findall(r'^ocr_extractor_requests_total{status="200"} (\S+)$', text, re.M)
        assert [float(count) for count in counts] == [12]
