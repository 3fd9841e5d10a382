"""Documents are read side by side within one bound, and a failure costs no more than its page."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

import mlflow
import pytest
from mlflow.entities.model_registry import PromptVersion
from PIL import Image

from ocr_extractor.config import ExtractorConfig
from ocr_extractor.contract import Extraction, Pair
from ocr_extractor.documents.input_frame import InputDocument, PageSelection
from ocr_extractor.engines.base import Evidence, Page, PageReading
from ocr_extractor.errors import EngineError, InputError, PromptError, RequestError
from ocr_extractor.fields.schema import Schema
from ocr_extractor.prompts.followed_alias import FollowedPrompt
from ocr_extractor.prompts.prompt import Prompt, Registry, load_prompt
from ocr_extractor.reader import DocumentReader
from ocr_extractor.runtime.cancellation import stopped_by
from tests.model.sample_documents import encoded, tiff

Read = Callable[[Page, str], PageReading]

pytestmark = pytest.mark.usefixtures("no_traces")


def width_of(page: Page, _: str = "") -> PageReading:
    """Read a page as one pair, its width."""
    return PageReading((Pair("width", str(page.image.width), page.number),), 10, 1)


class FakeEngine:
    """An engine that reads pages with a function, and counts how many are read at once."""

    name = "local"

    def __init__(self, read: Read = width_of) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._inside = 0
        self.most_inside = 0

    def read(self, page: Page, instructions: str, schema: Schema | None = None) -> PageReading:
        with self._lock:
            self._inside += 1
            self.most_inside = max(self.most_inside, self._inside)
        try:
            return self._read(page, instructions)
        finally:
            with self._lock:
                self._inside -= 1


def reader(engine: FakeEngine, template: str = "Read.", **settings: float) -> DocumentReader:
    version = PromptVersion("p", 1, template)  # type: ignore[abstract]  # it is not, at run time
    config = ExtractorConfig(engine="local", prompt_uri="prompts:/p/1", **settings)  # type: ignore[arg-type]
    return DocumentReader(config, Prompt("prompts:/p/1", version, "snapshot"), engine)


def document(*widths: int) -> InputDocument:
    """Build a document of pages of these widths."""
    data = tiff(*(Image.new("L", (width, 10)) for width in widths))
    return InputDocument("-".join(map(str, widths)), data)


def answers(extraction: Extraction) -> list[tuple[int, str | None]]:
    return [(pair.page, pair.answer) for pair in extraction.pairs]


def test_order_is_the_callers_whoever_finishes_first() -> None:
    another_was_read = threading.Event()

    def first_last(page: Page, _: str) -> PageReading:
        assert page.image.width > 21 or another_was_read.wait(60)
        another_was_read.set()
        return width_of(page)

    read = reader(FakeEngine(first_last)).read_all([document(w) for w in range(21, 33)], "")
    assert [extraction.doc_id for extraction in read] == [str(w) for w in range(21, 33)]
    assert [answers(extraction) for extraction in read] == [[(1, str(w))] for w in range(21, 33)]


def test_pages_stand_in_page_order_and_tokens_add_up() -> None:
    another_was_read = threading.Event()

    def first_last(page: Page, _: str) -> PageReading:
        assert page.number > 1 or another_was_read.wait(60)
        another_was_read.set()
        return width_of(page)

    [read] = reader(FakeEngine(first_last)).read_all([document(21, 22, 23)], "")
    assert answers(read) == [(1, "21"), (2, "22"), (3, "23")]
    assert (read.page_count, read.input_tokens, read.output_tokens) == (3, 30, 3)
    assert (read.error, read.error_code, read.partial) == (None, None, False)


def pause(page: Page, _: str) -> PageReading:
    time.sleep(0.1)
    return width_of(page)


def test_pages_of_all_documents_share_the_bound() -> None:
    engine = FakeEngine(pause)
    documents = [document(21, 22, 23), *(document(w) for w in range(30, 36)), document(40, 41)]
    reader(engine, max_concurrency=3).read_all(documents, "")
    assert engine.most_inside == 3


def test_calls_at_the_same_time_share_the_bound() -> None:
    engine = FakeEngine(pause)
    shared = reader(engine, max_concurrency=3)
    with ThreadPoolExecutor(4) as callers:
        calls = [
            callers.submit(
                copy_context().run, shared.read_all, [document(21), document(22, 23)], ""
            )
            for _ in range(4)
        ]
        assert [len(call.result()) for call in calls] == [2] * 4
    assert engine.most_inside == 3


def test_one_at_a_time_reads_many_pages_of_many_documents() -> None:
    engine = FakeEngine()
    read = reader(engine, max_concurrency=1).read_all([document(21, 22, 23)] * 3, "")
    assert [len(extraction.pairs) for extraction in read] == [3, 3, 3]
    assert engine.most_inside == 1


def test_a_failing_page_is_named_and_the_others_keep_their_pairs() -> None:
    def fail_on_two(page: Page, _: str) -> PageReading:
        if page.number == 2:
            raise EngineError("rate_limited", "Too many requests: wait.", retryable=True)
        return width_of(page)

    [read] = reader(FakeEngine(fail_on_two)).read_all([document(21, 22, 23)], "")
    assert answers(read) == [(1, "21"), (3, "23")]
    assert read.error_code == "rate_limited"
    assert read.error == "1 of 3 pages failed (2): Too many requests: wait."
    assert (read.partial, read.page_count, read.input_tokens) == (True, 3, 20)


def test_a_page_over_the_limit_is_named_too() -> None:
    [read] = reader(FakeEngine(), max_page_pixels=250).read_all([document(25, 26, 27, 20)], "")
    assert answers(read) == [(1, "25"), (4, "20")]
    assert read.error_code == "too_many_pixels"
    assert str(read.error).startswith("2 of 4 pages failed (2, 3): The page is too large (26 x 10")


def test_a_document_of_one_page_has_its_error_as_it_is() -> None:
    def fail(page: Page, _: str) -> PageReading:
        raise EngineError("ocr_failed", "The page cannot be read.")

    [read] = reader(FakeEngine(fail)).read_all([document(21)], "")
    assert (read.pairs, read.error, read.partial) == ((), "The page cannot be read.", False)
    assert (read.page_count, read.input_tokens, read.output_tokens) == (1, None, None)


def test_bad_rows_do_not_touch_their_neighbours() -> None:
    missing = InputError("missing_image", "The row has no image.")
    sources = [
        document(21),
        InputDocument("null", missing),
        InputDocument(None, b"no document"),
        InputDocument("cut", encoded(Image.effect_noise((90, 90), 50), "PNG")[:500]),
        document(22),
    ]
    read = reader(FakeEngine()).read_all(sources, "")
    assert [extraction.doc_id for extraction in read] == ["21", "null", None, "cut", "22"]
    codes = [extraction.error_code for extraction in read]
    assert codes == [None, "missing_image", "unknown_format", "damaged_document", None]
    assert [extraction.page_count for extraction in read] == [1, None, None, 1, 1]


def test_a_fault_of_ours_costs_one_page_and_is_logged_without_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = "November 5, 1998"

    def stumble(page: Page, _: str) -> PageReading:
        if page.image.width == 22:
            raise KeyError(content)
        return width_of(page)

    # One slot: a page that fell over must give it back.
    with caplog.at_level(logging.DEBUG, "ocr_extractor"):
        read = reader(FakeEngine(stumble), max_concurrency=1).read_all(
            [document(21, 22, 23), document(24)], ""
        )
    assert [answers(extraction) for extraction in read] == [[(1, "21"), (3, "23")], [(1, "24")]]
    assert [extraction.error_code for extraction in read] == ["internal_error", None]
    assert "KeyError" in str(read[0].error)
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert "in stumble" in record.getMessage()  # where it happened
    assert content not in caplog.text + str(read[0].error)


def test_the_callers_rules_reach_the_engine_in_the_prompt() -> None:
    told: list[str] = []

    def listen(page: Page, instructions: str) -> PageReading:
        told.append(instructions)
        return width_of(page)

    reader(FakeEngine(listen), "Read. {{ additional_rules }}").read_all([document(21)], "Be quick.")
    assert told == ["Read. Be quick."]


def test_a_prompt_that_cannot_be_rendered_fails_the_call() -> None:
    with pytest.raises(PromptError, match="prompts:/p/1 cannot be rendered"):
        reader(FakeEngine(), "{{ other }}").read_all([document(21)], "")


def test_rules_that_cannot_be_sent_fail_the_call_not_each_page() -> None:
    with pytest.raises(RequestError, match="half a surrogate pair"):
        reader(FakeEngine()).read_all([document(21)], "No stamps \ud800")


def test_no_documents_are_no_extractions() -> None:
    assert reader(FakeEngine()).read_all([], "") == []


def test_the_row_says_who_read_it_with_which_prompt() -> None:
    [read] = reader(FakeEngine()).read_all([document(21)], "")
    assert (read.engine, read.prompt_uri, read.prompt_source) == (
        "local",
        "prompts:/p/1",
        "snapshot",
    )


def test_only_the_pages_asked_for_are_read_and_keep_their_numbers() -> None:
    pages = PageSelection.parse("2,4-9")
    [read, short] = reader(FakeEngine()).read_all(
        [document(21, 22, 23, 24, 25), document(21)], "", pages
    )
    assert answers(read) == [(2, "22"), (4, "24"), (5, "25")]
    assert (read.page_count, read.error) == (5, None)
    assert (short.page_count, short.error_code) == (1, "no_such_page")


def hanging_on(width: int, hung: threading.Event) -> FakeEngine:
    """Return an engine that waits for the event on pages of that width, px."""

    def read(page: Page, _: str) -> PageReading:
        if page.image.width == width:
            hung.wait(60)
        return width_of(page)

    return FakeEngine(read)


def test_a_document_that_takes_too_long_keeps_what_was_read_and_costs_no_other() -> None:
    hung = threading.Event()
    shared = reader(hanging_on(22, hung), max_concurrency=2, max_document_s=2.0)
    documents = [document(21, 22, 23), document(24)]
    started = time.monotonic()
    try:
        [late, other] = shared.read_all(documents, "")
    finally:
        hung.set()
    assert time.monotonic() - started < 50
    assert answers(late) == [(1, "21"), (3, "23")]
    assert late.error_code == "document_timeout"
    assert str(late.error).startswith("1 of 3 pages failed (2): Not read within max_document_s=2")
    assert (answers(other), other.error) == ([(1, "24")], None)


def test_pages_that_got_no_turn_in_time_fail_and_the_slots_come_back() -> None:
    hung = threading.Event()
    shared = reader(hanging_on(21, hung), max_concurrency=1, max_document_s=2.0)
    [late] = shared.read_all([document(21, 22, 23)], "")
    assert str(late.error).startswith("3 of 3 pages failed (1, 2, 3)")
    hung.set()
    [read] = shared.read_all([document(22, 23)], "")
    assert read.error is None


def test_each_document_is_yielded_when_it_is_finished() -> None:
    first_may_end = threading.Event()

    def wait_for_the_second(page: Page, _: str) -> PageReading:
        if page.image.width == 21:
            assert first_may_end.wait(30)
        return width_of(page)

    stream = reader(FakeEngine(wait_for_the_second)).read_each([document(21), document(22)], "")
    assert next(stream).doc_id == "22"
    first_may_end.set()
    assert [extraction.doc_id for extraction in stream] == ["21"]


def test_what_has_not_begun_when_the_stream_is_closed_does_not_begin() -> None:
    read: list[int] = []
    closed = threading.Event()

    def note(page: Page, _: str) -> PageReading:
        read.append(page.image.width)
        assert len(read) == 1 or closed.wait(60)
        return width_of(page)

    shared = reader(FakeEngine(note), max_concurrency=1)
    stream = shared.read_each([document(width) for width in range(30, 60)], "")
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    closed.set()
    shared.read_all([document(60)], "")  # waits for its turn
    assert read[-1] == 60
    assert len(read) < 10


def test_a_caller_who_stops_waiting_frees_the_pages_that_have_not_begun() -> None:
    stop, let_go = threading.Event(), threading.Event()
    read: list[int] = []

    def stop_at_22(page: Page, _: str) -> PageReading:
        read.append(page.image.width)
        if page.image.width == 22:
            stop.set()
            let_go.wait(30)
        return width_of(page)

    shared = reader(FakeEngine(stop_at_22), max_concurrency=1)
    with ThreadPoolExecutor(1) as other:

        def go_away() -> list[Extraction]:
            with stopped_by(stop):
                return shared.read_all([document(21, 22, 23, 24)], "")

        left = other.submit(copy_context().run, go_away)
        assert stop.wait(30)
        let_go.set()
        [cut] = left.result(30)
    [whole] = shared.read_all([document(25)], "")  # the slots came back
    assert read == [21, 22, 25]
    assert (answers(cut), cut.error_code) == ([(1, "21"), (2, "22")], "stopped")
    assert str(cut.error).startswith("2 of 4 pages failed (3, 4): The request was cancelled")
    assert whole.error is None


def test_documents_of_a_caller_who_stopped_waiting_are_not_even_opened() -> None:
    stop = threading.Event()
    stop.set()
    engine = FakeEngine()
    with stopped_by(stop), pytest.raises(EngineError, match="was cancelled"):
        reader(engine).read_all([document(21)] * 50, "")
    assert engine.most_inside == 0


def test_a_schema_that_changes_under_the_same_template_reaches_the_engine(store: Path) -> None:
    told: list[str] = []

    def listen(page: Page, instructions: str) -> PageReading:
        told.append(instructions)
        return width_of(page)

    def register(field: str) -> None:
        schema = {"type": "object", "properties": {field: {"type": "string"}}}
        version = mlflow.genai.register_prompt("p", "Read {{ fields }}", response_format=schema)
        mlflow.genai.set_prompt_alias("p", "production", version.version)

    register("total")
    pinned = load_prompt("prompts:/p/1", Path("none"))
    config = ExtractorConfig(engine="local", prompt_uri="prompts:/p/1")
    followed = FollowedPrompt(pinned, 3600.0, Registry())
    follower = DocumentReader(config, pinned, FakeEngine(listen), followed=followed)
    follower.read_all([document(21)], "")
    register("date")
    assert followed.refreshed().uri == "prompts:/p/2"
    [read] = follower.read_all([document(21)], "")
    assert read.prompt_uri == "prompts:/p/2"
    assert ['"total"' in told[0], '"date"' in told[0]] == [True, False]
    assert ['"total"' in told[-1], '"date"' in told[-1]] == [False, True]


SCHEMA = Schema.parse(
    {"type": "object", "properties": {"total": {"type": "number"}, "note": {"type": "string"}}}
)


def says(total: str | None, score: float, *, failure: EngineError | None = None) -> Read:
    """Read every page as one total, with a request if the engine is an LLM."""

    def read(page: Page, _: str) -> PageReading:
        tree = None if total is None else {"total": total, "note": None}
        evidence = {"total": Evidence(score=score)}
        return PageReading((), attempts=1, raw_fields=tree, evidence=evidence, failure=failure)

    return read


def escalated(local: Read, llm: Read) -> tuple[Extraction, bool]:
    """Read a page with both; return what was read, and whether the LLM was asked."""
    version = PromptVersion("p", 1, "{{ fields }}", response_format=SCHEMA.document)  # type: ignore[abstract]
    config = ExtractorConfig(
        engine="openai", prompt_uri="prompts:/p/1", llm="m", escalate_below={"total": 0.9}
    )
    asked = threading.Event()

    def ask(page: Page, instructions: str) -> PageReading:
        asked.set()
        return llm(page, instructions)

    first, second = FakeEngine(local), FakeEngine(ask)
    second.name = "openai"
    prompt = Prompt("prompts:/p/1", version, "snapshot")
    [read] = DocumentReader(config, prompt, first, second).read_all([document(21)], "")
    return read, asked.is_set()


@pytest.mark.parametrize(
    ("local", "llm", "total", "engine", "confidence"),
    [
        pytest.param(says("7", 0.95), says("8", 0.9), 7, "local", 0.95, id="sure"),
        pytest.param(says("7", 0.8), says("8", 0.9), 8, "openai", 0.9, id="unsure"),
        pytest.param(says("7", 0.8), says("7.0", 0.9), 7, "openai", 0.98, id="both say the same"),
    ],
)
def test_the_llm_reads_only_what_the_first_engine_is_unsure_of(
    local: Read, llm: Read, total: int, engine: str, confidence: float
) -> None:
    read, asked = escalated(local, llm)
    assert asked == (engine == "openai")
    assert read.engine == engine
    assert json.loads(read.values or "")["total"] == total
    assert read.fields is not None
    assert read.fields[0].confidence == pytest.approx(confidence)


def test_what_the_first_engine_read_is_kept_beside_the_error_of_the_llm() -> None:
    outage = EngineError("engine_unavailable", "Nobody answers: send it again.", retryable=True)
    read, _ = escalated(says("7", 0.5), says(None, 0.0, failure=outage))
    assert (read.error_code, read.partial, read.engine) == ("engine_unavailable", True, "local")
    assert json.loads(read.values or "")["total"] == 7
    assert read.attempts == 2
