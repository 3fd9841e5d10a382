"""Damaged documents and bodies never stop a served model, hang it, or make it grow.

FUZZ_DOCUMENTS, FUZZ_BODIES and FUZZ_SEED set how many, and which; `-s` shows what became of them.
"""

from __future__ import annotations

import base64
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import requests

from entry_points.benchmarks.measurements import usage_of_tree
from tests.entry_points.conftest import Done, Project
from tests.entry_points.mutations import bodies, documents
from tests.entry_points.servers import Process, served, served_by_mlflow
from tests.llm_servers.echo import echo_process

DOCUMENTS = int(os.environ.get("FUZZ_DOCUMENTS", "200"))
BODIES = int(os.environ.get("FUZZ_BODIES", "200"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
# A request's longest time, s: far above what 50 small pages take, far below a hang.
LIMIT_S = 300
only_in_full = pytest.mark.skipif(
    "FUZZ_DOCUMENTS" not in os.environ, reason="FUZZ_DOCUMENTS=20000 asks MLflow's server, too"
)
# What memory may grow by from the middle to the end, MB.
GROWTH_MB = 60


@pytest.fixture(scope="module")
def llm_url() -> Iterator[str]:
    with echo_process() as url:
        yield url


@pytest.fixture(scope="module")
def strict(project: Project, main_run: Done, llm_url: str) -> Iterator[tuple[str, Process]]:
    with served(project, OPENAI_BASE_URL=llm_url, MLFLOW_TRACE_SAMPLING_RATIO="0") as server:
        yield server


@pytest.fixture(scope="module")
def mlflows(project: Project, main_run: Done, llm_url: str) -> Iterator[tuple[str, Process]]:
    quiet = {"MLFLOW_TRACE_SAMPLING_RATIO": "0", "OPENAI_BASE_URL": llm_url}
    with served_by_mlflow(project, "models:/ocr-extractor@champion", **quiet) as server:
        yield server


def send_documents(url: str, process: Process, count: int) -> None:
    codes: Counter[str | None] = Counter()
    memory_mb, longest_s = [], 0.0
    damaged = documents(SEED, count)
    while batch := list(islice(damaged, 50)):
        records = [{"image": base64.b64encode(data).decode()} for data in batch]
        started = time.monotonic()
        got = requests.post(
            f"{url}/invocations", json={"dataframe_records": records}, timeout=LIMIT_S
        )
        longest_s = max(longest_s, time.monotonic() - started)
        assert got.status_code == 200, got.text
        rows = got.json()["predictions"]
        assert len(rows) == len(batch)
        for row in rows:
            assert row["pairs"] or row["error_code"]
            assert row["error_code"] != "internal_error"
        codes.update(row["error_code"] for row in rows)
        memory_mb.append(usage_of_tree(process.pid)[1])
    print(f"\n{count} documents, seed {SEED}: {dict(codes.most_common())}")
    report(memory_mb, longest_s)


def report(memory_mb: list[float], longest_s: float) -> None:
    middle = memory_mb[len(memory_mb) // 2]
    print(f"Resident {memory_mb[0]:.0f}, {middle:.0f}, {memory_mb[-1]:.0f} MB after the first, the")
    print(f"middle and the last request; the longest took {longest_s:.2f} s.")
    assert memory_mb[-1] - middle < GROWTH_MB


def test_damaged_documents_end_in_rows(strict: tuple[str, Process]):
    send_documents(*strict, DOCUMENTS)


@only_in_full
def test_damaged_documents_end_in_rows_on_mlflows_server(mlflows: tuple[str, Process]):
    send_documents(*mlflows, DOCUMENTS // 10)


CONTENT_TYPES = ["application/json"] * 8 + ["text/csv", "application/json; charset=utf-16", "", "a"]


def send_bodies(url: str, process: Process, count: int) -> Iterator[requests.Response]:
    rng = random.Random(SEED)
    memory_mb, longest_s = [], 0.0
    for body in bodies(SEED, count):
        started = time.monotonic()
        headers = {"Content-Type": rng.choice(CONTENT_TYPES)}
        got = requests.post(f"{url}/invocations", body, headers=headers, timeout=LIMIT_S)
        longest_s = max(longest_s, time.monotonic() - started)
        memory_mb.append(usage_of_tree(process.pid)[1])
        yield got
    report(memory_mb, longest_s)
    assert requests.get(f"{url}/ping", timeout=LIMIT_S).ok


def test_damaged_bodies_are_read_or_refused_in_one_sentence(strict: tuple[str, Process]):
    kinds: Counter[tuple[int, str]] = Counter()
    for got in send_bodies(*strict, BODIES):
        body: Any = got.json()
        if got.status_code == 200:
            assert body.keys() == {"predictions"}
        else:
            assert got.status_code in {400, 413, 415}, got.text
            assert body.keys() == {"error_code", "message"}
            assert "Traceback" not in got.text
        kinds[got.status_code, body.get("error_code", "")] += 1
    print(f"{BODIES} bodies, seed {SEED}: {dict(kinds.most_common())}")


@only_in_full
def test_damaged_bodies_do_not_stop_mlflows_server(mlflows: tuple[str, Process]):
    statuses = Counter(got.status_code for got in send_bodies(*mlflows, BODIES // 10))
    print(f"{BODIES // 10} bodies, seed {SEED}, MLflow's server: {dict(statuses.most_common())}")
