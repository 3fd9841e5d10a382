"""Requests are deferred, each under a name of its own, and batches need a server that has them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import httpx2
import openai
import pytest
from werkzeug import Response

from ocr_extractor.engines.openai.batch import BatchServer
from ocr_extractor.engines.openai.batched_requests import (
    BatchedRequests,
    deferred,
    requests_in_force,
)
from ocr_extractor.engines.openai.client import build_client
from ocr_extractor.engines.openai.transport import build_http_client
from ocr_extractor.errors import ConfigError, EngineError
from tests.llm_servers.checking import CheckingLlm


def ask(deferral: BatchedRequests, body: bytes) -> int:
    request = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions", content=body)
    return deferral.respond(request).status_code


def test_every_request_of_a_document_has_a_name_of_its_own() -> None:
    first = BatchedRequests("a", {})
    assert [ask(first, body) for body in (b"1", b"2", b"1")] == [425] * 3
    assert sorted(first.asked.values()) == [b"1", b"1", b"2"]
    again = BatchedRequests("a", {})
    ask(again, b"1")
    assert again.asked.keys() < first.asked.keys()
    other = BatchedRequests("b", {})
    ask(other, b"1")
    assert other.asked.keys().isdisjoint(first.asked)


def test_a_request_gets_the_answer_of_its_name() -> None:
    asked = BatchedRequests("a", {})
    ask(asked, b"1")
    [custom_id] = asked.asked
    answered = BatchedRequests("a", {custom_id: '[429, {"error": {}}]'})
    assert [ask(answered, b"1"), ask(answered, b"1")] == [429, 425]
    assert len(answered.asked) == 1


def test_requests_are_sent_again_afterwards() -> None:
    with deferred("a", {}):
        assert requests_in_force() is not None
    assert requests_in_force() is None


def test_azure_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://loopback.openai.azure.com")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    with httpx2.Client() as http, pytest.raises(ConfigError, match="not to Azure"):
        BatchServer(build_client(http))


def test_a_server_without_batches_is_named(llm: CheckingLlm) -> None:
    llm.route("GET", "batches/b", lambda _: Response("Not found", 404))
    with openai.DefaultHttpxClient() as http:
        server = BatchServer(build_client(http, llm.base_url))
        with pytest.raises(EngineError, match="HTTP 404"), server.faults():
            server.progress("b")


def line(custom_id: str, status: object = 200, body: object = None) -> str:
    response = {"status_code": status, "body": body}
    return json.dumps({"custom_id": custom_id, "response": response})


def test_lines_that_hold_no_answer_are_left_out(llm: CheckingLlm) -> None:
    deep = "[" * 10**6 + "]" * 10**6
    lines = [
        line("a", body={"n": 1}),
        f'{{"custom_id": "deep", "response": {{"status_code": 200, "body": {deep}}}}}',
        line("infinite", float("inf")),
        line("words", "ok"),
        line("none", 42),
        '{"custom_id": 1, "response": {"status_code": 200}}',
        " " * 9_000_000,
        line("b", 429, body={"n": float("nan"), "text": "\ud800"}),
    ]
    llm.route("GET", "files/f/content", lambda _: Response("\n".join(lines)))
    with openai.DefaultHttpxClient() as http:
        server = BatchServer(build_client(http, llm.base_url))
        answers = dict(server.answers(["f"]))
    assert answers.keys() == {"a", "b"}
    deferral = BatchedRequests("s", {})
    ask(deferral, b"1")
    again = BatchedRequests("s", dict.fromkeys(deferral.asked, answers["b"]))
    assert ask(again, b"1") == 429


def test_a_large_file_may_take_longer_than_an_answer(llm: CheckingLlm) -> None:
    timeout_s, pause_s = 2.0, 0.8

    def slowly() -> Iterator[bytes]:
        for number in range(4):
            yield f"{line(str(number))}\n{' ' * 9_000_000}\n".encode()
            threading.Event().wait(pause_s)

    llm.route("GET", "files/f/content", lambda _: Response(slowly()))
    with build_http_client(timeout_s, lambda _: None) as http:
        server = BatchServer(build_client(http, llm.base_url))
        answers = dict(server.answers(["f"]))
    assert list(answers) == ["0", "1", "2", "3"]
