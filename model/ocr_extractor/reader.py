"""Reads documents: pages in parallel within one bound, one trace and one extraction a document."""

from __future__ import annotations

import contextlib
import json
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType
from mlflow.tracing.attachments import Attachment

from ocr_extractor.contract import Extraction
from ocr_extractor.documents.opener import Opener
from ocr_extractor.documents.page_ranges import PageSelection
from ocr_extractor.engines.base import total, total_cost, with_requests_of
from ocr_extractor.errors import DocumentError, PromptError
from ocr_extractor.fields.assembly import assemble
from ocr_extractor.fields.repair import pages_to_repair, repair_instructions
from ocr_extractor.ocr.page_text import lay_out
from ocr_extractor.page_reader import SHOWN_BY_BROWSERS, PageReader
from ocr_extractor.runtime.cancellation import check
from ocr_extractor.runtime.tracing import faults_reported, note_extraction, start_span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.documents.input_frame import InputDocument
    from ocr_extractor.documents.opener import Document
    from ocr_extractor.engines.base import Engine, PageReading
    from ocr_extractor.fields.assembly import DocumentFields
    from ocr_extractor.ocr.recognition import OcrPage, WordReader
    from ocr_extractor.page_reader import Instruct
    from ocr_extractor.prompts.followed_alias import FollowedPrompt
    from ocr_extractor.prompts.prompt import Prompt
    from ocr_extractor.runtime.spans import RecordedSpan

_ALL_PAGES = PageSelection()


@dataclass(frozen=True)
class _Call:
    """What is the same for all documents of one call: how to read pages, and which."""

    prompt: Prompt
    instruct: Instruct
    pages: PageSelection
    reader: PageReader


@dataclass(frozen=True)
class _Contents:
    """What was read on a document.

    Attributes:
        page_count: Its pages; None when it could not be opened.
        readings: The readings of its pages by number, in order; failed pages have none.
        failure: Why it, or one of its pages, could not be read; None if all were read.
        fields: Its fields; None without a schema, and when no page gave an answer.
        engine: The name of the engine that read it.
    """

    page_count: int | None = None
    readings: dict[int, PageReading] = field(default_factory=dict)
    failure: DocumentError | None = None
    fields: DocumentFields | None = None
    engine: str | None = None


class DocumentReader:
    """Reads documents with one engine and one prompt; shared by concurrent calls.

    Attributes:
        config: The extractor's settings.
        opener: Opens its documents.
    """

    def __init__(
        self,
        config: ExtractorConfig,
        prompt: Prompt,
        *engines: Engine,
        word_reader: WordReader | None = None,
        followed: FollowedPrompt | None = None,
    ) -> None:
        """Start the threads.

        Without a `word_reader` the pages' words are not read; `followed`, if given, replaces the
        pinned `prompt`. Of two engines the first reads each document, and the second only those
        with a field below `escalate_below`.

        Raises:
            PromptError: `page_input` asks for text, and the prompt has no `ocr_text`.
        """
        self._fills_in_text = word_reader is not None and config.page_input != "image"
        if self._fills_in_text and "ocr_text" not in prompt.variables:
            raise PromptError(
                f"page_input={config.page_input} puts text into {{{{ ocr_text }}}}, which "
                f"{prompt.uri} does not use: register a template that does or set "
                "page_input=image."
            )
        self.config = config
        self.opener = Opener(config.limits, config.max_concurrency)
        self._pinned = prompt
        self._followed = followed
        *first, main = engines
        self._page_reader = PageReader(config, self.opener, main, word_reader)
        self._first = PageReader(config, self.opener, first[0], None) if first else None
        # Documents wait for their pages, which have threads of their own.
        self._documents = ThreadPoolExecutor(config.max_concurrency, "document")

    @property
    def prompt(self) -> Prompt:
        """The prompt version in use."""
        return self._followed.current() if self._followed else self._pinned

    def read_all(
        self,
        documents: Iterable[InputDocument],
        additional_rules: str,
        pages: PageSelection = _ALL_PAGES,
    ) -> list[Extraction]:
        """Read documents side by side; return one extraction each, in the given order.

        Raises:
            PromptError: The prompt cannot be rendered.
        """
        with self._submitted(documents, additional_rules, pages) as futures:
            return [future.result() for future in futures]

    def read_each(
        self,
        documents: Iterable[InputDocument],
        additional_rules: str,
        pages: PageSelection = _ALL_PAGES,
    ) -> Iterator[Extraction]:
        """Read documents as `read_all` does, and yield each as soon as it is finished.

        Documents that have not started when the iterator is closed are not read.
        """
        with self._submitted(documents, additional_rules, pages) as futures:
            for future in as_completed(futures):
                yield future.result()

    @contextlib.contextmanager
    def _submitted(
        self, documents: Iterable[InputDocument], additional_rules: str, pages: PageSelection
    ) -> Iterator[list[Future[Extraction]]]:
        """Submit documents to the threads; when the caller leaves, cancel those not started."""
        prompt = self.prompt
        instruct = self._instructions(prompt, additional_rules)
        call = _Call(prompt, instruct, pages, self._page_reader)
        futures = [
            self._documents.submit(copy_context().run, self._read, document, call)
            for document in documents
        ]
        try:
            yield futures
        finally:
            for future in futures:
                future.cancel()

    def _read(self, source: InputDocument, call: _Call) -> Extraction:
        check()
        with start_span("extract", SpanType.WORKFLOW) as span:
            if call.prompt.source != "snapshot":
                span.prompts.append(call.prompt.version)
            contents = self._contents(source, span, call)
            engine = contents.engine or self._page_reader.engine.name
            span.set_attributes({"engine": engine, "prompt_uri": call.prompt.uri})
            extraction = self._extraction(source.doc_id, call.prompt, engine, contents)
            note_extraction(span, extraction, content=self.config.trace_content == "full")
            return extraction

    def _contents(self, source: InputDocument, span: RecordedSpan, call: _Call) -> _Contents:
        contents = _Contents()
        deadline = time.monotonic() + self.config.max_document_s
        try:
            with contextlib.closing(self._open(source, span, deadline)) as document:
                contents = _Contents(document.page_count)
                if self._first is None:
                    contents = self._read_document(document, call, deadline)
                else:
                    contents = self._escalated(document, call, deadline, self._first)
        except DocumentError as error:
            return replace(contents, failure=error)
        return contents

    def _read_document(
        self,
        document: Document,
        call: _Call,
        deadline: float,
        second_opinion: DocumentFields | None = None,
    ) -> _Contents:
        numbers = call.pages.of(document.page_count)
        readings, failure = call.reader.read_all(
            document, numbers, call.instruct, call.prompt.schema, deadline
        )
        with faults_reported():
            fields = self._assemble(readings, call, second_opinion=second_opinion)
        contents = _Contents(
            document.page_count, readings, failure, fields, call.reader.engine.name
        )
        if self.config.repair:
            return self._repaired(contents, document, call, deadline, second_opinion)
        return contents

    def _escalated(
        self, document: Document, call: _Call, deadline: float, first: PageReader
    ) -> _Contents:
        """Read a document with the first engine, and again where one of its fields is doubtful.

        Where the second engine fails altogether, what the first one read is kept beside its error.
        """
        cheap = self._read_document(document, replace(call, reader=first), deadline)
        below = self.config.escalate_below
        if cheap.fields and not cheap.failure and cheap.fields.reaches(below):
            return cheap
        dear = self._read_document(document, call, deadline, cheap.fields)
        if dear.fields is None and dear.failure is not None and cheap.fields is not None:
            readings = {
                number: with_requests_of(reading, dear.readings[number])
                if number in dear.readings
                else reading
                for number, reading in cheap.readings.items()
            }
            return replace(cheap, readings=readings, failure=dear.failure)
        return dear

    def _assemble(
        self,
        readings: dict[int, PageReading],
        call: _Call,
        other: DocumentFields | None = None,
        second_opinion: DocumentFields | None = None,
    ) -> DocumentFields | None:
        schema = call.prompt.schema
        if schema is None:
            return None
        return assemble(schema, readings, self.config.accept_at, other, second_opinion)

    def _repaired(
        self,
        contents: _Contents,
        document: Document,
        call: _Call,
        deadline: float,
        second_opinion: DocumentFields | None,
    ) -> _Contents:
        """Read pages once more if checks of their fields fail; keep the better answer.

        The better answer passes more checks. Where the other one has another value, a leaf's
        confidence is lower. A local engine would give the same answer again.
        """
        fields, readings = contents.fields, contents.readings
        asked = any(each.attempts or each.from_cache for each in readings.values())
        if fields is None or not fields.failed or contents.failure or not asked:
            return contents
        told = repair_instructions(fields)
        again, _ = call.reader.read_all(
            document,
            pages_to_repair(fields),
            lambda ocr: call.instruct(ocr) + told,
            call.prompt.schema,
            deadline,
        )
        first, second = dict(readings), dict(readings)
        for number, reading in again.items():
            first[number] = with_requests_of(readings[number], reading)
            whole = reading.failure is None and reading.raw_fields is not None
            second[number] = with_requests_of(reading, readings[number]) if whole else first[number]
        with faults_reported():
            repaired = self._assemble(second, call, fields, second_opinion)
            if repaired is not None and repaired.passed > fields.passed:
                return replace(contents, readings=second, fields=repaired)
            kept = self._assemble(first, call, repaired, second_opinion)
        return replace(contents, readings=first, fields=kept)

    def _open(self, source: InputDocument, span: RecordedSpan, deadline: float) -> Document:
        data = source.content
        if isinstance(data, DocumentError):
            span.set_inputs({"doc_id": source.doc_id})
            raise data
        inputs: dict[str, Any] = {"doc_id": source.doc_id, "size_bytes": len(data)}
        span.set_inputs(inputs)
        with faults_reported():
            document = self.opener.open(data, deadline)
        inputs |= {"media_type": document.media_type, "page_count": document.page_count}
        if self.config.trace_content == "full" and document.media_type in SHOWN_BY_BROWSERS:
            inputs["document"] = Attachment(content_type=document.media_type, content_bytes=data)
        span.set_inputs(inputs)
        return document

    def _instructions(self, prompt: Prompt, additional_rules: str) -> Instruct:
        """Return what renders the prompt for a page; a faulty template raises here."""
        without_text = prompt.render(additional_rules=additional_rules)
        if not self._fills_in_text:
            return lambda _: without_text

        def instruct(read: OcrPage | None) -> str:
            text = lay_out(read.words) if read else ""
            return prompt.render(additional_rules=additional_rules, ocr_text=text)

        return instruct

    @staticmethod
    def _extraction(
        doc_id: str | None, prompt: Prompt, engine: str, contents: _Contents
    ) -> Extraction:
        readings, failure = list(contents.readings.values()), contents.failure
        pairs = tuple(pair for reading in readings for pair in reading.pairs)
        fields = contents.fields
        leaves = None if fields is None else fields.leaves
        some = bool(pairs) or any(leaf.status != "absent" for leaf in leaves or ())
        return Extraction(
            doc_id=doc_id,
            pairs=pairs,
            error_code=failure.code if failure else None,
            error=str(failure) if failure else None,
            partial=failure is not None and some,
            page_count=contents.page_count,
            engine=engine,
            prompt_uri=prompt.uri,
            prompt_source=prompt.source,
            input_tokens=total(r.input_tokens for r in readings),
            output_tokens=total(r.output_tokens for r in readings),
            cached_tokens=total(r.cached_tokens for r in readings),
            attempts=sum(r.attempts for r in readings),
            cache_hits=sum(r.from_cache for r in readings),
            cost=total_cost(readings),
            values=None if fields is None else json.dumps(fields.values, ensure_ascii=False),
            fields=leaves,
        )
