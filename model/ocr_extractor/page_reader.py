"""Reads pages in parallel: the engine's answer, where it is on the page, rows that it left out."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mlflow.entities import SpanType
from mlflow.tracing.attachments import Attachment

from ocr_extractor.documents.appearance import appearance
from ocr_extractor.documents.encoding import encode_for_llm
from ocr_extractor.engines.base import Evidence, PageReading, with_requests_of
from ocr_extractor.errors import DocumentError, LimitError, shorten
from ocr_extractor.fields.evidence import find_evidence, probabilities, shifted
from ocr_extractor.fields.raw_tree import merged, tables
from ocr_extractor.fields.rows import ask_for_rows, join_rows
from ocr_extractor.grounding.ground import ground
from ocr_extractor.ocr.checkboxes import mark_checkboxes
from ocr_extractor.runtime.cancellation import check
from ocr_extractor.runtime.tracing import faults_reported, note, note_reading, start_span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.documents.opener import Document, Opener
    from ocr_extractor.engines.base import Engine, Page
    from ocr_extractor.fields.schema import Schema
    from ocr_extractor.ocr.recognition import OcrPage, WordReader

    # What the OCR read on a page to the instructions for it.
    Instruct = Callable[[OcrPage | None], str]


# What a browser shows as it is; other documents are attached page by page as PNG.
SHOWN_BY_BROWSERS = {"image/png", "image/jpeg", "image/webp", "image/gif", "application/pdf"}


class PageReader:
    """Reads pages with one engine; safe to call from several threads."""

    def __init__(
        self,
        config: ExtractorConfig,
        opener: Opener,
        engine: Engine,
        word_reader: WordReader | None,
    ) -> None:
        """Take what reads; without a `word_reader` the pages' words are not read."""
        self._config = config
        self._opener = opener
        self.engine = engine
        self._word_reader = word_reader
        # Only pages that hold a slot are decoded: no more than max_concurrency are in memory.
        self._threads = ThreadPoolExecutor(config.max_concurrency, "page")
        self._slots = threading.BoundedSemaphore(config.max_concurrency)

    def read_all(
        self,
        document: Document,
        numbers: Sequence[int],
        instruct: Instruct,
        schema: Schema | None,
        deadline: float,
    ) -> tuple[dict[int, PageReading], DocumentError | None]:
        """Read pages of a document side by side; the returned error names those that fail.

        No page is waited for after `deadline`, s of `time.monotonic`.
        """
        futures: dict[int, Future[PageReading]] = {}
        for number in numbers:
            if not self._slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
                break
            work = partial(self._read_in_slot, document, number, instruct, schema, deadline)
            futures[number] = self._threads.submit(copy_context().run, work)
        readings: dict[int, PageReading] = {}
        failures: list[tuple[int, DocumentError]] = []
        for number in numbers:
            try:
                reading = self._wait(futures.get(number), deadline)
            except DocumentError as error:
                failures.append((number, error))
                continue
            readings[number] = reading
            if reading.failure is not None:
                failures.append((number, reading.failure))
        if not failures:
            return readings, None
        first = failures[0][1]
        if document.page_count == 1:
            return readings, first
        failed = ", ".join(str(number) for number, _ in failures)
        message = f"{len(failures)} of {len(numbers)} pages failed ({shorten(failed)}): "
        return readings, DocumentError(first.code, f"{message}{first}", retryable=first.retryable)

    def _wait(self, page: Future[PageReading] | None, deadline: float) -> PageReading:
        """Return a page's reading; a page that is still being read at the deadline is left alone.

        Raises:
            LimitError: The time for its document is over; None is a page that was not begun.
        """
        if page is not None:
            try:
                return page.result(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                if page.cancel():  # it never ran, and so cannot give its slot back
                    self._slots.release()
        raise LimitError(
            "document_timeout",
            f"Not read within max_document_s={self._config.max_document_s:g} s of the document's "
            "start: split the document, send fewer at once or raise the limit.",
        )

    def _read_in_slot(
        self,
        document: Document,
        number: int,
        instruct: Instruct,
        schema: Schema | None,
        deadline: float,
    ) -> PageReading:
        with contextlib.ExitStack() as decoded:  # the page's share of memory
            decoded.callback(self._slots.release)
            page = self._prepare(document, number, decoded, deadline)
            with (
                start_span("engine", SpanType.TASK, attributes={"page": number}) as span,
                faults_reported(),
            ):
                ocr = self._words(document, page, deadline)
                reading = self._read(page, ocr, instruct(ocr), schema)
                note_reading(span, reading)
            return reading

    def _prepare(
        self, document: Document, number: int, decoded: contextlib.ExitStack, deadline: float
    ) -> Page:
        with (
            start_span("prepare", SpanType.TASK, attributes={"page": number}) as span,
            faults_reported(),
        ):
            check()
            page = decoded.enter_context(self._opener.decoded(document, number, deadline))
            width, height = page.image.size
            span.attributes |= {"width_px": width, "height_px": height} | appearance(page.image)
            if (
                self._config.trace_content == "full"
                and document.media_type not in SHOWN_BY_BROWSERS
                and span.has_room(0)
            ):
                png, _ = encode_for_llm(page, max(page.image.size), "png", 100)
                page = replace(page, png=png)
                if span.has_room(len(png)):
                    shown = Attachment(content_type="image/png", content_bytes=png)
                    span.outputs = {"page": shown}
        return page

    def _words(self, document: Document, page: Page, deadline: float) -> OcrPage | None:
        """Read the page's words, once for all that needs them; None where nothing does."""
        if self._word_reader is None:
            return None
        try:
            printed = document.text_layer(page.number)
        except LimitError:
            if time.monotonic() >= deadline:
                raise
            printed = None  # the page is drawn: OCR reads it
        if printed is not None:
            read = self._word_reader.printed(page.image, printed)
            note(read.figures())
        else:
            read = self._recognise(self._word_reader, page)
        return replace(read, words=mark_checkboxes(read.words, read.image))

    @staticmethod
    def _recognise(reader: WordReader, page: Page) -> OcrPage:
        with start_span("ocr", SpanType.TASK, attributes={"page": page.number}) as span:
            read = reader.read_upright(page.image)
            span.attributes |= read.figures()
        return read

    def _read(
        self, page: Page, ocr: OcrPage | None, instructions: str, schema: Schema | None
    ) -> PageReading:
        reading = self.engine.read(page, instructions, schema)
        if schema is not None:
            reading = self._complete(
                _with_evidence(reading, ocr, schema), page, ocr, instructions, schema
            )
            if not self._config.with_pairs:
                reading = replace(reading, pairs=())
        if ocr is None:
            return reading
        if not self._config.grounding:  # rows were counted, nothing is said of places
            return replace(reading, evidence=probabilities(reading.evidence))
        pairs = ocr.orientation.pairs_as_given(ground(reading.pairs, ocr.words, ocr.image))
        return replace(reading, pairs=pairs)

    def _complete(
        self,
        reading: PageReading,
        page: Page,
        ocr: OcrPage | None,
        instructions: str,
        schema: Schema,
    ) -> PageReading:
        """Ask once for the rows that the page shows, or may show, beyond those that were read."""
        tree = reading.raw_fields
        if tree is None:
            return reading
        cut = reading.failure is not None and reading.failure.code == "completion_cut_off"
        short = [
            table.name
            for table in tables(schema)
            if tree[table.name] and (cut or _is_short(reading, table.name))
        ]
        if not short:
            return reading
        again = self.engine.read(page, instructions + ask_for_rows(tree, short), schema)
        joined, evidence = tree, probabilities(reading.evidence)
        if again.raw_fields is not None:
            joined = merged(tree, again.raw_fields)
            shift = {}
            for name in short:
                shown = reading.rows_shown.get(name)
                joined[name] = join_rows(tree[name], again.raw_fields[name], shown)
                shift[name] = len(joined[name]) - len(again.raw_fields[name])
            evidence = shifted(again.evidence, shift) | evidence
        completed = replace(
            with_requests_of(reading, again),
            raw_fields=joined,
            evidence=evidence,
            failure=None if cut and again.failure is None else reading.failure,
        )
        return _with_evidence(completed, ocr, schema)


def _is_short(reading: PageReading, table: str) -> bool:
    return reading.rows_shown.get(table, 0) > len((reading.raw_fields or {})[table])


def _with_evidence(reading: PageReading, ocr: OcrPage | None, schema: Schema) -> PageReading:
    """Return a reading with the evidence that the page's words give."""
    if ocr is None or reading.raw_fields is None:
        return reading
    found, shown = find_evidence(schema, reading.raw_fields, ocr)
    unknown = Evidence()
    evidence = {
        path: replace(each, probability=reading.evidence.get(path, unknown).probability)
        for path, each in found.items()
    }
    return replace(reading, evidence=evidence, rows_shown=shown)
