"""Servers on loopback that suites start: the scoring servers, and the tracking server."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from entry_points.benchmarks.environment import Environment, distinct_pages
from entry_points.command_line.cli import UsageError

_PAGE_BYTES = 100_000
_READY_S = 120.0
# The status of a server where all is well, of one that gave no answer, and of one that left the
# request open.
OK, CLOSED, OPEN = "200", "connection closed", "never ended"

# The two scoring servers; both take a model, a port and by default one worker.
OURS = ("entry_points.serve",)
MLFLOWS = ("mlflow", "models", "serve", "--env-manager", "local")


@dataclass(frozen=True)
class ServerProcess:
    """A running server: its port and the id of its process group."""

    port: int
    group: int

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let the server hang: it accepts connections but does not answer."""
        os.killpg(self.group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.group, signal.SIGCONT)


def page_of(env: Environment) -> bytes:
    """Return the dataset's PNG whose size comes nearest to 100 KB."""
    most = len(list((env.dataset / "images").glob("*.png")))
    return min(distinct_pages(env.dataset, most), key=lambda page: abs(len(page) - _PAGE_BYTES))


def request_body(page: bytes) -> bytes:
    """Return the body of a scoring request for one page."""
    record = {"doc_id": "page", "image": base64.b64encode(page).decode()}
    return json.dumps({"dataframe_records": [record]}).encode()


def ask(server: ServerProcess, body: bytes, clients: int, requests: int) -> list[float]:
    """Send `requests` requests from each of `clients` clients; return how long each took, ms."""
    with ThreadPoolExecutor(clients) as pool:
        sent = [pool.submit(_client, server.port, body, requests) for _ in range(clients)]
        return [ms for client in sent for ms in client.result()]


def _client(port: int, body: bytes, requests: int) -> list[float]:
    """Send requests one after the other over one connection; return how long each took, ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    times = []
    for _ in range(requests):
        started = time.perf_counter()
        connection.request("POST", "/invocations", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        times.append(1000 * (time.perf_counter() - started))
        if str(answer.status) != OK:
            raise RuntimeError(f"The scoring server answered {answer.status}: {text[:200]!r}")
    connection.close()
    return times


def exchange(
    method: str, path: str, body: list[bytes], port: int, patience_s: float = 60.0
) -> tuple[str, bytes]:
    """Send a request, chunked if its body has several parts; return the status and the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience_s)
    content = body[0] if len(body) == 1 else iter(body) if body else None
    try:
        # A server that refuses a body answers before the body is complete.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, path, content, {"content-type": "application/json"})
        answer = connection.getresponse()
        return str(answer.status), answer.read()
    except TimeoutError:
        return OPEN, b""
    except (OSError, http.client.HTTPException):
        return CLOSED, b""
    finally:
        connection.close()


post = partial(exchange, "POST", "/invocations")


@contextmanager
def served(
    env: Environment, program: tuple[str, ...], model_uri: str, **environment: str
) -> Iterator[ServerProcess]:
    """Serve a logged model with `OURS` or `MLFLOWS`; enter the context when it is ready.

    Raises:
        UsageError: It ends, or does not answer within two minutes.
    """
    with _running(env, [*program, "--model-uri", model_uri], environment) as server:
        yield server


@contextmanager
def tracking_server(env: Environment) -> Iterator[ServerProcess]:
    """Run MLflow's tracking server on the benchmark's store; enter the context when it is ready.

    Raises:
        UsageError: It ends, or does not answer within two minutes.
    """
    words = ["mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    store = env.variables()["MLFLOW_TRACKING_URI"]
    # Its eleven job consumers have nothing to do here.
    idle = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with _running(env, [*words, "--backend-store-uri", store], idle) as server:
        yield server


@contextmanager
def _running(
    env: Environment, words: list[str], environment: Mapping[str, str]
) -> Iterator[ServerProcess]:
    port = _free_port()
    log = env.folder / f"server-{port}.log"
    with (
        log.open("wb") as file,
        env.process(
            [sys.executable, "-m", *words, "--port", str(port)],
            environment,
            stdout=file,
            stderr=file,
        ) as process,
    ):
        deadline = time.monotonic() + _READY_S
        while exchange("GET", "/health", [], port, 5.0)[0] != OK:
            if process.poll() is not None or time.monotonic() > deadline:
                raise UsageError(f"{' '.join(words)} is not ready:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield ServerProcess(port, process.pid)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
