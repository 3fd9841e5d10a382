"""The openai engine asks as it should, and adapts to what an LLM does not take."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import numpy as np
import pytest
from PIL import Image
from werkzeug import Response

from ocr_extractor.config import ExtractorConfig
from ocr_extractor.contract import Pair
from ocr_extractor.engines.base import Page, PageReading
from ocr_extractor.engines.openai.engine import OpenAIChatEngine
from ocr_extractor.errors import EngineError
from tests.llm_servers.checking import CheckingLlm
from tests.llm_servers.completions import KEY, completion

PAGE = Page(3, Image.effect_noise((80, 100), 60))

pytestmark = pytest.mark.usefixtures("no_traces")


def engine(**settings: Any) -> OpenAIChatEngine:
    defaults = {"engine": "openai", "prompt_uri": "prompts:/p/1", "trace_content": "metadata"}
    return OpenAIChatEngine(ExtractorConfig.from_model_config(defaults | settings))


def read(**settings: Any) -> PageReading:
    return engine(**settings).read(PAGE, "Read the form.")


def test_a_page_becomes_pairs_and_token_counts(llm: CheckingLlm) -> None:
    assert read(llm="loopback-vision") == PageReading(
        (Pair("Date:", "November 5, 1998", 3), Pair("Phone", None, 3)),
        input_tokens=1300,
        output_tokens=42,
        cached_tokens=0,
        attempts=1,
    )


def test_the_request_is_what_the_settings_say(llm: CheckingLlm) -> None:
    read(llm="loopback-vision", temperature=0.5, seed=7, max_tokens=500)
    [request] = llm.requests
    messages, schema = request.pop("messages"), request.pop("response_format")
    assert request == {
        "model": "loopback-vision",
        "temperature": 0.5,
        "seed": 7,
        "max_tokens": 500,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert messages[0] == {"role": "system", "content": "Read the form."}
    assert [part["type"] for part in messages[1]["content"]] == ["image_url"]
    assert messages[1]["content"][0]["image_url"]["detail"] == "high"
    assert schema["type"] == "json_schema"
    assert schema["json_schema"]["strict"] is True
    assert schema["json_schema"]["schema"]["required"] == ["pairs"]
    assert llm.keys == [f"Bearer {KEY}"]


def test_without_a_seed_none_is_sent(llm: CheckingLlm) -> None:
    read(seed=None)
    assert "seed" not in llm.requests[0]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_llm_is_sent_the_very_pixels(mode: str, llm: CheckingLlm) -> None:
    page = Page(1, PAGE.image.convert(mode))
    engine().read(page, "")
    [sent] = llm.images
    assert (sent.format, sent.mode) == ("PNG", mode)
    assert np.array_equal(np.asarray(sent), np.asarray(page.image))


@pytest.mark.parametrize("image_format", ["jpeg", "webp"])
def test_size_and_format_of_the_image_are_settings(image_format: str, llm: CheckingLlm) -> None:
    engine(max_size=64, image_format=image_format).read(PAGE, "")
    [sent] = llm.images
    assert (sent.format, sent.size) == (image_format.upper(), (51, 64))


def test_an_image_over_the_providers_limit_is_not_sent(llm: CheckingLlm) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2700, 2700, 3), dtype=np.uint8)
    with pytest.raises(EngineError, match="lower max_size") as refused:
        engine(max_size=2700).read(Page(1, Image.fromarray(noise)), "")
    assert refused.value.code == "image_too_large"
    assert llm.requests == []


@pytest.mark.parametrize(
    ("refused", "sent"),
    [
        (("max_tokens",), {"temperature", "seed", "max_completion_tokens"}),
        (("temperature", "seed"), {"max_tokens"}),
        (("max_tokens", "temperature", "seed"), {"max_completion_tokens"}),
    ],
)
def test_parameters_the_llm_refuses_are_renamed_or_dropped_once(
    refused: tuple[str, ...], sent: set[str], llm: CheckingLlm
) -> None:
    llm.unsupported = refused
    reader = engine()
    reader.read(PAGE, "")
    assert len(llm.requests) == 1 + len(refused)
    reader.read(PAGE, "")
    assert len(llm.requests) == 2 + len(refused)  # remembered: the second page costs one request
    assert set(llm.requests[-1]) & {*refused, *sent} == sent


def test_threads_that_meet_a_refusal_together_agree(llm: CheckingLlm) -> None:
    llm.unsupported = ("max_tokens", "temperature", "seed")
    reader, start = engine(), threading.Barrier(4)

    def read_one() -> int:
        start.wait()
        return len(reader.read(PAGE, "").pairs)

    with ThreadPoolExecutor(4) as pool:
        pages = [pool.submit(copy_context().run, read_one) for _ in range(4)]
        assert [page.result() for page in pages] == [2] * 4


def test_an_llm_that_refuses_both_limits_is_an_error_for_every_page(llm: CheckingLlm) -> None:
    llm.unsupported = ("max_tokens", "max_completion_tokens")
    reader = engine()
    for requests in (2, 3):
        failure = reader.read(PAGE, "").failure
        assert failure is not None
        assert failure.code == "request_refused"
        assert "Unsupported parameter" in str(failure)
        assert len(llm.requests) == requests


def refusal(message: str, **details: object) -> Response:
    return Response(
        json.dumps({"error": {"message": message, **details}}), 400, content_type="application/json"
    )


@pytest.mark.parametrize(
    ("answer", "dropped"),
    [
        (refusal("'temperature' does not support 0 with this model.", param="temperature"), True),
        (refusal("Unsupported value: 'temperature'", code="unsupported_value"), True),
        (refusal("Unrecognized request argument supplied: 'temperature'"), True),
        (refusal("temperature must be below 1", param="temperature"), False),
    ],
    ids=["value of OpenAI's reasoning models", "by code", "by words", "range"],
)
def test_only_a_parameter_that_is_not_known_is_dropped(
    answer: Response, dropped: bool, llm: CheckingLlm
) -> None:
    llm.first = [answer]
    if dropped:
        read()
        assert "temperature" not in llm.requests[1]
    else:
        failure = read().failure
        assert failure is not None
        assert failure.code == "request_refused"


def test_openai_itself_is_asked_with_the_new_name_of_the_limit(
    llm: CheckingLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL")
    endpoint = llm.base_url.removesuffix("/v1")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", endpoint)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    assert len(read(llm="my-deployment").pairs) == 2
    assert llm.requests[0]["max_completion_tokens"] == 8192
    assert "max_tokens" not in llm.requests[0]
    assert llm.keys == ["azure-key"]


def test_a_server_without_keys_gets_a_placeholder(
    llm: CheckingLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert len(read().pairs) == 2
    assert llm.keys == ["Bearer not-needed"]


def test_a_server_that_counts_no_tokens_gives_no_counts(llm: CheckingLlm) -> None:
    answer = completion('{"pairs": []}')
    del answer["usage"]
    llm.answer = answer
    assert read() == PageReading((), None, None, attempts=1)


def busy(status: int, **headers: str) -> Response:
    body = json.dumps({"error": {"message": "Busy.", "code": "busy"}})
    return Response(body, status, {"retry-after-ms": "1", **headers}, "application/json")


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_passing_failures_are_retried_as_often_as_set(status: int, llm: CheckingLlm) -> None:
    llm.first = [busy(status)] * 2
    assert len(read(max_retries=2, retry_delay_s=0.01).pairs) == 2
    assert len(llm.requests) == 3
    llm.first = [busy(status)] * 3
    failure = read(max_retries=2, retry_delay_s=0.01).failure
    assert failure is not None
    assert failure.retryable
    assert len(llm.requests) == 6


def test_an_account_without_credit_is_not_asked_again(llm: CheckingLlm) -> None:
    quota = {"message": "You exceeded your current quota.", "code": "insufficient_quota"}
    llm.answer = Response(json.dumps({"error": quota}), 429, {"retry-after-ms": "1"})
    failure = read(max_retries=4).failure
    assert failure is not None
    assert (failure.code, failure.retryable) == ("quota_exhausted", False)
    assert len(llm.requests) == 1


def test_answers_a_question_in_words_and_tells_its_cost(llm: CheckingLlm) -> None:
    llm.answer = completion("Say more.")
    asked = engine(llm="reader", input_price=1.0, output_price=10.0)
    text, cost = asked.ask("What is missing?", "")
    assert (text, round(cost or 0.0, 5)) == ("Say more.", 0.00172)
    assert asked.ask("What is missing?", "thinker") == ("Say more.", None)
    assert [request["model"] for request in llm.requests] == ["reader", "thinker"]
    assert llm.requests[0]["messages"] == [{"role": "user", "content": "What is missing?"}]
    llm.answer = Response("{}", 401)
    with pytest.raises(EngineError, match="does not accept the API key"):
        asked.ask("What is missing?", "")


def test_a_server_that_quotes_a_question_is_not_quoted(llm: CheckingLlm) -> None:
    question = "Why was the name of Ada Lovelace missed?"
    body = json.dumps({"error": {"message": f"Bad input: {question}"}})
    llm.answer = Response(body, 400, content_type="application/json")
    with pytest.raises(EngineError, match="they quote the request") as refused:
        engine().ask(question, "")
    assert "Lovelace" not in str(refused.value)
