"""Traces show what was read, or only how much of it (`trace_content`), and never the key."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import SpanType, Trace
from mlflow.tracing.constant import SpanAttributeKey
from openai.resources.chat.completions import Completions
from PIL import Image
from werkzeug import Response

from ocr_extractor.config import ExtractorConfig
from ocr_extractor.contract import Extraction, FieldValue
from ocr_extractor.documents.input_frame import InputDocument
from ocr_extractor.engines.base import Page, PageReading
from ocr_extractor.engines.openai.engine import OpenAIChatEngine
from ocr_extractor.fields.schema import Schema
from ocr_extractor.prompts.prompt import load_prompt
from ocr_extractor.reader import DocumentReader
from ocr_extractor.runtime import spans
from ocr_extractor.runtime.tracing import CONFIDENCES, counts_of, start_span
from tests.llm_servers.checking import CheckingLlm
from tests.llm_servers.completions import KEY, as_json, completion
from tests.model.sample_documents import encoded, pdf, tiff

ANSWER = "November 5, 1998"  # stands in what the loopback LLM answers
NOISE = Image.effect_noise((90, 120), 70)
PNG = encoded(NOISE, "PNG")
RULES = "Dates are ISO, said Ann."


@pytest.fixture(autouse=True)
def autolog_ends_with_the_test() -> Iterator[None]:
    yield
    mlflow.openai.autolog(disable=True)


class StumblingEngine:
    """An engine with a fault whose message quotes the page."""

    name = "local"

    def read(self, page: Page, instructions: str, schema: Schema | None = None) -> PageReading:
        raise KeyError(ANSWER)


def read(*documents: bytes, **settings: Any) -> list[Extraction]:
    """Read documents through the loopback LLM."""
    prompt = mlflow.genai.register_prompt("p", "Read the form. {{ additional_rules }}")
    config = ExtractorConfig.from_model_config(
        {"engine": "openai", "prompt_uri": prompt.uri, "max_retries": 0} | settings
    )
    engine = OpenAIChatEngine(config) if config.engine == "openai" else StumblingEngine()
    document_reader = DocumentReader(config, load_prompt(prompt.uri, Path("none")), engine)
    sources = [InputDocument(f"form-{number}", data) for number, data in enumerate(documents)]
    return document_reader.read_all(sources, RULES)


def only_trace() -> Trace:
    traces: list[Trace] = mlflow.search_traces(return_type="list")
    [trace] = traces
    return trace


def stored(store: Path) -> bytes:
    """Return everything that MLflow has stored, in its database or as an artifact."""
    return b"\n".join(path.read_bytes() for path in store.rglob("*") if path.is_file())


def attachments(store: Path) -> list[bytes]:
    return [path.read_bytes() for path in (store / "artifacts").rglob("*") if path.is_file()]


def as_text(data: bytes) -> list[bytes]:
    """Return how bytes would look in a database that they do not belong into."""
    middle = len(data) // 2 // 3 * 3
    return [
        base64.b64encode(data[middle : middle + 60]),
        repr(data[middle : middle + 40])[2:-1].encode(),
    ]


def test_a_full_trace_shows_the_page_the_steps_and_the_cost(store: Path, llm: CheckingLlm) -> None:
    read(PNG, llm="gpt-4.1-mini")
    trace = only_trace()
    spans = {span.name: span for span in trace.data.spans}
    assert list(spans) == ["extract", "prepare", "engine", "Completions", "parse"]
    assert {span.status.status_code for span in spans.values()} == {"OK"}
    usage = trace.info.token_usage or {}
    assert (usage["input_tokens"], usage["output_tokens"]) == (1300, 42)
    [prompt] = json.loads(trace.info.tags["mlflow.linkedPrompts"])
    assert prompt == {"name": "p", "version": "1"}
    inputs = spans["extract"].inputs
    assert inputs.pop("document").startswith("mlflow-attachment://")
    assert inputs == {
        "doc_id": "form-0",
        "size_bytes": len(PNG),
        "media_type": "image/png",
        "page_count": 1,
    }
    assert spans["extract"].outputs["pairs"][0]["answer"] == ANSWER
    engine = spans["engine"].attributes
    assert (engine["image.width_px"], engine["image.height_px"]) == (90, 120)
    assert engine["image.estimated_tokens"] == 20  # 3 x 4 patches x 1.62
    assert (trace.info.request_preview, trace.info.response_preview) == ("form-0", "2 pairs")


def test_a_requests_span_has_what_mlflow_shows_of_an_llm(store: Path, llm: CheckingLlm) -> None:
    read(PNG, llm="gpt-4.1-mini", temperature=0.5)
    [span] = [span for span in only_trace().data.spans if span.name == "Completions"]
    assert span.span_type == SpanType.CHAT_MODEL
    assert span.attributes[SpanAttributeKey.MESSAGE_FORMAT] == "openai"
    assert span.attributes[SpanAttributeKey.MODEL] == "gpt-4.1-mini"
    assert span.attributes["temperature"] == 0.5
    usage = {"input_tokens": 1300, "output_tokens": 42, "total_tokens": 1342}
    assert span.attributes[SpanAttributeKey.CHAT_USAGE] == usage
    assert span.attributes[SpanAttributeKey.LLM_COST] == pytest.approx(
        {"input_cost": 0.00052, "output_cost": 0.0000672, "total_cost": 0.0005872}
    )
    system, user = span.inputs["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert user["content"][0]["image_url"]["url"].startswith("mlflow-attachment://")
    [choice] = span.outputs["choices"]
    assert ANSWER in choice["message"]["content"]
    assert choice["message"]["role"] == "assistant"


@pytest.mark.parametrize("trace_content", ["full", "metadata"])
def test_a_trace_costs_what_the_users_prices_say(
    trace_content: str, store: Path, llm: CheckingLlm
) -> None:
    [extraction] = read(PNG, trace_content=trace_content, input_price=2.0, output_price=10.0)
    assert extraction.cost == pytest.approx(0.00302)
    assert only_trace().info.cost == pytest.approx(
        {"input_cost": 0.0026, "output_cost": 0.00042, "total_cost": 0.00302}
    )


def test_each_failed_request_has_a_span_with_its_code(store: Path, llm: CheckingLlm) -> None:
    llm.first = [as_json({"error": {"message": "busy"}}, 500)]
    read(PNG, max_retries=1, retry_delay_s=0.01)
    spans = [span for span in only_trace().data.spans if span.name == "Completions"]
    assert [span.status.status_code for span in spans] == ["ERROR", "OK"]
    assert [span.attributes.get("error_code") for span in spans] == ["server_error", None]


def test_reading_changes_nothing_of_the_sdk(store: Path, llm: CheckingLlm) -> None:
    create = Completions.create
    read(PNG)
    assert Completions.create is create


def test_a_host_with_autolog_gets_no_second_span(store: Path, llm: CheckingLlm) -> None:
    mlflow.openai.autolog()
    read(PNG)
    names = [span.name for span in only_trace().data.spans]
    assert names == ["extract", "prepare", "engine", "Completions", "parse"]


@pytest.mark.parametrize(
    "document", [PNG, encoded(NOISE, "JPEG"), pdf("0 g 9 9 20 20 re f")], ids=["PNG", "JPEG", "PDF"]
)
def test_what_a_browser_shows_is_attached_as_it_is(
    document: bytes, store: Path, llm: CheckingLlm
) -> None:
    read(document)
    assert document in attachments(store)


def test_other_documents_are_attached_page_by_page(store: Path, llm: CheckingLlm) -> None:
    pages = [NOISE, NOISE.rotate(180)]
    document = tiff(*pages)
    read(document)
    files = attachments(store)
    assert document not in files
    shown = [Image.open(io.BytesIO(file)) for file in files]
    assert {image.format for image in shown} == {"PNG"}
    assert {image.tobytes() for image in shown} == {page.tobytes() for page in pages}


def test_a_trace_keeps_the_pictures_of_the_first_pages(
    store: Path, llm: CheckingLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "_MOST_PICTURES", 60_000)  # a page takes 10,800 and 14,400 bytes
    pages = [NOISE.rotate(90 * turns, expand=True) for turns in range(4)]
    [extraction] = read(tiff(*pages, *pages), max_concurrency=1)
    assert (extraction.error_code, extraction.page_count) == (None, 8)
    asked = [span for span in only_trace().data.spans if span.name == "Completions"]
    shown = [len(span.inputs["messages"]) == 2 for span in asked]
    assert len(shown) == 8
    assert shown == sorted(shown, reverse=True)
    assert 1 <= sum(shown) <= 4


def test_no_image_stands_in_the_database_as_text(store: Path, llm: CheckingLlm) -> None:
    read(PNG)
    database = (store / "mlflow.db").read_bytes()
    assert PNG in attachments(store)
    assert b"mlflow-attachment://" in database
    for text in as_text(PNG):
        assert text not in database


def is_traced(content: bytes, store: Path) -> list[str]:
    """Return which of a document's contents can be found in what MLflow has stored."""
    everything = stored(store)
    traces = {
        "image": content[100:400],
        "answer": ANSWER.encode(),
        "question": b"Phone",
        "rules": RULES.encode(),
        **{f"image as text {n}": text for n, text in enumerate(as_text(content))},
    }
    return [name for name, text in traces.items() if text in everything]


def test_the_search_for_content_finds_it_in_full_traces(store: Path, llm: CheckingLlm) -> None:
    read(PNG)
    assert is_traced(PNG, store) == ["image", "answer", "question", "rules"]


@pytest.mark.parametrize("host", ["host without autolog", "host with autolog"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_metadata_traces_hold_counts_and_nothing_of_the_document(
    kind: str, host: str, store: Path, llm: CheckingLlm
) -> None:
    if host == "host with autolog":
        mlflow.openai.autolog()
    document = encoded(NOISE, kind)
    [extraction] = read(document, trace_content="metadata", llm="gpt-4.1-mini")
    assert extraction.pairs[0].answer == ANSWER
    assert is_traced(document, store) == []
    assert attachments(store) == []
    trace = only_trace()
    spans = {span.name: span for span in trace.data.spans}
    assert list(spans) == ["extract", "prepare", "engine", "parse"]
    assert spans["extract"].inputs["size_bytes"] == len(document)
    assert spans["extract"].outputs["pairs"] == 2
    assert spans["engine"].attributes["image.estimated_tokens"] == 20
    assert (trace.info.token_usage or {})["output_tokens"] == 42
    assert trace.info.tags["mlflow.linkedPrompts"] == '[{"name": "p", "version": "1"}]'


@pytest.mark.parametrize("trace_content", ["full", "metadata"])
def test_every_trace_counts_what_was_read_and_measures_the_page(
    trace_content: str, store: Path, llm: CheckingLlm
) -> None:
    blank = {"question": "Name", "answer": None}
    answer = {"pairs": [{"question": "Phone", "answer": "1"}, blank, blank]}
    llm.first = [as_json(completion(json.dumps(answer)))]
    read(PNG, trace_content=trace_content)
    spans = {span.name: span for span in only_trace().data.spans}
    counts = spans["extract"].attributes["counts"]
    assert counts.pop("confidences") == [0] * CONFIDENCES
    counted = {name: count for name, count in counts.items() if count}
    assert counted == {"found": 1, "blank": 2}
    measured = spans["prepare"].attributes
    assert (measured["page"], measured["width_px"], measured["height_px"]) == (1, 90, 120)
    assert measured["contrast"] > 0.3
    assert len(measured["layout"]) == 48


def leaf(**values: Any) -> FieldValue:
    return FieldValue("a", **values)


def test_fields_are_counted_by_what_became_of_them() -> None:
    leaves = (
        leaf(status="found", confidence=0.99, grounded=True, accepted=True),
        leaf(status="found", confidence=1.0, grounded=False, accepted=False, checks=("a = b",)),
        leaf(status="invalid", confidence=0.0, grounded=True, checks=("a = b", "c")),
        leaf(status="absent"),
    )
    extraction = Extraction("id", (), None, None, False, 1, "local", "p", "", 0, 0, fields=leaves)
    counts = counts_of(extraction)
    confidences = counts.pop("confidences")
    assert (confidences[0], confidences[-1], sum(confidences)) == (1, 2, 3)
    assert counts == {
        "found": 2,
        "blank": 0,
        "absent": 1,
        "invalid": 1,
        "grounded": 2,
        "ungrounded": 1,
        "accepted": 1,
        "unaccepted": 1,
        "failed_checks": 2,
    }


def test_metadata_traces_of_failures_hold_no_answer_either(
    store: Path, llm: CheckingLlm, caplog: pytest.LogCaptureFixture
) -> None:
    mlflow.openai.autolog()
    failures = {
        "invalid_completion": completion(json.dumps({"fields": [ANSWER]})),
        "completion_cut_off": completion(f'{{"pairs": [{{"question": "{ANSWER}', "length"),
        "refused": completion(None, refusal=f"I refuse to read {ANSWER}"),
    }
    llm.first = [as_json(answer) for answer in failures.values()]
    extractions = read(*[PNG] * 3, trace_content="metadata", max_concurrency=1)
    assert [extraction.error_code for extraction in extractions] == list(failures)
    assert is_traced(PNG, store) == []
    assert ANSWER not in caplog.text
    traces = mlflow.search_traces(return_type="list")
    assert {trace.info.state for trace in traces} == {"ERROR"}
    assert {trace.info.response_preview for trace in traces} == {each.error for each in extractions}


def test_a_fault_of_ours_brings_no_content_into_a_metadata_trace(store: Path) -> None:
    [extraction] = read(PNG, engine="local", trace_content="metadata")
    assert extraction.error_code == "internal_error"
    assert is_traced(PNG, store) == []


def test_nor_does_one_within_a_step_of_the_engine(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stumble = StumblingEngine.read

    def step(*arguments: Any) -> PageReading:
        with start_span("ocr"):
            return stumble(*arguments)

    monkeypatch.setattr(StumblingEngine, "read", step)
    [extraction] = read(PNG, engine="local", trace_content="metadata")
    assert extraction.error_code == "internal_error"
    assert is_traced(PNG, store) == []


def test_every_document_has_a_trace_of_its_own(store: Path, llm: CheckingLlm) -> None:
    read(PNG, b"no document", tiff(NOISE, NOISE), max_concurrency=4)
    states = {
        trace.info.request_preview: (trace.info.state, len(trace.data.spans))
        for trace in mlflow.search_traces(return_type="list")
    }
    assert states == {"form-0": ("OK", 5), "form-1": ("ERROR", 1), "form-2": ("OK", 9)}


def test_a_prompt_with_a_schema_is_linked(store: Path, llm: CheckingLlm) -> None:
    schema = {"type": "object", "properties": {"total": {"type": "number"}}}
    prompt = mlflow.genai.register_prompt("p", "Read {{ fields }}", response_format=schema)
    config = ExtractorConfig.from_model_config({"engine": "local", "prompt_uri": prompt.uri})
    pinned = load_prompt(prompt.uri, Path("none"))
    DocumentReader(config, pinned, StumblingEngine()).read_all([InputDocument("form", PNG)], "")
    assert only_trace().info.tags["mlflow.linkedPrompts"] == '[{"name": "p", "version": "1"}]'


def test_the_copy_of_a_prompt_that_travels_with_the_model_is_not_linked(
    store: Path, llm: CheckingLlm
) -> None:
    prompt = mlflow.genai.register_prompt("p", "Read the form.")
    config = ExtractorConfig.from_model_config({"engine": "local", "prompt_uri": prompt.uri})
    copy = replace(load_prompt(prompt.uri, Path("none")), source="snapshot")
    DocumentReader(config, copy, StumblingEngine()).read_all([InputDocument("form", PNG)], "")
    assert "mlflow.linkedPrompts" not in only_trace().info.tags


def test_reading_goes_on_where_the_caller_turned_tracing_off(store: Path, llm: CheckingLlm) -> None:
    with mlflow.tracing.context(enabled=False):
        [extraction] = read(PNG)
    assert len(extraction.pairs) == 2
    assert mlflow.search_traces(return_type="list") == []


@pytest.mark.parametrize("trace_content", ["full", "metadata"])
def test_the_key_is_nowhere_even_where_the_server_quotes_it(
    trace_content: str, store: Path, llm: CheckingLlm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    error = {"error": {"message": f"Incorrect API key: {KEY}", "seen": [KEY]}}
    llm.first = [
        as_json(error, 401),
        Response(f"<html>{KEY}</html>", 500, content_type="text/html"),
        Response(f"<html>{KEY}</html>", content_type="text/html"),
        as_json(error),
    ]
    extractions = read(*[PNG] * 5, trace_content=trace_content, max_concurrency=1)
    assert [extraction.error_code for extraction in extractions] == [
        "authentication_failed",
        "server_error",
        "not_a_completion",
        "server_error",
        None,
    ]
    assert llm.keys == [f"Bearer {KEY}"] * 5
    assert KEY not in str(extractions)
    assert KEY.encode() not in stored(store)
    assert KEY not in caplog.text
