"""Promotions under load: every request is answered, by one version or the other, and memory stays.

`python -m pytest -s tests/entry_points/test_serve_promotions.py` prints the figures.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from entry_points.benchmarks.measurements import usage_of_tree
from tests.entry_points.conftest import Project
from tests.entry_points.following import (
    ask,
    counted,
    following,
    promote,
    request_of,
    tiny_versions,
    workers,
)
from tests.entry_points.serving.log_tiny import NAME
from tests.waiting import wait_for

PROMOTIONS = int(os.environ.get("LOAD_PROMOTIONS", "20"))
CLIENTS = int(os.environ.get("LOAD_CLIENTS", "4"))
WORKERS = int(os.environ.get("LOAD_WORKERS", "1"))
# How long a client waits after an answer, s: the machine must load models too.
PAUSE_S = 0.1
# Requests before memory is measured.
WARM = 20
# What the processes may have more at the end than at the beginning, MB.
GROWTH_MB = 40


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Project]:
    with tiny_versions(tmp_path_factory.mktemp("tiny"), empty_store) as project:
        yield project


def keep_asking(url: str, stop: threading.Event, *, keep_alive: bool) -> list[tuple[str, float]]:
    """Ask until told to stop; return the version that answered, and how long it took, ms."""
    answers = list[tuple[str, float]]()
    body, address = json.dumps(request_of("QQ==")), url.removeprefix("http://")
    headers = {"Content-Type": "application/json"}
    if not keep_alive:
        headers["Connection"] = "close"
    with contextlib.closing(http.client.HTTPConnection(address, timeout=300)) as connection:
        while not stop.is_set():
            started = time.perf_counter()
            connection.request("POST", "/invocations", body, headers)
            got = connection.getresponse()
            text = got.read()
            assert got.status == 200, text
            [row] = json.loads(text)["predictions"]
            took_ms = 1000 * (time.perf_counter() - started)
            answers.append((row["pairs"][0]["answer"], took_ms))
            time.sleep(PAUSE_S)
    return answers


def members_of(pid: int) -> set[int]:
    """Return a process and its children (Linux)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return {pid, *(int(child) for task in tasks for child in task.read_text().split())}


def memory_mb(pid: int, processes: int) -> float:
    """Return the resident memory of a server once it has so many processes, MB."""
    wait_for(lambda: len(members_of(pid)) == processes)
    return usage_of_tree(pid)[1]


def test_no_request_is_lost_over_promotions(tiny: Project):
    stop = threading.Event()
    with (
        following(tiny, f"--workers={WORKERS}") as (url, server),
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        for _ in range(WARM):
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
                while workers(url) != {f"{NAME}/{version}": WORKERS}:
                    time.sleep(0.5)
                assert not any(client.done() for client in clients)
        finally:
            stop.set()
        answers = [answer for client in clients for answer in client.result()]
        took_s = time.monotonic() - began
        after_mb = memory_mb(server.pid, WORKERS + 1)
        times = [ms for _, ms in answers]
        p50, p99 = np.percentile(times, (50, 99))
        versions = Counter(version for version, _ in answers)
        print(f"\n{PROMOTIONS} promotions, {CLIENTS} clients, {WORKERS} workers, {took_s:.0f} s")
        print(f"Answers {dict(versions)}; p50 {p50:.0f}, p99 {p99:.0f}, most {max(times):.0f} ms")
        print(f"Resident memory before {before_mb:.0f} MB, after {after_mb:.0f} MB")
        assert set(versions) == {"one", "two"}
        assert counted(url, "requests_total") == len(answers) + WARM
        assert counted(url, "switches_total") == PROMOTIONS
        assert after_mb - before_mb < GROWTH_MB
    with pytest.raises(ProcessLookupError):
        os.killpg(server.pid, 0)
