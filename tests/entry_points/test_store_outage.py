"""No page waits for the tracking server: it is stopped while pages are read, and they are read."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
import requests

from entry_points import ROOT
from tests.entry_points.conftest import FORMS, Done, Project
from tests.entry_points.servers import log_of, served
from tests.entry_points.tracking_servers import TrackingServer, tracking_server
from tests.tcp_proxy import TcpProxy
from tests.waiting import wait_for

DOCUMENTS = 100
PATIENCE_S = 240.0
# It does all that an extractor with a pinned prompt does, and looks its alias up.
FOLLOWED = "models:/followed/1"
# What the extractor may ask beside the writing of traces, for a whole process: to find and fetch
# the model, its prompt and its experiment. A page asks for nothing.
FEW = 60


@pytest.fixture(scope="module")
def remote(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    folder = tmp_path_factory.mktemp("server")
    artifacts = ("--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts")
    store = f"sqlite:///{folder / 'mlflow.db'}"
    with tracking_server(folder, project.environment, store, *artifacts) as server:
        yield server


def count_traces(server: TrackingServer) -> int:
    with sqlite3.connect(server.log.with_name("mlflow.db")) as connection:
        [found] = connection.execute("SELECT COUNT(*) FROM trace_info").fetchone()
    return int(found)


@pytest.fixture(scope="module")
def there(project: Project, remote: TrackingServer) -> Project:
    """The project with its store behind the server, and a followed extractor in it."""
    moved = replace(project, environment=project.environment | {"MLFLOW_TRACKING_URI": remote.uri})
    done = moved.run("-m", "entry_points.register_prompt", "--alias", "production")
    assert done.returncode == 0, done.stdout
    settings = {"follow_alias": True, "prompt_refresh_s": 0.0}
    for name, more in (("pinned", {}), ("followed", settings)):
        done = moved.run(
            *("-m", "entry_points.log", "--engine", "openai", "--model-name", name),
            *("--settings", json.dumps(more)),
        )
        assert done.returncode == 0, done.stdout
    return moved


@pytest.fixture(scope="module")
def documents(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    page = project.dataset / "images" / "invoice-01.png"
    for number in range(DOCUMENTS):
        shutil.copy(page, folder / f"{number:03}.png")
    return folder


READS = """
import sys
from pathlib import Path
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
paths = sorted(Path(sys.argv[2]).iterdir())
def read(paths):
    rows = pd.DataFrame({"image": [path.read_bytes() for path in paths]})
    return int(model.predict(rows)["error_code"].isna().sum())
read(paths[:1])
print("loaded", flush=True)
input()
print(sum(read(paths[at:at + 20]) for at in range(0, len(paths), 20)), flush=True)
input()
"""


def test_a_foreign_process_reads_on_and_writes_its_traces_afterwards(
    there: Project, remote: TrackingServer, documents: Path
) -> None:
    before, asked_before = count_traces(remote), len(remote.log.read_text().splitlines())
    with subprocess.Popen(
        [sys.executable, "-c", READS, FOLLOWED, str(documents)],
        cwd=there.folder,
        env=there.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "loaded\n"
        with remote.stopped():
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{DOCUMENTS}\n"
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(PATIENCE_S) == 0
    assert count_traces(remote) - before == DOCUMENTS + 1
    asked = remote.asked_beside_traces(asked_before)
    assert len(asked) < FEW, Counter(asked)


@pytest.fixture
def proxy(remote: TrackingServer) -> Iterator[TcpProxy]:
    proxy = TcpProxy(int(remote.uri.rpartition(":")[2]))
    yield proxy
    proxy.close()


def test_predict_under_mlflow_run_reads_on(
    there: Project, remote: TrackingServer, proxy: TcpProxy, documents: Path, tmp_path: Path
) -> None:
    outages = [proxy.slow(10.0), remote.stopped(), proxy.refusing()]
    asked_before = len(remote.log.read_text().splitlines())
    output = tmp_path / "predictions.jsonl"
    parameters = {
        "input": documents,
        "output": output,
        "model_uri": "models:/pinned/1",
        "cache": "none",
        "max_concurrency": 2,
    }
    flags = [word for name, value in parameters.items() for word in ("-P", f"{name}={value}")]

    def has_lines(count: int) -> bool:
        return output.exists() and len(output.read_text().splitlines()) >= count

    words = [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager", "local"]
    words += ["-e", "predict", *flags]
    with subprocess.Popen(
        words,
        cwd=there.folder,
        env=there.environment | {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{proxy.port}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        wait_for(partial(has_lines, 5))
        for number, outage in enumerate(outages, start=1):
            with outage:
                wait_for(partial(has_lines, DOCUMENTS * number // len(outages)), PATIENCE_S)
        printed, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, printed
    assert f"{DOCUMENTS} of {DOCUMENTS} documents read." in printed
    asked = remote.asked_beside_traces(asked_before)
    assert len(asked) < FEW, Counter(asked)


def test_the_server_answers_on(there: Project, remote: TrackingServer, documents: Path) -> None:
    page = base64.b64encode(next(documents.iterdir()).read_bytes()).decode()
    body = {"dataframe_records": [{"image": page}] * 10}
    environment = {"MLFLOW_TRACKING_URI": remote.uri}
    asked_before = len(remote.log.read_text().splitlines())
    with (
        served(there, f"--model-uri={FOLLOWED}", **environment) as (address, _),
        remote.stopped(),
    ):
        for _ in range(DOCUMENTS // 10):
            got = requests.post(f"{address}/invocations", json=body, timeout=PATIENCE_S)
            assert got.status_code == 200
            assert {row["error_code"] for row in got.json()["predictions"]} == {None}
    asked = remote.asked_beside_traces(asked_before)
    assert len(asked) < FEW, Counter(asked)


def test_a_signal_ends_the_server_in_time_and_it_says_what_was_not_written(
    there: Project, remote: TrackingServer, documents: Path
) -> None:
    page = base64.b64encode(next(documents.iterdir()).read_bytes()).decode()
    body = {"dataframe_records": [{"image": page}] * 50}
    flags = ("--model-uri=models:/pinned/1", "--shutdown-s=4")
    with (
        served(there, *flags, MLFLOW_TRACKING_URI=remote.uri) as (address, process),
        remote.stopped(),
    ):
        got = requests.post(f"{address}/invocations", json=body, timeout=60)
        assert got.status_code == 200
        began = time.monotonic()
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert time.monotonic() - began < 4 + 30
    assert "50 traces were not written: the tracking store did not take them within" in log_of(
        there, address
    )


def test_evaluate_ends_soon_after_the_server_hangs_and_counts_its_traces(
    there: Project, remote: TrackingServer, proxy: TcpProxy
) -> None:
    gone, first = ExitStack(), Lock()
    before = there.llm.answer

    def answer(_: dict[str, Any]) -> Any:
        if first.acquire(blocking=False):
            gone.enter_context(remote.stopped())
        return before

    there.llm.answer = answer
    flags = ("--model-uri=models:/pinned/1", f"--dataset={there.dataset}", "--cache=none")
    try:
        with gone:
            done = replace(there, timeout_s=PATIENCE_S).run(
                *("-m", "entry_points.evaluate", *flags),
                MLFLOW_TRACKING_URI=f"http://127.0.0.1:{proxy.port}",
                MLFLOW_HTTP_REQUEST_TIMEOUT="15",
            )
    finally:
        there.llm.answer = before
    assert done.returncode == 2, done.stdout
    assert f"not answered for 15 s, so the command ends: {len(FORMS)} traces were" in done.stdout


def test_predict_names_the_collector_that_is_gone(
    project: Project, main_run: Done, tmp_path: Path
) -> None:
    gone = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT": "true",
    }
    done = replace(project, environment=project.environment | gone).command(
        "predict",
        model_uri="models:/ocr-extractor/1",
        input=project.dataset / "images",
        output=tmp_path / "predictions.jsonl",
    )
    assert done.returncode == 0, done.stdout
    lost = f"{len(FORMS)} traces were not written: the OpenTelemetry collector"
    assert f"{lost} did not take them." in done.stdout
    assert done.stdout.splitlines()[-1] == f"{lost} has not taken them."
    assert "tracking store" not in done.stdout


def test_evaluate_counts_the_traces_that_the_store_refuses(
    project: Project, main_run: Done
) -> None:
    with sqlite3.connect(project.folder / "mlflow.db") as store:
        store.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON trace_info "
            "BEGIN SELECT RAISE(ABORT, 'no more traces'); END"
        )
    try:
        done = project.command(
            "evaluate", model_uri="models:/ocr-extractor/1", dataset=project.dataset
        )
    finally:
        with sqlite3.connect(project.folder / "mlflow.db") as store:
            store.execute("DROP TRIGGER refuse")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == (
        f"{len(FORMS)} traces were not written: the tracking store did not take them."
    )
