"""Real `mlflow server` processes on loopback that can be stopped in their tracks."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.entry_points.servers import free_port, running

_WRITES_TRACES = re.compile(r'"POST /(v1/traces|api/3.0/mlflow/traces|ajax-api/3.0/mlflow/traces)')
_LINKS = re.compile(r"/traces/|/mlflow-artifacts/|/link")


@dataclass(frozen=True)
class TrackingServer:
    """A running server.

    Attributes:
        uri: Its address.
        log: What it printed, a line a request.
        group: Its process group.
    """

    uri: str
    log: Path
    group: int

    def asked_beside_traces(self, since: int) -> list[str]:
        lines = self.log.read_text().splitlines()[since:]
        asked = [line for line in lines if " HTTP/1." in line]
        return [line for line in asked if not (_WRITES_TRACES.search(line) or _LINKS.search(line))]

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let the server hang: connections are taken, and nothing is answered."""
        os.killpg(self.group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.group, signal.SIGCONT)


@contextmanager
def tracking_server(
    folder: Path, environment: Mapping[str, str], store: str, *flags: str
) -> Iterator[TrackingServer]:
    """Run `mlflow server` in a folder, on a store and with further flags."""
    port, log = free_port(), folder / "server.log"
    words = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # Its consumers of jobs, eleven processes, have nothing to do here.
    own = {**environment, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    uri = f"http://127.0.0.1:{port}"
    command = [*words, "--backend-store-uri", store, *flags]
    with running(command, folder, own, log, lambda: f"{uri}/health") as process:
        try:
            yield TrackingServer(uri, log, process.pid)
        finally:
            os.killpg(process.pid, signal.SIGCONT)
