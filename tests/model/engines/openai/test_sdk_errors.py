"""Every way an LLM's server was seen to fail has its error code, and none of them tells the key."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image
from werkzeug import Response

from ocr_extractor.config import ExtractorConfig
from ocr_extractor.engines.base import Page
from ocr_extractor.engines.openai.engine import OpenAIChatEngine
from ocr_extractor.engines.openai.sdk_errors import retry_after_s
from ocr_extractor.errors import CompletionError, EngineError
from tests.llm_servers.checking import CheckingLlm
from tests.llm_servers.completions import KEY, completion

PAIR = '{"question": "Date:", "answer": "November 5, 1998"}'

pytestmark = pytest.mark.usefixtures("no_traces")


def failure(instructions: str = "Read the form.", **settings: Any) -> EngineError:
    """Let the engine read a page, and return how it fails."""
    config = {"engine": "openai", "prompt_uri": "prompts:/p/1", "trace_content": "metadata"}
    engine = OpenAIChatEngine(
        ExtractorConfig.from_model_config(config | {"max_retries": 0} | settings)
    )
    reading = engine.read(Page(1, Image.new("L", (20, 10), 255)), instructions)
    assert reading.failure is not None
    return reading.failure


def refusal(status: int, message: str, **details: object) -> Response:
    body = json.dumps({"error": {"message": message, "param": None, **details}})
    return Response(body, status, content_type="application/json")


def ok(body: object) -> Response:
    """Build an answer with status 200, of JSON or of the given text or bytes."""
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return Response(text, content_type="application/json")


REFUSALS = [
    ("401", refusal(401, f"Incorrect API key provided: {KEY}."), "authentication_failed"),
    ("403", refusal(403, f"Project of {KEY} has no access."), "permission_denied"),
    ("404", refusal(404, "The model `gpt-9` does not exist"), "not_found"),
    ("413", refusal(413, "Payload too large"), "request_too_large"),
    ("422", refusal(422, "Unprocessable"), "request_refused"),
    (
        "context",
        refusal(400, "Maximum context length is 8192.", code="context_length_exceeded"),
        "context_too_long",
    ),
    (
        "policy",
        refusal(400, "Rejected by our safety system.", code="content_policy_violation"),
        "content_filtered",
    ),
    (
        "Azure's filter",
        refusal(400, "The response was filtered", code="content_filter"),
        "content_filtered",
    ),
    ("HTML 404", Response("<html>nginx</html>", 404, content_type="text/html"), "not_found"),
    (
        "quota",
        refusal(429, "You exceeded your quota.", code="insufficient_quota", type="tokens"),
        "quota_exhausted",
    ),
]
PASSING = [
    ("429", refusal(429, "Rate limit reached", code="rate_limit_exceeded"), "rate_limited"),
    ("408", refusal(408, "Request timeout"), "server_error"),
    ("500", refusal(500, f"Internal error for {KEY}"), "server_error"),
    ("502 HTML", Response("<html>bad gateway</html>", 502), "server_error"),
]
NO_COMPLETIONS = [
    ("HTML with 200", Response("<html>hi</html>", content_type="text/html"), "not_a_completion"),
    ("error body", ok({"error": {"message": f"boom {KEY}", "code": 500}}), "server_error"),
    ("a list", ok([1, 2]), "not_a_completion"),
    ("no message", ok({"choices": [{"index": 0}]}), "not_a_completion"),
    ("no choices", ok({**completion("{}"), "choices": []}), "empty_completion"),
    ("content null", ok(completion(None)), "empty_completion"),
    ("content empty", ok(completion("")), "empty_completion"),
    ("JSON cut", ok('{"id": "x", "choi'), "invalid_response"),
    ("not UTF-8", ok(b'{"id": "\xff"}'), "invalid_response"),
    ("wrong schema", ok(completion('{"fields": []}')), "invalid_completion"),
    ("wrong type", ok(completion('{"pairs": "none"}')), "invalid_completion"),
    ("one more field", ok(completion('{"pairs": [], "note": 1}')), "invalid_completion"),
    ("cut off", ok(completion(f'{{"pairs": [{PAIR},', "length")), "completion_cut_off"),
    ("filtered", ok(completion("", "content_filter")), "content_filtered"),
    ("refusal", ok(completion(None, refusal="I cannot help with that.")), "refused"),
]


def table(*rows: list[tuple[str, Response, str]]) -> pytest.MarkDecorator:
    params = [pytest.param(*row[1:], id=row[0]) for part in rows for row in part]
    return pytest.mark.parametrize(("answer", "code"), params)


@table(REFUSALS, PASSING, NO_COMPLETIONS)
def test_every_failure_has_its_code_and_tells_neither_key_nor_answer(
    answer: Response, code: str, llm: CheckingLlm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    llm.answer = answer
    error = failure()
    assert error.code == code
    assert len(llm.requests) == 1
    for text in (str(error), repr(error.__cause__), caplog.text):
        assert KEY not in text
        assert "November 5" not in text


@table(REFUSALS)
def test_what_will_fail_again_is_not_retryable(
    answer: Response, code: str, llm: CheckingLlm
) -> None:
    llm.answer = answer
    assert not failure().retryable


@table(PASSING)
def test_what_may_pass_is_retryable(answer: Response, code: str, llm: CheckingLlm) -> None:
    llm.answer = answer
    assert failure().retryable


@table(REFUSALS, PASSING, NO_COMPLETIONS)
def test_every_message_says_what_to_do_within_a_line(
    answer: Response, code: str, llm: CheckingLlm
) -> None:
    llm.answer = answer
    message = str(failure())
    assert message.endswith(".")
    assert "Error code" not in message  # the SDK's own preface
    assert "\n" not in message
    assert len(message) < 250


def test_unusable_answers_are_told_from_failed_requests(llm: CheckingLlm) -> None:
    llm.answer = completion("Sure!")
    assert isinstance(failure(), CompletionError)
    llm.answer = refusal(404, "no such model")
    assert not isinstance(failure(), CompletionError)


def test_a_server_that_is_not_there(llm: CheckingLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        error = failure()
    assert (error.code, error.retryable) == ("connection_failed", True)


def test_a_connection_that_breaks_off(llm: CheckingLlm) -> None:
    def break_off() -> Iterator[str]:
        yield '{"id": '

    llm.answer = Response(break_off(), headers={"Content-Length": "500"})
    assert failure().code == "connection_failed"


def test_a_server_that_takes_too_long(llm: CheckingLlm) -> None:
    def slowly() -> Iterator[str]:
        llm.closing.wait(60)
        yield "{}"

    llm.answer = Response(slowly())
    started = time.monotonic()
    error = failure(timeout_s=0.2)
    assert (error.code, error.retryable) == ("timeout", True)
    assert time.monotonic() - started < 30


def test_azures_keys_are_kept_out_too(llm: CheckingLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", llm.base_url.removesuffix("/v1"))
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    llm.answer = refusal(401, f"No access for {KEY}")
    for name in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"):
        monkeypatch.setenv(name, KEY)
        error = failure()
        assert error.code == "authentication_failed"
        assert "No access for ***" in str(error)
    assert llm.keys == [KEY, f"Bearer {KEY}"]


def test_how_long_a_server_asks_to_wait_is_told(llm: CheckingLlm) -> None:
    llm.answer = refusal(429, "Rate limit reached")
    llm.answer.headers["Retry-After"] = "1800"
    assert "(max_concurrency); it asks to wait for 1,800 s (" in str(failure())


def test_a_server_that_quotes_the_request_is_not_quoted(llm: CheckingLlm) -> None:
    llm.answer = refusal(400, "messages.0.content: 'Read the form.' is too short")
    said = str(failure())
    assert said.startswith("HTTP 400: the server refuses the request")
    assert "they quote the request" in said
    assert "Read the" not in said


@pytest.mark.parametrize("line_break", ["\n", "\\n", " / "], ids=repr)
def test_short_lines_of_the_request_are_not_quoted_either(
    line_break: str, llm: CheckingLlm
) -> None:
    lines = ["Ann Lee", "Fax: 555", "Born 1.2.65"]
    llm.answer = refusal(400, f"Bad input_value='{line_break.join(lines)}'")
    assert "they quote the request" in str(failure("\n".join(lines)))


@pytest.mark.parametrize(
    ("headers", "expected_s"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After-Ms": "250", "Retry-After": "3"}, 0.25),
        # Not exactly: the date is written when the tests are collected.
        (
            {"Retry-After": formatdate(time.time() + 3600, usegmt=True)},
            pytest.approx(3600.0, abs=1800.0),
        ),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({}, None),
    ],
    ids=["seconds", "milliseconds", "date", "words", "no number", "nothing"],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], expected_s: object) -> None:
    request = httpx2.Request("POST", "http://127.0.0.1")
    answer = httpx2.Response(429, headers=headers, request=request)
    error = openai.RateLimitError("slow down", response=answer, body=None)
    assert retry_after_s(error) == expected_s
