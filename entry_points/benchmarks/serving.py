"""Suite `serving`: `serve` with the extractor against MLflow's scoring server with less."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from entry_points.benchmarks.lines import Aim, Line, Sample, percentile, side_by_side
from entry_points.benchmarks.stage import Stage, documents
from entry_points.cli import UsageError

_CLIENTS = {1: 60, 8: 160, 32: 192}
"""How many requests so many clients send."""

_PAGE_BYTES = 100_000
_READY_S = 120.0
_PERCENTILES = (50, 95, 99)
# The answer of the scoring server's /ping, and of /invocations, where all is well.
_OK = 200

# The two servers; both take a model, a port and by default one worker.
OURS = ("entry_points.serve",)
MLFLOWS = ("mlflow", "models", "serve", "--env-manager", "local")

# Which of the logged models is served, by the name it has in the table.
_AGAINST = {"empty": "an empty model", "bare": "a model with the bare client"}


@dataclass(frozen=True)
class Server:
    """A scoring server: its port, and the id of the process group that it is."""

    port: int
    group: int


def serving(stage: Stage, models: Mapping[str, str]) -> list[Line]:
    """Measure requests to the extractor, and to two models of a few lines on MLflow's server.

    Args:
        stage: Where to run.
        models: The URIs of the logged models.
    """
    page = page_of(stage)
    sent = {"page": request_body(page)}
    bodies = {"bare": sent} | dict.fromkeys(  # the bare client refuses nothing: it fails
        ("ours", "empty"), sent | {"refused": request_body(b"no image" + page)}
    )
    with (
        stage.llm(0.0) as url,
        served(stage, OURS, models["openai"], OPENAI_BASE_URL=url) as ours,
        served(stage, MLFLOWS, models["empty"]) as empty,
        served(stage, MLFLOWS, models["bare"], OPENAI_BASE_URL=url) as bare,
    ):
        servers = {"ours": ours, "empty": empty, "bare": bare}
        taken = side_by_side(
            {
                name: partial(_ask_all, stage, server, bodies[name])
                for name, server in servers.items()
            },
            stage.repeats,
        )
    lines = [line for clients in _CLIENTS for line in _lines(clients, taken)]
    refused = {name: taken[name]["p50_refused"] for name in ("ours", "empty")}
    what, aim = "1 client, p50, a page that is refused at once", Aim("adds", True, 3.0)
    lines.append(
        Line("serving", what, "ms", refused["ours"], _AGAINST["empty"], refused["empty"], aim)
    )
    return lines


def _lines(clients: int, taken: Mapping[str, Mapping[str, Sample]]) -> Iterator[Line]:
    what = f"{clients} client{'s' * (clients > 1)}"
    for name, against in _AGAINST.items():
        for percent in _PERCENTILES if name == "bare" else (50,):
            key = f"p{percent}_{clients}"
            aim = Aim("adds", True, 3.0) if (percent, clients) == (50, 1) else None
            theirs = taken[name][key]
            yield Line(
                "serving", f"{what}, p{percent}", "ms", taken["ours"][key], against, theirs, aim
            )
        key = f"rate_{clients}"
        yield Line("serving", what, "requests/s", taken["ours"][key], against, taken[name][key])


def page_of(stage: Stage) -> bytes:
    """Return the dataset's PNG whose size comes nearest to 100 KB."""
    most = len(list((stage.dataset / "images").glob("*.png")))
    return min(documents(stage.dataset, most), key=lambda page: abs(len(page) - _PAGE_BYTES))


def request_body(page: bytes) -> bytes:
    """Return the body of a scoring request for one page."""
    record = {"doc_id": "page", "image": base64.b64encode(page).decode()}
    return json.dumps({"dataframe_records": [record]}).encode()


def _ask_all(stage: Stage, server: Server, bodies: Mapping[str, bytes]) -> dict[str, float]:
    """Send requests from 1, 8 and 32 clients; return percentiles, ms, and requests a second."""
    figures = {}
    if "refused" in bodies:
        refused = ask(server, bodies["refused"], 1, stage.count(_CLIENTS[1]))
        figures["p50_refused"] = percentile(refused, 50)
    for clients, full in _CLIENTS.items():
        started = time.perf_counter()
        times = ask(server, bodies["page"], clients, stage.count(full // clients))
        figures[f"rate_{clients}"] = len(times) / (time.perf_counter() - started)
        for percent in _PERCENTILES:
            figures[f"p{percent}_{clients}"] = percentile(times, percent)
    return figures


def ask(server: Server, body: bytes, clients: int, requests: int) -> list[float]:
    """Let so many clients send so many requests each; return how long each took, ms."""
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
        if answer.status != _OK:
            raise RuntimeError(f"The scoring server answered {answer.status}: {text[:200]!r}")
    connection.close()
    return times


@contextmanager
def served(
    stage: Stage, program: tuple[str, ...], model_uri: str, **environment: str
) -> Iterator[Server]:
    """Serve a logged model; go on once it is ready.

    Args:
        stage: Where to run.
        program: `OURS` or `MLFLOWS`.
        model_uri: The model.
        environment: What is added to the server's environment.

    Raises:
        UsageError: It ends, or does not answer within two minutes.
    """
    port = _free_port()
    words = [sys.executable, "-m", *program, "--model-uri", model_uri, "--port", str(port)]
    log = stage.folder / f"serve-{port}.log"
    with (
        log.open("wb") as file,
        stage.process(words, environment, stdout=file, stderr=file) as process,
    ):
        deadline = time.monotonic() + _READY_S
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise UsageError(f"{model_uri} is not served:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield Server(port, process.pid)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == _OK
    except OSError:
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
