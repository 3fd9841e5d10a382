"""Spans reach an OpenTelemetry collector beside MLflow, or alone; no page waits for either."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import TraceInfo
from mlflow.tracing.attachments import Attachment
from mlflow.tracing.client import TracingClient
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ocr_extractor.runtime import trace_export
from ocr_extractor.runtime.otlp import Collector
from ocr_extractor.runtime.trace_export import (
    TraceQueue,
    dropped_traces,
    flush_traces,
    unwritten_traces,
)
from ocr_extractor.runtime.tracing import start_span
from tests.otlp_collector import OtlpCollector
from tests.waiting import wait_for

# Looked for this long, s.
PATIENCE_S = 60.0
PAGES = 15


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpCollector]:
    """A collector that gets traces beside MLflow; queues that are empty."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    monkeypatch.setattr(trace_export, "_queue", TraceQueue())
    monkeypatch.setattr(trace_export, "_to_collector", TraceQueue(lambda _: Collector()))
    monkeypatch.setattr(trace_export, "_STALL_S", 0.5)
    with OtlpCollector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", running.endpoint)
        yield running
        running.answers.set()
        flush_traces(PATIENCE_S)


def read_page(**inputs: Any) -> str:
    """Read a page, as far as traces are concerned; return the id of its trace."""
    with start_span("extract", "WORKFLOW", {"engine": "local", "pairs": 3}) as span:
        span.inputs = {"doc_id": "form-1"} | inputs
        with start_span("prepare"), start_span("ocr"):
            pass
    return str(mlflow.get_last_active_trace_id())


def in_mlflow() -> set[str]:
    found: list[Any] = mlflow.search_traces(return_type="list", include_spans=False)
    return {trace.info.trace_id for trace in found}


def attributes(span: Span) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes
    }


def test_spans_are_in_the_collector_and_in_mlflow(collector: OtlpCollector, store: Path) -> None:
    ids = {read_page(), read_page()}
    assert flush_traces(PATIENCE_S) == 0
    assert collector.traces() == in_mlflow() == ids
    assert sorted(span.name for span in collector.spans) == sorted(
        ["extract", "prepare", "ocr"] * 2
    )
    by_id = {span.span_id: span for span in collector.spans}
    [ocr, _] = [span for span in collector.spans if span.name == "ocr"]
    prepare = by_id[ocr.parent_span_id]
    extract = by_id[prepare.parent_span_id]
    assert (prepare.name, extract.name, extract.parent_span_id) == ("prepare", "extract", b"")
    assert extract.status.code == Status.STATUS_CODE_OK
    assert extract.start_time_unix_nano < ocr.end_time_unix_nano <= extract.end_time_unix_nano
    found = attributes(extract)
    assert (found["engine"], found["pairs"]) == ("local", 3)
    assert json.loads(found["mlflow.spanInputs"]) == {"doc_id": "form-1"}


def test_pictures_stay_out_of_the_collector(collector: OtlpCollector, store: Path) -> None:
    picture = Attachment(content_type="image/png", content_bytes=b"picture")
    messages = [{"type": "image_url", "url": "data:image/png;base64,cGljdHVyZQ=="}]
    read_page(document=picture, messages=messages)
    assert flush_traces(PATIENCE_S) == 0
    [extract] = [span for span in collector.spans if span.name == "extract"]
    inputs = json.loads(attributes(extract)["mlflow.spanInputs"])
    assert inputs["document"].startswith(f"mlflow-attachment://{picture.id}?")
    assert inputs["messages"] == [{"type": "image_url", "url": "data:image/png;base64"}]


def test_an_error_is_one_in_the_collector(collector: OtlpCollector, store: Path) -> None:
    with pytest.raises(KeyError), start_span("extract"):
        raise KeyError("engine")
    assert flush_traces(PATIENCE_S) == 0
    [span] = collector.spans
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert [event.name for event in span.events] == ["exception"]


def test_a_collector_alone_takes_mlflows_place(
    collector: OtlpCollector, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT")
    trace_id = read_page()
    assert flush_traces(PATIENCE_S) == 0
    assert collector.traces() == {trace_id}
    assert in_mlflow() == set()


def test_tokens_have_the_names_of_opentelemetry_where_they_are_asked_for(
    collector: OtlpCollector, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_OTEL_GENAI_SEMCONV", "true")
    usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
    with start_span("Completions", "CHAT_MODEL", {"mlflow.chat.tokenUsage": usage}):
        pass
    assert flush_traces(PATIENCE_S) == 0
    [span] = collector.spans
    assert attributes(span)["gen_ai.usage.input_tokens"] == 7


def test_no_page_waits_for_a_collector_that_hangs(collector: OtlpCollector, store: Path) -> None:
    collector.answers.clear()
    first = read_page()
    wait_for(collector.asked.is_set)
    ids = {first} | {read_page() for _ in range(PAGES)}
    assert collector.spans == []  # it still holds the first request
    wait_for(lambda: in_mlflow() == ids)
    assert flush_traces(PATIENCE_S) == len(ids)
    collector.answers.set()
    wait_for(lambda: flush_traces(PATIENCE_S) == 0)
    assert collector.traces() == ids


@pytest.mark.parametrize("gone", ["refuses connections", "answers with errors"])
def test_no_page_is_lost_to_mlflow_while_the_collector_is_gone(
    gone: str, collector: OtlpCollector, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if gone == "refuses connections":
        collector.close()
    collector.status = 500
    ids = {read_page() for _ in range(PAGES)}
    wait_for(lambda: in_mlflow() == ids)
    assert flush_traces(PATIENCE_S) == PAGES
    assert unwritten_traces() == {"the OpenTelemetry collector": PAGES}
    wait_for(lambda: "the OpenTelemetry collector fails" in caplog.text)
    assert "tracking store" not in caplog.text
    collector.come_back()
    wait_for(lambda: flush_traces(PATIENCE_S) == 0)
    assert collector.traces() == ids


def test_neither_a_page_nor_the_collector_waits_for_a_store_that_hangs(
    collector: OtlpCollector, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    start = TracingClient.start_trace

    def start_later(client: TracingClient, info: TraceInfo) -> TraceInfo:
        answers.wait(PATIENCE_S)
        return start(client, info)

    monkeypatch.setattr(TracingClient, "start_trace", start_later)
    ids = {read_page() for _ in range(PAGES)}
    wait_for(lambda: collector.traces() == ids)
    assert in_mlflow() == set()
    answers.set()
    wait_for(lambda: flush_traces(PATIENCE_S) == 0)
    assert in_mlflow() == ids


def test_a_protocol_without_exporter_is_said(
    collector: OtlpCollector,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    trace_id = read_page()
    wait_for(lambda: in_mlflow() == {trace_id})
    wait_for(lambda: dropped_traces() == 1)
    assert "set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in caplog.text
