"""Reads documents: pages in parallel within one bound, one trace and one extraction a document."""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities import SpanType
from mlflow.tracing.attachments import Attachment

from ocr_extractor.contract import Extraction
from ocr_extractor.encoding import encode_for_llm
from ocr_extractor.engines.local.text import lay_out
from ocr_extractor.errors import DocumentError, InputError, PromptError, shorten
from ocr_extractor.grounding import ground
from ocr_extractor.page import open_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mlflow.entities import LiveSpan

    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.engines.base import Engine, Page, PageReading
    from ocr_extractor.engines.local.ocr import WordReader
    from ocr_extractor.engines.local.words import Word
    from ocr_extractor.inputs import InputDocument
    from ocr_extractor.page import Document
    from ocr_extractor.prompt import Prompt

    # A page's words to the instructions for it.
    Instruct = Callable[[list[Word]], str]

_logger = logging.getLogger(__name__)

# What a browser shows as it is; other documents are attached page by page as PNG.
_SHOWN_BY_BROWSERS = {"image/png", "image/jpeg", "image/webp", "image/gif", "application/pdf"}


class DocumentReader:
    """Reads documents with one engine and one prompt; shared by concurrent calls.

    Attributes:
        config: The extractor's settings.
        prompt: The prompt version in use.
    """

    def __init__(
        self,
        config: ExtractorConfig,
        prompt: Prompt,
        engine: Engine,
        word_reader: WordReader | None = None,
    ) -> None:
        """Start the threads.

        Args:
            config: The extractor's settings.
            prompt: The prompt version to use.
            engine: What reads the pages.
            word_reader: Reads the words that `page_input` and `grounding` need; None where they
                need none.

        Raises:
            PromptError: `page_input` asks for text, and the prompt has no `ocr_text`.
        """
        self._fills_in_text = word_reader is not None and config.page_input != "image"
        self._grounds = word_reader is not None and config.grounding
        if self._fills_in_text and "ocr_text" not in prompt.version.variables:
            raise PromptError(
                f"page_input={config.page_input} puts text into {{{{ ocr_text }}}}, which "
                f"{prompt.uri} does not use: register a template that does or set "
                "page_input=image."
            )
        self.config = config
        self.prompt = prompt
        self._engine = engine
        self._word_reader = word_reader
        # Documents wait for their pages, so they need threads of their own; a page is decoded
        # only when it holds a slot, so no more than max_concurrency pages are in memory.
        self._documents = ThreadPoolExecutor(config.max_concurrency, "document")
        self._pages = ThreadPoolExecutor(config.max_concurrency, "page")
        self._slots = threading.BoundedSemaphore(config.max_concurrency)

    def read_all(
        self, documents: Iterable[InputDocument], additional_rules: str
    ) -> list[Extraction]:
        """Read documents side by side.

        Args:
            documents: What to read.
            additional_rules: The caller's rules, filled into the prompt.

        Returns:
            One extraction a document, in the given order; a failed one has an error code.

        Raises:
            PromptError: The prompt cannot be rendered.
        """
        instruct = self._instructions(additional_rules)
        futures = [
            self._documents.submit(copy_context().run, self._read, document, instruct)
            for document in documents
        ]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:  # after Ctrl-C: what has not begun does not begin
                future.cancel()

    def _read(self, source: InputDocument, instruct: Instruct) -> Extraction:
        with mlflow.start_span("extract", SpanType.WORKFLOW) as span:
            self.prompt.link_to_trace()
            span.set_attributes({"engine": self._engine.name, "prompt_uri": self.prompt.uri})
            readings: list[PageReading] = []
            page_count: int | None = None
            failure: DocumentError | None
            try:
                with contextlib.closing(self._open(source, span)) as document:
                    page_count = document.page_count
                    readings, failure = self._read_pages(document, instruct)
            except DocumentError as error:
                failure = error
            extraction = self._extraction(source.doc_id, page_count, readings, failure)
            self._finish(span, extraction)
            return extraction

    def _open(self, source: InputDocument, span: LiveSpan) -> Document:
        data = source.content
        if isinstance(data, InputError):
            span.set_inputs({"doc_id": source.doc_id})
            raise data
        inputs: dict[str, Any] = {"doc_id": source.doc_id, "size_bytes": len(data)}
        span.set_inputs(inputs)
        with _faults_reported():
            document = open_document(data, self.config.limits)
        inputs |= {"media_type": document.media_type, "page_count": document.page_count}
        if self.config.trace_content == "full" and document.media_type in _SHOWN_BY_BROWSERS:
            inputs["document"] = Attachment(content_type=document.media_type, content_bytes=data)
        span.set_inputs(inputs)
        return document

    def _read_pages(
        self, document: Document, instruct: Instruct
    ) -> tuple[list[PageReading], DocumentError | None]:
        """Read every page; the pages that fail are named in the returned error."""
        futures: list[Future[PageReading]] = []
        for number in range(1, document.page_count + 1):
            self._slots.acquire()
            futures.append(
                self._pages.submit(copy_context().run, self._read_page, document, number, instruct)
            )
        readings, failures = [], []
        for number, future in enumerate(futures, start=1):
            try:
                reading = future.result()
            except DocumentError as error:
                failures.append((number, error))
                continue
            readings.append(reading)
            if reading.failure is not None:
                failures.append((number, reading.failure))
        if not failures:
            return readings, None
        first = failures[0][1]
        if document.page_count == 1:
            return readings, first
        numbers = ", ".join(str(number) for number, _ in failures)
        message = f"{len(failures)} of {document.page_count} pages failed ({shorten(numbers)}): "
        return readings, DocumentError(first.code, f"{message}{first}", retryable=first.retryable)

    def _read_page(self, document: Document, number: int, instruct: Instruct) -> PageReading:
        try:
            with (
                mlflow.start_span("prepare", SpanType.TASK, attributes={"page": number}) as span,
                _faults_reported(),
            ):
                page = document.page(number)
                span.set_attributes({"width_px": page.image.width, "height_px": page.image.height})
                if (
                    self.config.trace_content == "full"
                    and document.media_type not in _SHOWN_BY_BROWSERS
                ):
                    png, _ = encode_for_llm(page, max(page.image.size), "png", 100)
                    page = replace(page, png=png)
                    span.set_outputs(
                        {"page": Attachment(content_type="image/png", content_bytes=png)}
                    )
            with (
                mlflow.start_span("engine", SpanType.TASK, attributes={"page": number}) as span,
                _faults_reported(),
            ):
                words = self._read_words(page)
                reading = self._engine.read(page, instruct(words))
                if self._grounds:
                    reading = replace(reading, pairs=ground(reading.pairs, words))
                _note_reading(span, reading)
            return reading
        finally:
            self._slots.release()

    def _instructions(self, additional_rules: str) -> Instruct:
        """Return what renders the prompt for a page; what is wrong with the template fails here."""
        without_text = self.prompt.render(additional_rules=additional_rules)
        if not self._fills_in_text:
            return lambda _: without_text
        return lambda words: self.prompt.render(
            additional_rules=additional_rules, ocr_text=lay_out(words)
        )

    def _read_words(self, page: Page) -> list[Word]:
        """Run the OCR once for all that needs it."""
        if self._word_reader is None:
            return []
        with mlflow.start_span("ocr", SpanType.TASK, attributes={"page": page.number}) as span:
            words = self._word_reader.read(page.image)
            span.set_attribute("words", len(words))
        return words

    def _extraction(
        self,
        doc_id: str | None,
        page_count: int | None,
        readings: list[PageReading],
        failure: DocumentError | None,
    ) -> Extraction:
        pairs = tuple(pair for reading in readings for pair in reading.pairs)
        return Extraction(
            doc_id=doc_id,
            pairs=pairs,
            error_code=failure.code if failure else None,
            error=str(failure) if failure else None,
            partial=failure is not None and bool(pairs),
            page_count=page_count,
            engine=self._engine.name,
            prompt_uri=self.prompt.uri,
            prompt_source=self.prompt.source,
            input_tokens=_total(r.input_tokens for r in readings),
            output_tokens=_total(r.output_tokens for r in readings),
            cached_tokens=_total(r.cached_tokens for r in readings),
            attempts=sum(r.attempts for r in readings),
            cache_hits=sum(r.from_cache for r in readings),
            cost=_cost(readings),
        )

    def _finish(self, span: LiveSpan, extraction: Extraction) -> None:
        """Put the outcome on the trace: the pairs themselves only where content is traced."""
        row = extraction.to_row()
        count = len(row["pairs"])
        if self.config.trace_content == "metadata":
            row["pairs"] = count
        span.set_outputs(row)
        if extraction.error_code:
            span.set_status("ERROR")
        if mlflow.get_active_trace_id() is not None:  # None where the caller turned tracing off
            mlflow.update_current_trace(
                request_preview=str(extraction.doc_id),
                response_preview=extraction.error or f"{count} pairs",
            )


def _total(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _cost(readings: Iterable[PageReading]) -> float | None:
    """Add up what the requests cost; one unknown cost makes the sum unknown."""
    costs = [reading.cost for reading in readings if reading.attempts or reading.from_cache]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None


def _note_reading(span: LiveSpan, reading: PageReading) -> None:
    span.set_attributes(
        {
            "pairs": len(reading.pairs),
            "attempts": reading.attempts,
            "from_cache": reading.from_cache,
            "partial": reading.failure is not None and bool(reading.pairs),
        }
    )
    if reading.cost is not None:
        span.set_attribute("cost_usd", reading.cost)
    if reading.failure is not None:
        span.set_status("ERROR")
        span.set_attribute("error_code", reading.failure.code)


@contextlib.contextmanager
def _faults_reported() -> Iterator[None]:
    """Let a fault of ours cost one page: report where it is, without the content in its message."""
    try:
        yield
    except DocumentError:
        raise
    except Exception as fault:
        name = type(fault).__name__
        frames = "".join(traceback.format_tb(fault.__traceback__))
        _logger.error("%s in the extractor:\n%s", name, frames)  # noqa: TRY400 - the message may quote the page
        raise DocumentError(
            "internal_error", f"The extractor failed ({name}): report it with the log."
        ) from None
