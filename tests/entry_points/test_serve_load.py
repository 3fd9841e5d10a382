"""Many clients at once: each gets the answer to its own page, and memory stays flat.

LOAD_CLIENTS and LOAD_S set how many, and for how long, s; LOAD_TRACED=0 reads without traces; `-s`
shows rates, times and memory.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image

from entry_points.benchmarks.measurements import usage_of_tree
from tests.entry_points.conftest import SAMPLES, Done, Project
from tests.entry_points.servers import Process, served
from tests.llm_servers.echo import echo_process

CLIENTS = int(os.environ.get("LOAD_CLIENTS", "8"))
SECONDS = float(os.environ.get("LOAD_S", "3"))
TRACED = os.environ.get("LOAD_TRACED", "1")
# What memory may grow by from the middle to the end, MB, of a run whose first half warms up.
GROWTH_MB = 60
WARM_S = 60.0

Row = Mapping[str, Any]
Check = Callable[[Row], bool]


def body(page: bytes) -> bytes:
    return json.dumps({"inputs": [{"image": base64.b64encode(page).decode()}]}).encode()


def ask(connection: http.client.HTTPConnection, request: bytes) -> Row:
    connection.request("POST", "/invocations", request, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, text
    [row] = json.loads(text)["predictions"]
    return dict(row)


def client(port: int, pages: Sequence[tuple[bytes, Check]], until: float) -> list[float]:
    """Send pages over one connection, at least one; return how long each took, ms."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    times: list[float] = []
    while not times or time.monotonic() < until:
        request, is_right = pages[len(times) % len(pages)]
        started = time.perf_counter()
        row = ask(connection, request)
        times.append(1000 * (time.perf_counter() - started))
        assert is_right(row), row
    connection.close()
    return times


def load(
    server: tuple[str, Process], pages_of: Callable[[int], Sequence[tuple[bytes, Check]]]
) -> None:
    """Let all clients ask for as long as they should, and watch the server's memory."""
    address, process = server
    port, memory_mb = int(address.rpartition(":")[2]), []
    work = [pages_of(number) for number in range(CLIENTS)]
    started = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(client, port, pages, started + SECONDS) for pages in work]
        while not all(each.done() for each in clients):
            memory_mb.append(usage_of_tree(process.pid)[1])
            time.sleep(SECONDS / 30)
        times = [ms for each in clients for ms in each.result()]
    took_s = time.monotonic() - started
    p50, p95, p99 = np.percentile(times, (50, 95, 99))
    middle_mb = memory_mb[len(memory_mb) // 2]
    print(
        f"\n{CLIENTS} clients, {took_s:.0f} s: {len(times)} requests, {len(times) / took_s:.2f}/s"
    )
    print(f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms")
    print(
        f"Resident {memory_mb[1]:.0f}, {middle_mb:.0f}, {memory_mb[-1]:.0f} MB: begin, middle, end"
    )
    if SECONDS >= WARM_S:
        assert memory_mb[-1] - middle_mb < GROWTH_MB


def pages_of_one_size(number: int) -> list[tuple[bytes, Check]]:
    """Cut pages that no other client has: their size is what the LLM answers."""
    sheet = Image.open(SAMPLES / "images" / "invoice-01.png")
    cut = [sheet.crop((0, 0, sheet.width - number, sheet.height - k)) for k in range(4)]
    return [(body(png(page)), answers(f"{page.width} x {page.height}")) for page in cut]


def png(page: Image.Image) -> bytes:
    buffer = io.BytesIO()
    page.save(buffer, "PNG")
    return buffer.getvalue()


def answers(text: str) -> Check:
    return lambda row: [pair["answer"] for pair in row["pairs"]] == [text]


def test_clients_of_an_llm_get_their_own_answers(project: Project, main_run: Done):
    with echo_process() as llm_url:
        environment = {"OPENAI_BASE_URL": llm_url, "MLFLOW_TRACE_SAMPLING_RATIO": TRACED}
        with served(project, **environment) as server:
            load(server, pages_of_one_size)


def test_clients_of_the_local_engine_get_what_one_client_gets(project: Project, main_run: Done):
    forms = [(SAMPLES / "images" / f"{name}.png") for name in ("fax-01", "memo-01", "memo-02")]
    with served(project, SERVING_MODEL_CONFIG='{"engine": "local"}') as server:
        connection = http.client.HTTPConnection(server[0].removeprefix("http://"), timeout=300)
        requests = [body(form.read_bytes()) for form in forms]
        pages = [(request, reads(ask(connection, request))) for request in requests]
        connection.close()
        load(server, lambda number: pages[number % len(pages) :] + pages[: number % len(pages)])


def reads(alone: Row) -> Check:
    assert alone["pairs"]
    return lambda row: row == alone
