"""Traces are written once few pages are read, whole, and before too many wait."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.tracing.client import TracingClient

from ocr_extractor import backlog
from ocr_extractor.backlog import TraceBacklog, leave_writing_to_backlog
from ocr_extractor.errors import EngineError
from ocr_extractor.prompt import Prompt, load_prompt
from ocr_extractor.stopping import stopped_by

# Looked for this long, s.
PATIENCE_S = 30.0


@pytest.fixture
def background(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A store whose traces MLflow writes in the background, as the extractor tells it to."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "true")
    for name in ("MAX_WORKERS", "MAX_SPAN_BATCH_SIZE", "MAX_INTERVAL_MILLIS"):
        monkeypatch.setenv(f"MLFLOW_ASYNC_TRACE_LOGGING_{name}", "taken back after the test")
        del os.environ[f"MLFLOW_ASYNC_TRACE_LOGGING_{name}"]
    leave_writing_to_backlog()
    store: Path = request.getfixturevalue("store")
    return store / "mlflow.db"


@pytest.fixture
def always_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_FEW", 0)


def trace(prompt: Prompt | None = None) -> None:
    """Read a page, as far as traces are concerned."""
    with mlflow.start_span("extract"):
        if prompt:
            prompt.link_to_trace()
        for name in ("prepare", "engine", "parse"):
            with mlflow.start_span(name):
                pass


def count(database: Path, what: str = "trace_info") -> int:
    with sqlite3.connect(database) as connection:
        [found] = connection.execute(f"SELECT COUNT(*) FROM {what}").fetchone()
    return int(found)


def comes_to(expected: int, database: Path, what: str = "trace_info") -> bool:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if count(database, what) == expected:
            return True
        time.sleep(0.1)
    return False


def test_a_trace_is_written_soon_where_few_pages_are_read(background: Path) -> None:
    waiting = TraceBacklog(burst=512)
    for expected in (1, 2):
        trace()
        waiting.add(1)
        assert comes_to(expected, background)


def test_traces_wait_for_the_end_of_a_burst(background: Path, always_busy: None) -> None:
    waiting = TraceBacklog(burst=4)
    for _ in range(3):
        trace()
        waiting.add(1)
    time.sleep(2 * backlog._LOOK_EVERY_S)
    assert count(background) == 0
    trace()
    waiting.add(1)
    assert comes_to(4, background)


def test_a_document_begins_once_the_traces_that_are_too_many_are_written_and_linked(
    background: Path, always_busy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = load_prompt(mlflow.genai.register_prompt("p", "Read.").uri, Path("none"))
    link = TracingClient.link_prompt_versions_to_trace

    def link_slowly(*args: Any, **more: Any) -> None:
        time.sleep(3)  # as where other threads write to the store
        link(*args, **more)

    monkeypatch.setattr(TracingClient, "link_prompt_versions_to_trace", link_slowly)
    waiting = TraceBacklog(burst=4)
    for _ in range(6):
        trace(prompt)
    waiting.add(6)
    waiting.make_room()
    assert count(background) == 6
    assert count(background, "entity_associations WHERE destination_id = 'p/1'") == 6


def test_documents_begin_one_by_one_while_a_burst_is_written(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Event()
    monkeypatch.setattr(mlflow, "flush_trace_async_logging", written.wait)
    waiting = TraceBacklog(burst=4)
    waiting.add(4)
    began = time.monotonic()
    for _ in range(3):
        waiting.make_room()
    assert time.monotonic() - began >= 3 * backlog._TRACE_S
    written.set()


def test_each_of_many_traces_has_all_its_spans(background: Path) -> None:
    waiting = TraceBacklog(burst=300)
    for _ in range(300):
        trace()
    waiting.add(300)
    waiting.make_room()
    assert comes_to(300, background)
    assert comes_to(1200, background, "spans")


READS_AND_ENDS = """
import sys
from pathlib import Path
import mlflow
from ocr_extractor.backlog import leave_writing_to_backlog
from ocr_extractor.prompt import load_prompt

leave_writing_to_backlog()
prompt = load_prompt(sys.argv[1], Path("none"))
for _ in range(20):
    with mlflow.start_span("extract"):
        prompt.link_to_trace()
"""


def test_a_process_that_ends_leaves_no_trace_and_no_link_behind(background: Path) -> None:
    uri = mlflow.genai.register_prompt("p", "Read.").uri
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{background}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run([sys.executable, "-c", READS_AND_ENDS, uri], env=environment, check=True)
    assert count(background) == 20
    assert count(background, "entity_associations WHERE destination_id = 'p/1'") == 20


def test_reading_goes_on_where_traces_cannot_be_written(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("can't start new thread")

    told = threading.Semaphore(0)
    monkeypatch.setattr(threading, "excepthook", lambda _: told.release())
    monkeypatch.setattr(mlflow, "flush_trace_async_logging", fail)
    waiting = TraceBacklog(burst=4)
    for _ in range(2):
        waiting.add(6)
        waiting.make_room()
        assert told.acquire(timeout=PATIENCE_S)


def test_who_no_longer_waits_is_not_held_up(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, stop = threading.Event(), threading.Event()
    monkeypatch.setattr(mlflow, "flush_trace_async_logging", written.wait)
    waiting = TraceBacklog(burst=4)
    waiting.add(6)
    stop.set()
    with stopped_by(stop), pytest.raises(EngineError, match="no longer waits"):
        waiting.make_room()
    written.set()
