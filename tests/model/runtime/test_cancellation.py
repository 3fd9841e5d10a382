"""A caller who no longer waits ends the requests, and the waits between them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import mlflow
import pytest
from PIL import Image

from ocr_extractor.config import ExtractorConfig
from ocr_extractor.engines.base import Page, PageReading
from ocr_extractor.engines.local.engine import LocalEngine
from ocr_extractor.engines.openai.engine import OpenAIChatEngine
from ocr_extractor.errors import EngineError
from ocr_extractor.runtime.cancellation import stopped_by
from tests.llm_servers.completions import KEY, chunk
from tests.llm_servers.faulty import FaultyLlm, error, stream
from tests.llm_servers.server import Handler, Reply
from tests.waiting import wait_for

PAGE = Page(1, Image.new("L", (20, 10), 255))


@pytest.fixture
def llm(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyLlm]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultyLlm() as server, mlflow.tracing.context(enabled=False):
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        yield server


def stopped_after_the_first_request(llm: FaultyLlm, reply: Reply) -> PageReading:
    """Let the engine read a page, and stop it once its request is there."""
    llm.always = reply
    config = {"engine": "openai", "prompt_uri": "prompts:/p/1", "trace_content": "metadata"}
    engine = OpenAIChatEngine(ExtractorConfig.from_model_config(config))
    stop = threading.Event()
    with ThreadPoolExecutor(1) as caller, stopped_by(stop):
        reading = caller.submit(copy_context().run, engine.read, PAGE, "Read the form.")
        wait_for(lambda: llm.requests)
        stop.set()
        return reading.result(30)


def test_a_completion_that_is_being_written_is_given_up(llm: FaultyLlm) -> None:
    given_up = threading.Event()

    def endless() -> Iterator[str]:
        while not llm.closing.wait(0.01):
            yield chunk({"content": "a"})

    def write(handler: Handler) -> None:
        try:
            stream(endless())(handler)
        finally:  # the connection is closed
            given_up.set()

    reading = stopped_after_the_first_request(llm, write)
    assert reading.failure is not None
    assert reading.failure.code == "stopped"
    assert len(llm.requests) == 1
    assert given_up.wait(60)


def test_no_retry_is_waited_for(llm: FaultyLlm) -> None:
    started = time.monotonic()
    reading = stopped_after_the_first_request(llm, error(429, headers={"Retry-After": "100"}))
    assert reading.failure is not None
    assert reading.failure.code == "stopped"
    assert time.monotonic() - started < 30
    assert len(llm.requests) == 1


def test_no_page_that_waits_for_the_ocr_is_read() -> None:
    stop = threading.Event()
    stop.set()
    engine = LocalEngine()
    with stopped_by(stop), pytest.raises(EngineError, match="was cancelled"):
        engine.read(PAGE, "")
