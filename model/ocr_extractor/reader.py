"""Reads documents: pages in parallel within one bound, one trace and one extraction a document."""

from __future__ import annotations

import contextlib
import json
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow.entities import SpanType
from mlflow.tracing.attachments import Attachment

from ocr_extractor.contract import Extraction
from ocr_extractor.documents.input_frame import PageSelection
from ocr_extractor.documents.opener import Opener
from ocr_extractor.engines.base import total, total_cost
from ocr_extractor.errors import DocumentError, PromptError, RequestError
from ocr_extractor.ocr.page_text import lay_out
from ocr_extractor.page_reader import SHOWN_BY_BROWSERS, PageReader
from ocr_extractor.passes import Call, Contents, DocumentPasses
from ocr_extractor.runtime.cancellation import check
from ocr_extractor.runtime.tracing import faults_reported, note_extraction, start_span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.documents.input_frame import InputDocument
    from ocr_extractor.documents.opener import Document
    from ocr_extractor.engines.base import Engine
    from ocr_extractor.ocr.recognition import OcrPage, WordReader
    from ocr_extractor.page_reader import Instruct
    from ocr_extractor.prompts.followed_alias import FollowedPrompt
    from ocr_extractor.prompts.prompt import Prompt
    from ocr_extractor.runtime.spans import RecordedSpan

_ALL_PAGES = PageSelection()


class DocumentReader:
    """Reads documents with one prompt and one or two engines; shared by concurrent calls.

    Attributes:
        config: The extractor's settings.
        opener: Opens its documents.
        word_reader: Reads the words of their pages; None where they are not read.
        engine: The engine; of two, the second.
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
        self.word_reader = word_reader
        self._pinned = prompt
        self._followed = followed
        *first, self.engine = engines
        self._page_reader = PageReader(config, self.opener, self.engine, word_reader)
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
            RequestError: The rules cannot be sent.
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
        call = Call(prompt, self._instructions(prompt, additional_rules), pages)
        futures = [
            self._documents.submit(copy_context().run, self._read, document, call)
            for document in documents
        ]
        try:
            yield futures
        finally:
            for future in futures:
                future.cancel()

    def _instructions(self, prompt: Prompt, additional_rules: str) -> Instruct:
        """Return what renders the prompt for a page; a faulty template raises here."""
        try:
            additional_rules.encode("utf-8")
        except UnicodeEncodeError:
            raise RequestError(
                "additional_rules has half a surrogate pair: write the whole character."
            ) from None
        without_text = prompt.render(additional_rules=additional_rules)
        if not self._fills_in_text:
            return lambda _: without_text

        def instruct(read: OcrPage | None) -> str:
            text = lay_out(read.words) if read else ""
            return prompt.render(additional_rules=additional_rules, ocr_text=text)

        return instruct

    def _read(self, source: InputDocument, call: Call) -> Extraction:
        check()
        with start_span("extract", SpanType.WORKFLOW) as span:
            if call.prompt.source != "snapshot":
                span.prompts.append(call.prompt.version)
            contents = self._contents(source, span, call)
            span.attributes |= {"engine": contents.engine, "prompt_uri": call.prompt.uri}
            extraction = _to_extraction(source.doc_id, call.prompt, contents)
            note_extraction(span, extraction, content=self.config.trace_content == "full")
            return extraction

    def _contents(self, source: InputDocument, span: RecordedSpan, call: Call) -> Contents:
        contents = Contents(self.engine.name)
        deadline = time.monotonic() + self.config.max_document_s
        try:
            with contextlib.closing(self._open(source, span, deadline)) as document:
                contents = replace(contents, page_count=document.page_count)
                passes = DocumentPasses(self.config, call, document, deadline)
                if self._first is None:
                    contents = passes.read(self._page_reader)
                else:
                    contents = passes.escalate(self._first, self._page_reader)
        except DocumentError as error:
            return replace(contents, failure=error)
        return contents

    def _open(self, source: InputDocument, span: RecordedSpan, deadline: float) -> Document:
        data = source.content
        span.inputs = {"doc_id": source.doc_id}
        if isinstance(data, DocumentError):
            raise data
        span.inputs["size_bytes"] = len(data)
        with faults_reported():
            document = self.opener.open(data, deadline)
        span.inputs |= {"media_type": document.media_type, "page_count": document.page_count}
        is_shown = self.config.trace_content == "full" and document.media_type in SHOWN_BY_BROWSERS
        if is_shown and span.has_room(len(data)):
            shown = Attachment(content_type=document.media_type, content_bytes=data)
            span.inputs["document"] = shown
        return document


def _to_extraction(doc_id: str | None, prompt: Prompt, contents: Contents) -> Extraction:
    readings, failure, fields = list(contents.readings.values()), contents.failure, contents.fields
    pairs = tuple(pair for reading in readings for pair in reading.pairs)
    leaves = None if fields is None else fields.leaves
    some = bool(pairs) or any(leaf.status != "absent" for leaf in leaves or ())
    return Extraction(
        doc_id=doc_id,
        pairs=pairs,
        error_code=failure.code if failure else None,
        error=str(failure) if failure else None,
        partial=failure is not None and some,
        page_count=contents.page_count,
        engine=contents.engine,
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
