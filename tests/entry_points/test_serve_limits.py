"""What one client may take of a server: time, bytes, rows, places; and what the server tells."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.entry_points.conftest import Done, Project
from tests.entry_points.servers import served
from tests.llm_servers.completions import FORM
from tests.llm_servers.faulty import FaultyLlm, Held, answer, slow
from tests.waiting import wait_for

TIMEOUT_S = 10
MOST_BYTES = 40_000_000
HEAD = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@dataclass(frozen=True)
class Limited:
    """A server with low limits: its port, its LLM, and a request for a page."""

    port: int
    llm: FaultyLlm
    body: bytes

    def post(self, body: Any = None) -> requests.Response:
        headers = {"Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self.port}/invocations"
        return requests.post(url, body or self.body, headers=headers, timeout=60)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=60)

    def connect(self, head: str) -> socket.socket:
        """Send a request's head, and none of its body."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        client.sendall(f"{HEAD}{head}\r\n".encode())
        return client


@pytest.fixture(scope="module")
def server(project: Project, main_run: Done) -> Iterator[Limited]:
    page = (project.dataset / "images" / "fax-01.png").read_bytes()
    image = base64.b64encode(page).decode()
    flags = [f"--timeout={TIMEOUT_S}", f"--max-request-bytes={MOST_BYTES}", "--max-requests=2"]
    settings = '{"max_retries": 0, "max_documents": 100}'
    with (
        FaultyLlm() as llm,
        served(project, *flags, OPENAI_BASE_URL=llm.base_url, SERVING_MODEL_CONFIG=settings) as (
            address,
            _,
        ),
    ):
        port = int(address.rpartition(":")[2])
        yield Limited(port, llm, json.dumps({"inputs": [{"image": image}]}).encode())


def read_all(client: socket.socket) -> tuple[str, dict[str, Any]]:
    """Read an answer until the connection is closed; return its head and body."""
    text = b""
    while chunk := client.recv(65536):
        text += chunk
    head, _, body = text.decode().partition("\r\n\r\n")
    return head, json.loads(body)


def test_metrics_count_what_was_asked_and_read(server: Limited):
    # The first test of this server: documents that nobody waits for are counted later.
    server.llm.always = answer(FORM)
    before = samples(server)
    body = json.loads(server.body)
    body["inputs"].append({"image": ""})
    assert server.post(json.dumps(body).encode()).ok
    assert server.post(b"{}").status_code == 400
    after = samples(server)
    usage = {name: after[name] - before.get(name, 0) for name in after}
    assert usage['requests_total{status="200"}'] == 1
    assert usage['requests_total{status="400"}'] == 1
    assert usage["request_seconds_count"] == 2
    assert usage["documents_total"] == 2
    assert usage["pages_total"] == 1
    assert usage['errors_total{code="empty_document"}'] == 1
    assert usage['errors_total{code="invalid_request"}'] == 1
    assert usage['tokens_total{kind="input"}'] > 0
    assert usage['tokens_total{kind="output"}'] > 0
    assert usage["cost_usd_total"] >= 0
    assert usage["traces_dropped_total"] == 0


def samples(server: Limited) -> dict[str, float]:
    got = server.get("/metrics")
    assert got.headers["Content-Type"].startswith("text/plain; version=")
    lines = re.findall(r"^ocr_extractor_(\S+) (\S+)$", got.text, re.MULTILINE)
    return {name: float(value) for name, value in lines}


def test_a_body_that_drips_ends_with_its_request(server: Limited):
    client = server.connect("Content-Length: 1000\r\n")
    started, client_done = time.monotonic(), threading.Event()

    def drip() -> None:
        while not client_done.wait(0.2):
            client.sendall(b" ")

    with ThreadPoolExecutor(1) as pool, client:
        dripping = pool.submit(drip)
        try:
            head = client.recv(65536).decode()
        finally:
            client_done.set()
        took_s = time.monotonic() - started
        dripping.exception()
    assert head.startswith("HTTP/1.1 408 ")
    assert "connection: close" in head
    assert TIMEOUT_S <= took_s < 2 * TIMEOUT_S


def test_a_body_past_the_limit_is_refused_before_it_is_sent(server: Limited):
    with server.connect(f"Content-Length: {MOST_BYTES + 1}\r\n") as client:
        head, body = read_all(client)
    assert head.startswith("HTTP/1.1 413 ")
    assert body["error_code"] == "request_too_large"


@pytest.mark.parametrize("chunked", [False, True], ids=["stated length", "chunks"])
def test_who_sends_more_all_the_same_is_told(server: Limited, chunked: bool):
    chunks = [b" " * 1_000_000] * 90
    got = server.post(iter(chunks) if chunked else b"".join(chunks))
    assert (got.status_code, got.json()["error_code"]) == (413, "request_too_large")
    assert server.post().ok


def test_millions_of_empty_rows_are_refused(server: Limited):
    got = server.post(b'{"inputs": [' + b",".join([b"{}"] * 2_000_000) + b"]}")
    assert got.status_code == 400
    assert "max_documents=100" in got.json()["message"]


def test_a_request_too_many_is_refused_before_its_body_is_sent(server: Limited):
    held = Held()
    server.llm.always, before = held, len(server.llm.requests)
    with ThreadPoolExecutor(2) as clients:
        pending = [clients.submit(server.post) for _ in range(2)]
        wait_for(lambda: len(server.llm.requests) == before + 2)
        with server.connect("Content-Length: 1000\r\n") as client:
            head, body = read_all(client)
        seen = [server.get(path).status_code for path in ("/ping", "/ready", "/metrics")]
        held.released.set()
        assert [each.result().status_code for each in pending] == [200, 200]
    assert head.startswith("HTTP/1.1 503 ")
    assert re.search(r"^retry-after: \d+\r$", head, re.MULTILINE)
    assert body["error_code"] == "server_busy"
    assert seen == [200, 200, 200]
    assert server.post().ok


def test_a_request_that_nobody_waits_for_keeps_its_place_while_it_is_in_memory(server: Limited):
    held = Held()
    server.llm.always = held
    with ThreadPoolExecutor(2) as clients:
        assert {got.status_code for got in clients.map(lambda _: server.post(), range(2))} == {504}
    assert server.post().json()["error_code"] == "server_busy"
    held.released.set()
    wait_for(lambda: server.post().ok)


def test_a_server_that_does_not_reach_its_engine_is_not_ready(server: Limited):
    server.llm.always = slow(0, 0)  # it closes the connection
    for _ in range(3):
        assert server.get("/ready").status_code == 200
        [row] = server.post().json()["predictions"]
        assert row["error_code"] == "connection_failed"
    got = server.get("/ready")
    assert (got.status_code, got.json()["error_code"]) == (503, "engine_unreachable")
    assert got.headers["Retry-After"]
    assert server.get("/ping").status_code == 200
    server.llm.always = answer(FORM)
    assert server.post().json()["predictions"][0]["error_code"] is None
    assert server.get("/ready").status_code == 200


def test_the_docs_need_no_network(server: Limited):
    page = server.get("/docs")
    assert page.status_code == 200
    links = re.findall(r"""(?:src|href)=["']([^"']+)|url: ["']([^"']+)""", page.text)
    paths = ["".join(pair) for pair in links]
    assert len(paths) >= 3
    for path in paths:
        assert re.match(r"/[^/]", path), path
        assert server.get(path).status_code == 200, path
