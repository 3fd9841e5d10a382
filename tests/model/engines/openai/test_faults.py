"""Every fault of a server ends in a right answer, or in an error code that says what to do."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

import mlflow
import pytest
from PIL import Image
from werkzeug import Response

from ocr_extractor.config import ExtractorConfig
from ocr_extractor.engines.base import Page, PageReading
from ocr_extractor.engines.openai.engine import OpenAIChatEngine
from ocr_extractor.fields.schema import Schema
from tests.documentation import section
from tests.llm_servers.completions import (
    FORM,
    PAIRS,
    as_json,
    chunk,
    completion,
    logprobs,
    refusal_of,
)
from tests.llm_servers.faulty import FaultyLlm, answer, cut, error, raw, slow, stream
from tests.llm_servers.server import Reply
from tests.waiting import stays, wait_for

PAGE = Page(1, Image.new("L", (64, 64), 255))


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyLlm]:
    with FaultyLlm() as running:
        yield running


@pytest.fixture(autouse=True)
def no_traces() -> Iterator[None]:
    mlflow.tracing.disable()
    yield
    mlflow.tracing.enable()


@pytest.fixture
def llm(server: FaultyLlm, monkeypatch: pytest.MonkeyPatch) -> FaultyLlm:
    server.reset()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    return server


def build(**settings: Any) -> OpenAIChatEngine:
    quick: dict[str, Any] = {"retry_delay_s": 0.01, "max_retries": 2, "timeout_s": 60.0}
    return OpenAIChatEngine(
        ExtractorConfig.from_model_config(
            {"engine": "openai", "prompt_uri": "prompts:/p/1", "trace_content": "metadata"}
            | quick
            | settings
        )
    )


def read(**settings: Any) -> PageReading:
    return build(**settings).read(PAGE, "Read the form.")


def answers(reading: PageReading) -> list[dict[str, str | None]]:
    return [{"question": pair.question, "answer": pair.answer} for pair in reading.pairs]


@dataclass(frozen=True)
class Fault:
    """What the server does, and what must come of it.

    Attributes:
        script: The first replies; right answers follow, or `always`.
        code: The error code, None for a right answer.
        attempts: How many requests are sent.
        always: Whether the script's last reply is given for ever.
        pairs: How many pairs are read.
        timeout_s: How long an answer may take, s; a right one always comes in time.
    """

    script: tuple[Reply, ...]
    code: str | None
    attempts: int
    always: bool = False
    pairs: int = 0
    timeout_s: float = 60.0


def refused(parameter: str) -> Reply:
    return raw(refusal_of(parameter).get_data(as_text=True), 400)


def passing(*script: Reply, timeout_s: float = 60.0) -> Fault:
    return Fault(script, None, len(script) + 1, pairs=2, timeout_s=timeout_s)


def lasting(
    reply: Reply, code: str, attempts: int = 3, pairs: int = 0, timeout_s: float = 60.0
) -> Fault:
    return Fault((reply,), code, attempts, always=True, pairs=pairs, timeout_s=timeout_s)


CUT = FORM[: FORM.index("}") + 3]
NO_SCHEMA = error(400, "Invalid parameter: 'response_format' of type 'json_schema'")
NO_JSON = error(400, "response_format is not available for this model")
NAN = '{"pairs": [{"question": "a", "answer": NaN}]}'
TWICE = '{"pairs": [{"question": "a", "question": "b", "answer": "c"}]}'
MANY = json.dumps({"pairs": [{"question": f"Line {i}", "answer": "x"} for i in range(100_000)]})
LOOP = CUT + '{"question": "Name", "answer": "' + "." * 4000
SURROGATES = FORM.replace("Date:", "Date:\\ud800")
LLAMA_CPP = "image input is not supported - hint: you may need to provide the mmproj"

FAULTS: dict[str, Fault] = {
    "429 with a short Retry-After": passing(error(429, headers={"Retry-After": "0.05"})),
    "429 with a date": passing(error(429, headers={"Retry-After": formatdate(usegmt=True)})),
    "429 without Retry-After": passing(error(429)),
    "429 that asks for more than two minutes": lasting(
        error(429, headers={"Retry-After": "121"}), "rate_limited", 1
    ),
    "429 without end": lasting(error(429), "rate_limited"),
    "429 `insufficient_quota`": lasting(
        error(429, "No credit", code="insufficient_quota"), "quota_exhausted", 1
    ),
    "500, 502 or 503": passing(error(500), raw("<html>", 502, Content_Type="text/html")),
    "503 with Retry-After": passing(error(503, headers={"Retry-After": "0.05"})),
    "500 without end": lasting(error(500), "server_error"),
    "connection reset in the body": passing(cut(reset=True)),
    "HTTP body cut off": passing(cut(reset=False)),
    "no answer": passing(slow(30, pieces=0), timeout_s=1.5),
    "no answer without end": lasting(slow(30, pieces=0), "timeout", timeout_s=0.3),
    "an answer that arrives byte by byte": passing(slow(30, pieces=600), timeout_s=1.5),
    "JSON of the HTTP body cut off": passing(raw('{"id": "chatcmpl-1", "choi')),
    "HTML with status 200": lasting(raw("<html>", Content_Type="text/html"), "not_a_completion", 1),
    "an error body with status 200": lasting(error(200, "overloaded"), "server_error"),
    "no choices": lasting(raw('{"choices": []}'), "empty_completion", 2),
    "a refusal": lasting(answer(None, refusal="I cannot."), "refused", 1),
    "the content filter": lasting(answer(CUT, "content_filter"), "content_filtered", 1),
    "completion cut off at `max_tokens`": passing(answer(CUT, "length")),
    "cut off again at twice `max_tokens`": lasting(
        answer(CUT, "length"), "completion_cut_off", 2, pairs=1
    ),
    "a completion that repeats itself": lasting(
        answer(LOOP, "length"), "degenerate_completion", 1, pairs=1
    ),
    "JSON in prose or code fences": Fault(
        (answer(f"Here:\n```json\n{FORM}\n```"),), None, 1, pairs=2
    ),
    "JSON of another schema": lasting(answer('{"Date": "1998"}'), "invalid_completion", 2),
    "a key twice": lasting(answer(TWICE), "invalid_completion", 2),
    "NaN": lasting(answer(NAN), "invalid_completion", 2),
    "lone surrogates": Fault((answer(SURROGATES),), None, 1, pairs=2),
    "100,000 pairs": Fault((answer(MANY),), None, 1, pairs=100_000),
    "a parameter that the LLM refuses": passing(refused("temperature"), refused("max_tokens")),
    "no JSON schema": passing(NO_SCHEMA, NO_JSON),
    "404": lasting(error(404, "no such model"), "not_found", 1),
    "401": lasting(error(401), "authentication_failed", 1),
    "403": lasting(error(403), "permission_denied", 1),
    "context too long": lasting(
        error(400, "too long", code="context_length_exceeded"), "context_too_long", 1
    ),
    "413": lasting(error(413), "request_too_large", 1),
    "an LLM that takes no images (llama.cpp: 500)": lasting(
        error(500, LLAMA_CPP), "image_unsupported", 1
    ),
}


def repeating() -> Iterator[str]:
    yield chunk({"content": CUT + '{"question": "Name", "answer": "'})
    while True:
        yield chunk({"content": "...."})


STREAM_FAULTS: dict[str, Fault] = {
    "a stream that repeats itself": lasting(
        stream(repeating()), "degenerate_completion", 1, pairs=1
    ),
    "a stream that breaks off": passing(stream([chunk({"content": CUT}), "[DONE]"])),
    "an error within a stream": passing(
        stream([chunk({"content": CUT}), json.dumps({"error": {"message": "overloaded"}})])
    ),
    "a stream that is no JSON": passing(stream([CUT])),
    "no streaming": passing(error(400, "Unsupported value: true", param="stream")),
}


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "unstreamed"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_fault(llm: FaultyLlm, fault: Fault, streamed: bool):
    check(llm, fault, stream=streamed)


@pytest.mark.parametrize("fault", STREAM_FAULTS.values(), ids=STREAM_FAULTS.keys())
def test_fault_of_a_stream(llm: FaultyLlm, fault: Fault):
    check(llm, fault)


def check(llm: FaultyLlm, fault: Fault, **settings: Any):
    llm.script = list(fault.script)
    if fault.always:
        llm.always = fault.script[-1]

    reading = read(timeout_s=fault.timeout_s, **settings)

    assert (reading.failure.code if reading.failure else None) == fault.code, reading.failure
    assert reading.attempts == len(llm.requests) == fault.attempts
    assert len(reading.pairs) == fault.pairs
    if fault.pairs <= 2:
        assert answers(reading) == PAIRS[: fault.pairs]


def no_port() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{bound.getsockname()[1]}/v1"


UNREACHABLE = {
    "connection refused": ("connection_failed", 3, no_port),
    "unknown host": ("connection_failed", 3, lambda: "http://no-such-host.invalid/v1"),
    "TLS failure": ("tls_failed", 1, None),
}


@pytest.mark.parametrize("name", UNREACHABLE)
def test_unreachable(name: str, llm: FaultyLlm, monkeypatch: pytest.MonkeyPatch):
    code, attempts, url = UNREACHABLE[name]
    address = url() if url else llm.base_url.replace("http:", "https:")
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    reading = read()
    assert reading.failure is not None
    assert (reading.failure.code, reading.attempts) == (code, attempts)


def test_the_docs_have_the_table_of_faults():
    text = section("engines.md", "## Faults of a server")
    rows = re.findall(r"^\| (.+?) \| (?:`(\w+)`|right answer)", text, re.MULTILINE)
    told = {name: code or None for name, code in rows}
    seen = {name: fault.code for name, fault in (FAULTS | STREAM_FAULTS).items()}
    seen |= {name: each[0] for name, each in UNREACHABLE.items()}
    assert told == seen


def test_tokens_of_all_attempts_are_counted(llm: FaultyLlm):
    llm.script = [answer("no JSON"), error(500)]
    reading = read()
    assert reading.failure is None
    assert (reading.attempts, reading.input_tokens, reading.output_tokens) == (3, 2600, 84)


def test_a_cut_off_completion_is_asked_for_with_twice_the_limit(llm: FaultyLlm):
    llm.script = [answer(CUT, "length")]
    read(max_tokens=100)
    assert [request["max_tokens"] for request in llm.requests] == [100, 200]


def test_a_server_that_takes_no_larger_limit_keeps_the_pairs(llm: FaultyLlm):
    llm.script = [answer(CUT, "length"), error(400, "max_tokens is too large: 16384")]
    reading = read()
    assert reading.failure is not None
    assert reading.failure.code == "completion_cut_off"
    assert answers(reading) == PAIRS[:1]


def test_what_a_server_refused_is_not_sent_again(llm: FaultyLlm):
    llm.script = [refused("temperature"), refused("max_tokens"), NO_SCHEMA, NO_JSON]
    engine = build()
    for _ in range(2):
        assert engine.read(PAGE, "Read the form.").failure is None
    formats = [request.get("response_format", {}).get("type") for request in llm.requests]
    assert formats == [*["json_schema"] * 3, "json_object", None, None]
    assert llm.requests[0]["messages"][0]["content"] == "Read the form."
    last = llm.requests[-1]
    assert '{"pairs": [' in last["messages"][0]["content"]
    assert not last.keys() & {"temperature", "max_tokens"}
    assert last["max_completion_tokens"] == 8192


def test_a_line_of_dots_that_ends_is_read_to_its_end(llm: FaultyLlm):
    numbers = " ".join(map(str, range(700)))  # so that the dots are what is looked at
    pairs = [{"question": numbers, "answer": "." * 1500}, {"question": "End", "answer": None}]
    llm.always = answer(json.dumps({"pairs": pairs}))
    assert answers(read()) == pairs


@pytest.mark.parametrize(
    ("settings", "streams"),
    [
        ({"max_concurrency": 16}, True),
        ({"max_concurrency": 17}, False),
        ({"max_concurrency": 17, "stream": True}, True),
    ],
)
def test_many_answers_at_once_are_streamed_only_where_that_is_set(
    llm: FaultyLlm, settings: dict[str, Any], streams: bool
):
    assert read(**settings).failure is None
    assert llm.requests[0].get("stream", False) is streams


def test_a_server_that_refused_to_stream_is_not_asked_to_again(llm: FaultyLlm):
    llm.script = [error(400, "Unsupported parameter: 'stream_options'")]
    engine = build()
    for _ in range(2):
        assert engine.read(PAGE, "").failure is None
    assert [request.get("stream", False) for request in llm.requests] == [True, False, False]


def test_a_server_that_counts_no_tokens_of_a_stream_is_asked_for_whole_answers(llm: FaultyLlm):
    llm.script = [stream([chunk({"content": FORM}, "stop"), "[DONE]"])]
    engine = build()
    assert [engine.read(PAGE, "").output_tokens for _ in range(2)] == [None, 42]
    assert [request.get("stream", False) for request in llm.requests] == [True, False]


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
def test_what_the_llm_doubts_comes_with_its_probability(streams: bool, llm: FaultyLlm):
    content = json.dumps({"company": "Ann", "total": "5,00", "paid": None})
    known = logprobs(content, "5,00", 0.25)
    if streams:
        events = []
        for number, token in enumerate(known["content"]):
            event = json.loads(chunk({"content": content[2 * number : 2 * number + 2]}))
            event["choices"][0]["logprobs"] = {"content": [token]}
            events.append(json.dumps(event))
        llm.script = [stream([*events, chunk({}, "stop"), "[DONE]"])]
    else:
        body = completion(content)
        body["choices"][0]["logprobs"] = known
        llm.script = [raw(json.dumps(body))]
    fields = {name: {"type": ["string", "null"]} for name in ("company", "total", "paid")}
    schema = Schema.parse({"type": "object", "properties": fields})
    found = build(stream=streams).read(PAGE, "", schema).evidence
    assert found.keys() == {"company", "total"}
    assert found["total"].probability == pytest.approx(0.25)
    assert found["company"].probability == pytest.approx(0.999)
    assert llm.requests[0]["logprobs"] is True


@pytest.mark.parametrize("content", [7, True, "x", {"token": "x"}, [7], [{"token": []}]], ids=str)
@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
def test_probabilities_of_another_shape_are_left_out(
    content: object, streams: bool, llm: FaultyLlm
):
    if streams:
        event = json.loads(chunk({"content": '{"total": "5,00"}'}, "stop"))
        event["choices"][0]["logprobs"] = {"content": content}
        llm.script = [stream([json.dumps(event), "[DONE]"])]
    else:
        body = completion('{"total": "5,00"}')
        body["choices"][0]["logprobs"] = {"content": content}
        llm.script = [raw(json.dumps(body))]
    schema = Schema.parse({"type": "object", "properties": {"total": {"type": "string"}}})
    reading = build(stream=streams).read(PAGE, "", schema)
    assert (reading.raw_fields, reading.failure) == ({"total": "5,00"}, None)
    assert all(each.probability is None for each in reading.evidence.values())


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(refusal_of("logprobs"), id="unsupported parameter"),
        pytest.param(
            as_json({"error": {"message": "You are not allowed to request logprobs."}}, 403),
            id="not allowed",
        ),
        pytest.param(
            as_json({"detail": [{"type": "extra_forbidden", "loc": ["body", "logprobs"]}]}, 422),
            id="without a message",
        ),
    ],
)
def test_a_server_that_refuses_logprobs_is_not_asked_for_them_again(
    refusal: Response, llm: FaultyLlm
):
    llm.script = [
        raw(refusal.get_data(as_text=True), refusal.status_code),
        *[answer('{"a": "b"}')] * 2,
    ]
    schema = Schema.parse({"type": "object", "properties": {"a": {"type": "string"}}})
    engine = build()
    for _ in range(2):
        reading = engine.read(PAGE, "", schema)
        assert (reading.raw_fields, reading.evidence) == ({"a": "b"}, {})
    assert ["logprobs" in request for request in llm.requests] == [True, False, False]


def test_pairs_are_asked_for_without_logprobs(llm: FaultyLlm):
    build().read(PAGE, "")
    assert "logprobs" not in llm.requests[0]


def test_retry_after_slows_every_thread(llm: FaultyLlm):
    llm.script = [error(429, headers={"Retry-After": "0.5"})]
    engine = build(max_concurrency=2)
    assert engine.read(PAGE, "").failure is None
    llm.script = [error(429, headers={"Retry-After": "3"})]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(engine.read, PAGE, "")
        wait_for(lambda: len(llm.times) == 3)
        assert stays(lambda: len(llm.times) == 3, for_s=1)  # the client has read the answer
        second = pool.submit(engine.read, PAGE, "")
        assert first.result().attempts == 2
        assert second.result().attempts == 1
    refused_at, *after = llm.times[2:]
    assert min(after) - refused_at >= 3


def test_a_page_stops_when_its_time_is_over(llm: FaultyLlm):
    llm.always = error(500)
    started = time.monotonic()
    reading = read(max_retries=1000, retry_delay_s=0.05, max_retry_s=1.5)
    assert time.monotonic() - started < 60
    assert reading.failure is not None
    assert 2 <= reading.attempts < 20


def test_no_retries_means_one_request(llm: FaultyLlm):
    llm.always = answer("no JSON")
    assert read(max_retries=0).attempts == 1


def test_a_cached_page_costs_no_request(llm: FaultyLlm, tmp_path: Path):
    cache = str(tmp_path / "cache.sqlite")
    prices = {"input_price": 1.0, "output_price": 10.0}
    paid = read(cache=cache, **prices)
    assert (paid.attempts, paid.from_cache) == (1, False)
    assert paid.cost == pytest.approx(0.00172)
    kept = build(cache=cache, **prices).read(Page(4, PAGE.image), "Read the form.")
    assert [pair.page for pair in kept.pairs] == [4, 4]
    assert (kept.attempts, kept.from_cache, kept.cost, kept.input_tokens) == (0, True, 0.0, 0)
    assert len(llm.requests) == 1
    for changed in ({"llm": "other"}, {"seed": 1}, {"max_size": 64}, {"temperature": 0.5}):
        assert not read(cache=cache, **changed).from_cache
    assert not build(cache=cache).read(PAGE, "Another prompt.").from_cache


def test_a_failure_is_not_cached(llm: FaultyLlm, tmp_path: Path):
    cache = str(tmp_path / "cache.sqlite")
    llm.script = [answer(LOOP, "length")]
    assert read(cache=cache).failure is not None
    assert read(cache=cache).attempts == 1


POISON = {
    "no form": "Sure!",
    "another schema": '{"Date": "1998"}',
    "a form cut off": CUT,
    "nested": "[" * 10**5,
    "empty": "",
}


@pytest.mark.parametrize("text", POISON.values(), ids=POISON.keys())
def test_a_kept_completion_that_cannot_be_read_is_asked_for_again(
    llm: FaultyLlm, tmp_path: Path, text: str
):
    cache = tmp_path / "cache.sqlite"
    assert read(cache=str(cache)).attempts == 1
    with contextlib.closing(sqlite3.connect(cache)) as database:
        database.execute("UPDATE completions SET text = ?", [text.encode()])
        database.commit()
    asked_again = read(cache=str(cache))
    assert (asked_again.failure, asked_again.attempts, asked_again.from_cache) == (None, 1, False)
    assert read(cache=str(cache)).from_cache


@pytest.mark.parametrize("place", ["/proc/cache/completions.sqlite", "/dev/null/c.sqlite"])
def test_a_cache_that_cannot_be_made_costs_no_page(
    llm: FaultyLlm, place: str, caplog: pytest.LogCaptureFixture
):
    engine = build(cache=place)
    for _ in range(3):
        assert engine.read(PAGE, "Read the form.").failure is None
    assert [record.name for record in caplog.records] == ["ocr_extractor.engines.openai.cache"]


def test_the_price_of_an_unknown_llm_is_unknown(llm: FaultyLlm):
    assert read(llm="loopback-vision").cost is None
