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
from ocr_extractor.engines.local import LocalEngine
from ocr_extractor.engines.openai.engine import OpenAIChatEngine
from ocr_extractor.errors import EngineError
from ocr_extractor.runtime.cancellation import stopped_by
from tests.faulty_llm import FaultyLlm, Reply, chunk, error, serve, stream
from tests.loopback_llm import KEY

PAGE = Page(1, Image.new("L", (20, 10), 255))


@pytest.fixture
def llm(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyLlm]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve() as server, mlflow.tracing.context(enabled=False):
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
        while not llm.requests:
            time.sleep(0.01)
        stop.set()
        return reading.result(30)


def test_a_completion_that_is_being_written_is_given_up(llm: FaultyLlm) -> None:
    written: list[str] = []

    def endless() -> Iterator[str]:
        while True:
            time.sleep(0.01)
            written.append(chunk({"content": "a"}))
            yield written[-1]

    reading = stopped_after_the_first_request(llm, stream(endless()))
    assert reading.failure is not None
    assert reading.failure.code == "stopped"
    assert len(llm.requests) == 1
    before = 0
    while before < len(written):  # until the server has seen that the connection is closed
        before = len(written)
        time.sleep(0.5)


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
    with stopped_by(stop), pytest.raises(EngineError, match="no longer waits"):
        engine.read(PAGE, "")
