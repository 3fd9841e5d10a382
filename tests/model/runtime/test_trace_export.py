"""Traces are written behind the reading: whole, bounded, and whatever the tracking store does."""

from __future__ import annotations

import functools
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import TraceInfo
from mlflow.tracing.attachments import Attachment
from mlflow.tracing.client import TracingClient
from pytest_httpserver import HTTPServer

from ocr_extractor.runtime import trace_export
from ocr_extractor.runtime.trace_export import TraceQueue
from ocr_extractor.runtime.tracing import start_span
from tests.waiting import stays, wait_for

# Looked for this long, s.
PATIENCE_S = 60.0


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[TraceQueue]:
    """The process's own queue, empty, with MLflow's asynchronous logging on as by default."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "true")
    fresh = TraceQueue()
    monkeypatch.setattr(trace_export, "_queue", fresh)
    yield fresh
    fresh.flush(PATIENCE_S)


@pytest.fixture
def database(queue: TraceQueue, store: Path) -> Path:
    return store / "mlflow.db"


@pytest.fixture
def always_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_export, "_FEW", 0)


def trace(*, image: bytes = b"") -> None:
    """Read a page, as far as traces are concerned."""
    with start_span("extract") as span:
        if image:
            span.inputs = {"document": Attachment(content_type="image/png", content_bytes=image)}
        for name in ("prepare", "engine", "parse"):
            with start_span(name):
                pass


def count(database: Path, what: str = "trace_info") -> int:
    with sqlite3.connect(database) as connection:
        [found] = connection.execute(f"SELECT COUNT(*) FROM {what}").fetchone()
    return int(found)


def comes_to(database: Path, expected: int) -> bool:
    return count(database) == expected


def test_a_trace_is_written_soon_where_few_pages_are_read(database: Path) -> None:
    for expected in (1, 2):
        trace()
        wait_for(functools.partial(comes_to, database, expected))


def test_traces_wait_for_the_end_of_a_burst(
    database: Path, always_busy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_export, "_BURST", 4)
    for _ in range(3):
        trace()
    assert stays(lambda: count(database) == 0, for_s=2 * trace_export._LOOK_EVERY_S)
    trace()
    wait_for(lambda: count(database) == 4)


def test_each_of_many_traces_has_all_its_spans_its_image_and_its_prompt(
    database: Path, queue: TraceQueue
) -> None:
    prompt = mlflow.genai.register_prompt("p", "Read.")
    for number in range(100):
        with start_span("extract") as span:
            span.prompts.append(prompt)
            image = Attachment(content_type="image/png", content_bytes=b"image %d" % number)
            span.inputs = {"document": image}
            for name in ("prepare", "engine", "parse"):
                with start_span(name):
                    pass
    assert queue.flush(PATIENCE_S) == 0
    assert (count(database), count(database, "spans")) == (100, 400)
    assert count(database, "entity_associations WHERE destination_id = 'p/1'") == 100
    stored = {path.read_bytes() for path in (database.parent / "artifacts").rglob("attachments/*")}
    assert stored == {b"image %d" % number for number in range(100)}


def test_mlflows_own_flush_writes_them_too(database: Path) -> None:
    trace()
    mlflow.flush_trace_async_logging()
    assert count(database) == 1


def test_the_last_trace_is_known_before_it_is_written(database: Path) -> None:
    with start_span("extract") as span:
        span.previews = ("form-1", "2 pairs")
    trace_id = mlflow.get_last_active_trace_id()
    mlflow.flush_trace_async_logging()
    found = mlflow.get_trace(trace_id)
    assert found is not None
    assert (found.info.request_preview, found.info.response_preview) == ("form-1", "2 pairs")


def test_a_trace_has_the_run_the_tags_and_the_experiment_of_its_caller(database: Path) -> None:
    with mlflow.start_run() as run, mlflow.tracing.context(tags={"team": "a"}):
        trace()
    with mlflow.start_run() as later:
        mlflow.flush_trace_async_logging()
    [found] = mlflow.search_traces(return_type="list")
    assert found.info.trace_metadata["mlflow.sourceRun"] == run.info.run_id != later.info.run_id
    assert found.info.tags["team"] == "a"
    assert found.info.experiment_id == run.info.experiment_id


def test_a_callers_own_span_holds_the_documents(database: Path) -> None:
    with mlflow.start_span("mine"):
        trace()
    mlflow.flush_trace_async_logging()
    [found] = mlflow.search_traces(return_type="list")
    names = {span.name: span for span in found.data.spans}
    assert list(names) == ["mine", "extract", "prepare", "engine", "parse"]
    assert names["extract"].parent_id == names["mine"].span_id
    assert names["engine"].parent_id == names["extract"].span_id


@pytest.mark.parametrize("ratio", ["0", "1"])
def test_only_sampled_traces_count(
    ratio: str, database: Path, queue: TraceQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACE_SAMPLING_RATIO", ratio)
    monkeypatch.setattr(trace_export, "_MOST_TRACES", 1)
    for _ in range(3):
        trace()
    assert queue.flush(PATIENCE_S) == 0
    assert (count(database), queue.dropped) == ((0, 0) if ratio == "0" else (1, 2))


@pytest.mark.parametrize("bound", ["_MOST_TRACES", "_MOST_BYTES"])
def test_what_is_too_much_is_dropped_counted_and_said_once(
    bound: str,
    database: Path,
    queue: TraceQueue,
    always_busy: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(trace_export, bound, {"_MOST_TRACES": 8, "_MOST_BYTES": 850_000}[bound])
    for _ in range(20):
        trace(image=bytes(100_000))
    assert queue.dropped == 12
    assert queue.flush(PATIENCE_S) == 0
    assert count(database) == 8
    assert [record.message for record in caplog.records if "dropped" in record.message] == [
        "1 traces were dropped so far: the tracking store takes them more slowly than documents "
        "are read. Reading continues."
    ]
    assert trace_export.flush_traces(0) == trace_export.dropped_traces() == 12


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "does not know MLFLOW_TRACKING_USERNAME"), (403, "lacks the right EDIT")],
)
def test_the_log_names_the_right_that_the_store_s_user_lacks(
    status: int,
    reason: str,
    queue: TraceQueue,
    httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "7")
    monkeypatch.setattr(trace_export, "_FEW", 1000)
    httpserver.expect_request(re.compile("/.*")).respond_with_data("No", status=status)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(httpserver.url_for(""))
    try:
        trace()
        queue.flush(PATIENCE_S)
    finally:
        mlflow.set_tracking_uri(before)
    assert queue.dropped == 1
    assert reason in caplog.text


def test_a_process_that_may_start_no_thread_reads_on_and_writes_later(
    database: Path, queue: TraceQueue, caplog: pytest.LogCaptureFixture
) -> None:
    before = threading.stack_size(1 << 46)  # more than there are addresses
    try:
        trace()
    finally:
        threading.stack_size(before)
    assert "1 traces wait: can't start new thread." in caplog.text
    assert queue.flush(PATIENCE_S) == 0
    assert count(database) == 1


def test_a_trace_that_the_store_refuses_costs_no_other(
    database: Path, queue: TraceQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_span("extract"):
        pass
    with start_span("x" * 10_000) as span:
        span.attributes["mlflow.traceTag.x"] = "y"
    with start_span("extract"):
        pass
    assert queue.flush(PATIENCE_S) == 0
    assert (count(database), queue.dropped) == (2, 1)


def test_no_page_waits_for_a_store_that_hangs(
    queue: TraceQueue, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    answers = threading.Event()
    start = TracingClient.start_trace

    def start_later(client: TracingClient, info: TraceInfo) -> TraceInfo:
        answers.wait(PATIENCE_S)
        return start(client, info)

    monkeypatch.setattr(TracingClient, "start_trace", start_later)
    monkeypatch.setattr(trace_export, "_MOST_TRACES", 50)
    monkeypatch.setattr(trace_export, "_STALL_S", 0.5)
    for _ in range(1000):
        trace()
    assert queue.dropped == 950
    began = time.monotonic()
    assert queue.flush(PATIENCE_S) == 50
    assert time.monotonic() - began < PATIENCE_S / 2
    answers.set()
    wait_for(lambda: queue.flush(PATIENCE_S) == 0)
    assert count(store / "mlflow.db") == 50


def test_traces_are_written_again_when_the_store_is_back(
    database: Path, queue: TraceQueue, caplog: pytest.LogCaptureFixture
) -> None:
    moved = database.with_suffix(".away")
    trace()
    assert queue.flush(PATIENCE_S) == 0
    database.rename(moved)
    database.mkdir()
    for _ in range(5):
        trace()
    assert queue.flush(PATIENCE_S) == 5
    database.rmdir()
    moved.rename(database)
    wait_for(lambda: count(database) == 6)
    assert queue.dropped == 0
    said = [record.message for record in caplog.records if record.name.startswith("ocr_extractor")]
    assert len(said) == 1
    assert said[0].startswith("5 traces wait: the tracking store fails (")
