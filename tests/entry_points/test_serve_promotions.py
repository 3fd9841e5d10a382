"""Promotions under load: every request is answered, by one version or the other, and memory stays.

`python -m pytest -s tests/entry_points/test_serve_promotions.py` prints the figures.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from entry_points.benchmarks.measurements import percentile
from tests.entry_points.conftest import Project
from tests.entry_points.following import (
    answer_of,
    ask,
    counted,
    following,
    promote,
    request_of,
    tiny_versions,
    wait_for_only,
)
from tests.waiting import wait_for

PROMOTIONS = int(os.environ.get("LOAD_PROMOTIONS", "20"))
CLIENTS = int(os.environ.get("LOAD_CLIENTS", "4"))
WORKERS = int(os.environ.get("LOAD_WORKERS", "1"))
# How long a client waits after an answer, s: the machine must load models too.
PAUSE_S = 0.02
# What the processes may have more at the end than at the beginning, MB.
GROWTH_MB = 40


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Project]:
    with tiny_versions(tmp_path_factory.mktemp("tiny"), empty_store) as project:
        yield project


def keep_asking(
    url: str, stop: threading.Event, *, keep_alive: bool
) -> tuple[Counter[str], list[float]]:
    """Ask until told to stop; count the answers by version, and return how long each took, ms."""
    answers, times = Counter[str](), list[float]()
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=300)
    body = json.dumps(request_of("QQ=="))
    headers = {"Content-Type": "application/json"}
    while not stop.is_set():
        started = time.perf_counter()
        if keep_alive:
            connection.request("POST", "/invocations", body, headers)
            got = connection.getresponse()
            text = got.read()
            assert got.status == 200, text
            answers[json.loads(text)["predictions"][0]["pairs"][0]["answer"]] += 1
        else:
            got = requests.post(f"{url}/invocations", body, headers=headers, timeout=300)
            answers[answer_of(got)] += 1
        times.append(1000 * (time.perf_counter() - started))
        time.sleep(PAUSE_S)
    return answers, times


def members_of(pid: int) -> set[int]:
    """Return a process and its children (Linux)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return {pid, *(int(child) for task in tasks for child in task.read_text().split())}


def proportional_kb(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    [found] = re.findall(r"^Pss: +(\d+) kB$", text, re.M)
    return int(found)


def memory_mb(pid: int, processes: int) -> float:
    """Return the proportional memory of a server (Linux) once it has so many processes, MB."""
    members = wait_for(lambda: found if len(found := members_of(pid)) == processes else None)
    return sum(proportional_kb(member) for member in members) / 1000


def test_no_request_is_lost_over_promotions(tiny: Project):
    stop = threading.Event()
    with (
        following(tiny, f"--workers={WORKERS}") as (url, server),
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        for _ in range(20):
            ask(url)
        before_mb = memory_mb(server.pid, WORKERS + 1)
        began = time.monotonic()
        clients = [
            pool.submit(keep_asking, url, stop, keep_alive=n % 2 == 0) for n in range(CLIENTS)
        ]
        try:
            for number in range(1, PROMOTIONS + 1):
                version = 1 + number % 2
                promote(tiny, url, version)
                wait_for_only(url, version, WORKERS)
                assert not any(client.done() for client in clients)
        finally:
            stop.set()
        results = [client.result() for client in clients]
        took_s = time.monotonic() - began
        after_mb = memory_mb(server.pid, WORKERS + 1)
        answers = sum((answers for answers, _ in results), Counter[str]())
        times = [ms for _, each in results for ms in each]
        p50, p99 = percentile(times, 50), percentile(times, 99)
        print(f"\n{PROMOTIONS} promotions, {CLIENTS} clients, {WORKERS} workers, {took_s:.0f} s")
        print(f"Answers {dict(answers)}; p50 {p50:.0f}, p99 {p99:.0f}, most {max(times):.0f} ms")
        print(f"Memory (PSS): {before_mb:.0f} MB before, {after_mb:.0f} MB after")
        assert set(answers) == {"one", "two"}
        assert counted(url, "requests_total") == answers.total() + 20
        assert counted(url, "switches_total") == PROMOTIONS
        assert after_mb - before_mb < GROWTH_MB
    with pytest.raises(ProcessLookupError):
        os.killpg(server.pid, 0)
