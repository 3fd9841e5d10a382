"""A hostile server costs its row: a named error within bounds, no number that cannot be."""

from __future__ import annotations

import gzip
import itertools
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import httpx2
import pytest
from PIL import Image

from ocr_extractor.config import ExtractorConfig
from ocr_extractor.engines.base import Page, PageReading
from ocr_extractor.engines.openai.engine import OpenAIChatEngine
from ocr_extractor.engines.openai.event_stream import StreamedCompletion
from tests.llm_servers.completions import FORM, PAIRS, chunk, completion
from tests.llm_servers.faulty import FaultyLlm, answer, error, raw, stream
from tests.llm_servers.server import Reply

PAGE = Page(1, Image.new("L", (64, 64), 255))
DEEP = "[" * 10**6 + "]" * 10**6
pytestmark = pytest.mark.usefixtures("no_traces")

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\r\n\x00"


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyLlm]:
    with FaultyLlm() as running:
        yield running


@pytest.fixture
def llm(server: FaultyLlm, monkeypatch: pytest.MonkeyPatch) -> FaultyLlm:
    server.reset()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    return server


def read(**settings: Any) -> PageReading:
    config: dict[str, Any] = {
        "engine": "openai",
        "prompt_uri": "prompts:/p/1",
        "retry_delay_s": 0.01,
        "max_retries": 1,
        "timeout_s": 30.0,
        "stream": False,
    }
    engine = OpenAIChatEngine(ExtractorConfig.from_model_config(config | settings))
    return engine.read(PAGE, "Read the form.")


def code(reading: PageReading) -> str | None:
    return reading.failure.code if reading.failure else None


def encoded(body: bytes, encoding: str, status: int = 200) -> Reply:
    """Answer with a body that is compressed already."""

    def reply(handler: Any) -> None:
        handler.start(status, len(body), {"Content-Encoding": encoding})
        handler.wfile.write(body)

    return reply


@cache
def bomb(wbits: int) -> bytes:
    """Compress 200 MB of white space, which JSON may begin with."""
    packer = zlib.compressobj(9, wbits=wbits)
    return b"".join([*(packer.compress(b" " * 10**6) for _ in range(200)), packer.flush()])


def body_of(**parts: Any) -> str:
    return json.dumps(completion(FORM) | parts)


GZIP, DEFLATE = 31, 15
BOMBS: dict[str, Callable[[], Reply]] = {
    "gzip": lambda: encoded(bomb(GZIP), "gzip"),
    "deflate": lambda: encoded(bomb(DEFLATE), "deflate"),
    "gzip of gzip": lambda: encoded(gzip.compress(bomb(GZIP)), "gzip, gzip"),
    "gzip with an error's status": lambda: encoded(bomb(GZIP), "gzip", 500),
    "not compressed": lambda: raw(" " * 9_000_000),
}


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS.keys())
def test_an_answer_is_read_up_to_8_mb_and_not_asked_for_again(
    llm: FaultyLlm, make: Callable[[], Reply]
):
    llm.always = make()
    tracemalloc.start()
    reading = read()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (code(reading), reading.attempts) == ("response_too_large", 1)
    assert peak < 60e6


def test_a_compressed_answer_is_still_read(llm: FaultyLlm):
    llm.always = encoded(gzip.compress(body_of().encode()), "gzip")
    assert len(read().pairs) == len(PAIRS)


def endless_events() -> Iterator[str]:
    for number in itertools.count(step=2000):
        yield chunk({"content": " ".join(map(str, range(number, number + 2000)))})


STREAMS: dict[str, tuple[Reply, str]] = {
    "events without end": (stream(endless_events()), "response_too_large"),
    "an event nested 10^6 deep": (stream([f'{{"choices": {DEEP}}}']), "invalid_response"),
    "an event nested 500 deep": (
        stream([f'{{"choices": {"[" * 500 + "]" * 500}}}']),
        "not_a_completion",
    ),
    "tokens nested 900 deep": (
        stream([f'{{"choices": [], "usage": {"[" * 900 + "]" * 900}}}']),
        "not_a_completion",
    ),
    "an error nested 10^6 deep": (stream([f'{{"error": {DEEP}}}']), "invalid_response"),
    "a million choices": (stream(['{"choices": [' + "{}," * 10**6 + "{}]}"]), "not_a_completion"),
    "tokens nested 10^6 deep": (
        stream([chunk({"content": FORM}, "stop"), f'{{"choices": [], "usage": {DEEP}}}']),
        "invalid_response",
    ),
}


@pytest.mark.parametrize(("reply", "expected"), STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_is_bounded_like_a_whole_answer(llm: FaultyLlm, reply: Reply, expected: str):
    llm.always = reply
    assert code(read(stream=True, max_retries=0, timeout_s=600.0)) == expected


class Pieces(httpx2.SyncByteStream):
    """A line that comes byte by byte."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __iter__(self) -> Iterator[bytes]:
        return itertools.repeat(b"x", self._count)


def seconds_to_read(count: int) -> float:
    started = time.process_time()
    assert list(StreamedCompletion(Pieces(count))) == [b""]
    return time.process_time() - started


def test_a_line_in_many_pieces_takes_linear_time():
    assert seconds_to_read(800_000) < 20 * seconds_to_read(100_000)


NESTED: dict[str, tuple[str, str]] = {
    "the answer": (DEEP, "not_a_completion"),
    "a part that is not needed": (f'{{"x": {DEEP}}}', "invalid_response"),
    "the choices": (f'{{"choices": {DEEP}}}', "invalid_response"),
    "an error with status 200": (f'{{"error": {DEEP}}}', "invalid_response"),
    "the completion": (body_of(**completion(DEEP)), "degenerate_completion"),
    "a form in the completion": (
        body_of(**completion(f'{{"pairs": [{{"question": {DEEP}')),
        "invalid_completion",
    ),
    "a million choices": ('{"choices": [' + "{}," * 10**6 + "{}]}", "not_a_completion"),
    "a number of a million digits": (f'{{"choices": [], "x": {"9" * 10**6}}}', "invalid_response"),
}


@pytest.mark.parametrize(("body", "expected"), NESTED.values(), ids=NESTED.keys())
def test_json_that_is_made_to_harm_has_a_named_error(llm: FaultyLlm, body: str, expected: str):
    llm.always = raw(body)
    assert code(read(max_retries=0)) == expected


# Above the interpreter's limit, near it, and where each level takes two calls.
@pytest.mark.parametrize("depth", [10**6, 980, 900, 450])
def test_an_error_nested_deep_is_still_that_error(llm: FaultyLlm, depth: int):
    nested = "[" * depth + "]" * depth
    llm.always = raw(f'{{"error": {{"message": "no", "x": {nested}}}}}', 404)
    assert code(read()) == "not_found"


@pytest.mark.parametrize("name", ["code", "type", "param", "message"])
@pytest.mark.parametrize("value", [[], {}, 7, None, [{"a": 1}]], ids=str)
def test_an_errors_parts_may_have_any_type(llm: FaultyLlm, name: str, value: Any):
    parts = {"message": "Unsupported parameter", "type": "t", "param": "p", "code": "c"}
    llm.always = raw(json.dumps({"error": parts | {name: value}}), 400)
    assert code(read()) == "request_refused"


HEADERS: dict[str, dict[str, str]] = {
    "a date that no calendar has": {"Retry-After": "Fri, 31 Dec 99999999999 23:59:59 GMT"},
    "a number beyond all": {"Retry-After": "1e999"},
    "thousands of digits": {
        "x-ratelimit-remaining-requests": "9" * 5000,
        "x-ratelimit-reset-requests": "9" * 5000 + "s",
    },
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
def test_headers_may_say_anything(llm: FaultyLlm, headers: dict[str, str]):
    llm.always = error(429, headers=headers)
    assert code(read()) == "rate_limited"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_named(llm: FaultyLlm, status: int):
    with FaultyLlm() as other:
        target = other.base_url.replace("http://", "http://me:secret@") + "/chat/completions?k=sk-1"
        llm.always = raw("", status, Location=target)
        reading = read()
        assert other.requests == []
    assert (code(reading), reading.attempts) == ("redirected", 1)
    assert f"{other.base_url}/chat/completions," in str(reading.failure)
    assert "secret" not in str(reading.failure)
    assert "sk-1" not in str(reading.failure)


@pytest.mark.parametrize("location", ["", "/v1/", "http://[::1", "//\x1b[2J", "file:///etc/passwd"])
def test_a_redirect_to_nowhere_is_not_followed_either(llm: FaultyLlm, location: str):
    llm.always = raw("", 307, Location=location)
    reading = read()
    assert (code(reading), reading.attempts) == ("redirected", 1)
    assert str(reading.failure).isprintable()


COUNTS: dict[str, Any] = {
    "10**30": 10**30,
    "2**63": 2**63,
    "negative": -1,
    "a fraction": 1.5,
    "text": "12",
    "a truth": True,
    "null": None,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "a list": [1],
}


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "unstreamed"])
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens"])
@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS.keys())
def test_tokens_that_cannot_be_are_unknown_and_cost_nothing_known(
    llm: FaultyLlm, count: Any, name: str, streamed: bool
):
    usage = {"prompt_tokens": 10, "completion_tokens": 5} | {name: count}
    ending = chunk(None, usage=usage)
    llm.always = (
        stream([chunk({"content": FORM}, "stop"), ending])
        if streamed
        else raw(body_of(usage=usage))
    )
    reading = read(stream=streamed, input_price=1.0, output_price=1.0)
    assert code(reading) is None
    assert len(reading.pairs) == len(PAIRS)
    assert (reading.input_tokens, reading.output_tokens, reading.cost) == (None, None, None)


@pytest.mark.parametrize("count", [*COUNTS.values(), 11], ids=[*COUNTS, "more than all tokens"])
def test_cached_tokens_that_cannot_be_count_as_none(llm: FaultyLlm, count: Any):
    details = {"cached_tokens": count}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": details}
    llm.always = raw(body_of(usage=usage))
    assert read().cached_tokens == 0


def test_a_servers_words_come_without_control_characters(llm: FaultyLlm):
    llm.always = error(400, ESCAPES)
    said = str(read().failure)
    assert said.isprintable()
    assert r"\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil" in said


def test_an_answer_comes_without_control_characters(llm: FaultyLlm):
    pairs = [{"question": f"Date{ESCAPES}", "answer": ESCAPES}]
    llm.always = answer(json.dumps({"pairs": pairs}))
    [pair] = read().pairs
    for text in (pair.question, pair.answer or ""):
        assert not {"\x1b", "\x07", "\x9b", "\x00"} & set(text)


def dripping(piece: bytes) -> Reply:
    """Send a piece again and again where headers should come."""

    def reply(handler: Any) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" if piece.startswith(b"X") else b"")
        for _ in range(600):
            handler.wfile.write(piece)
            handler.pause(0.1)

    return reply


@pytest.mark.parametrize("piece", [b"X", b"HTTP/1.1 103 Early Hints\r\n\r\n"], ids=["X", "103"])
def test_headers_that_drip_take_no_longer_than_an_answer_may(llm: FaultyLlm, piece: bytes):
    llm.always = dripping(piece)
    started = time.monotonic()
    reading = read(timeout_s=0.5, max_retries=0)
    assert code(reading) == "timeout"
    assert time.monotonic() - started < 30


def compressed_drip(handler: Any) -> None:
    """Send gzip's header, whose file name never ends: compressed bytes that hold no text."""
    handler.close_connection = True
    handler.start(200, 10**6, {"Content-Encoding": "gzip"})
    handler.wfile.write(b"\x1f\x8b\x08\x08\0\0\0\0\0\xff")
    for _ in range(600):
        handler.wfile.write(b"x")
        handler.pause(0.1)


def test_a_compressed_answer_drips_no_longer_than_another(llm: FaultyLlm):
    llm.always = compressed_drip
    started = time.monotonic()
    assert code(read(timeout_s=0.5, max_retries=0)) == "timeout"
    assert time.monotonic() - started < 30
