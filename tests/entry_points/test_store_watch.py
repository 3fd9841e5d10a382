"""A command that needs the tracking server ends when that is gone, whatever it waits for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from entry_points import ROOT
from tests.loopback import LoopbackServer

COMMAND = """
import sys, threading
from entry_points.command_line.store_watch import needs_store
@needs_store(lambda: 3)
def main(argv=None):
    print("begun")
    threading.Event().wait(float(sys.argv[1]))
    return 0
raise SystemExit(main())
"""


class Refusal(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.headers["Authorization"]:  # its database hangs
            threading.Event().wait(60)
        self.send_error(401)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def server(kind: str) -> Iterator[int]:
    """Yield the port of a server that hangs, is gone, or refuses who has no login."""
    if kind == "knows nobody":
        with LoopbackServer(("127.0.0.1", 0), Refusal) as answering:
            threading.Thread(target=answering.serve_forever, daemon=True).start()
            yield answering.server_port
            answering.shutdown()
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if kind == "hangs":
            yield port
    if kind == "is gone":
        yield port


def run(
    store: str, limit_s: int, takes_s: float, **environment: str
) -> subprocess.CompletedProcess[str]:
    settings = {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(limit_s), "PYTHONPATH": str(ROOT)}
    settings["MLFLOW_TRACKING_URI"] = store
    return subprocess.run(
        [sys.executable, "-c", COMMAND, str(takes_s)],
        env=os.environ | settings | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("kind", ["hangs", "is gone"])
@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_command_ends_without_its_store_and_counts_its_traces(scheme: str, kind: str):
    if scheme == "postgresql":
        pytest.importorskip("psycopg2")
    with server(kind) as port:
        done = run(f"{scheme}://127.0.0.1:{port}", limit_s=1, takes_s=600.0)
    assert done.returncode == 2
    first, last = done.stdout.splitlines()
    assert first == "begun"
    assert "not answered for 1 s, so the command ends: 3 traces were not written." in last


def test_a_database_that_hangs_behind_a_login_is_noticed():
    user = {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "secret"}
    with server("knows nobody") as port:
        done = run(f"http://127.0.0.1:{port}", limit_s=1, takes_s=600.0, **user)
    assert done.returncode == 2
    assert "not answered for 1 s, so the command ends" in done.stdout
    assert "secret" not in done.stdout


def test_a_collector_that_takes_mlflows_place_is_named(tmp_path: Path):
    collector = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}
    done = run(f"sqlite:///{tmp_path / 'mlflow.db'}", 5, 0.0, **collector)
    assert done.stdout.splitlines()[-1] == (
        "3 traces were not written: they go to an OpenTelemetry collector alone; "
        "MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT=true sends them to both."
    )


def test_any_answer_keeps_a_command_and_its_last_line_counts_the_traces():
    with server("knows nobody") as port:
        done = run(f"http://127.0.0.1:{port}", limit_s=5, takes_s=12.5)
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        ["begun", "3 traces were not written: the tracking store did not take them."],
    )
