"""From a document's bytes to its upright pages."""

from __future__ import annotations

import contextlib
from math import inf
from typing import TYPE_CHECKING, Protocol

from ocr_extractor.documents.image import ImageDocument, estimate_held
from ocr_extractor.documents.limits import Budget, PageLimits, out_of_time, too_many_bytes
from ocr_extractor.documents.pdf import PdfDocument
from ocr_extractor.documents.pdf_process import PdfProcesses
from ocr_extractor.errors import InputError
from ocr_extractor.runtime import memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocr_extractor.documents.pdf_text import PrintedWord
    from ocr_extractor.engines.base import Page


# Decoding that takes more leaves holes in the memory pool of the C library: 0.2 GB were seen.
_LARGE_BYTES = 100_000_000


class Document(Protocol):
    """An opened document, whose pages are decoded one by one on demand."""

    @property
    def media_type(self) -> str:
        """The document's media type, for example "image/png"."""
        ...

    @property
    def page_count(self) -> int:
        """How many pages the document has, at least 1."""
        ...

    def size(self, number: int) -> tuple[int, int]:
        """Return width and height of page `number` (from 1) as it is stored, px, undecoded.

        Raises:
            InputError: The page is damaged.
            LimitError: The page is larger than the limits allow.
        """
        ...

    def decoded_bytes(self, number: int) -> int:
        """Return how much memory decoding page `number` takes at most, bytes.

        Raises:
            InputError: The page is damaged.
            LimitError: The page is larger than the limits allow.
        """
        ...

    def page(self, number: int) -> Page:
        """Decode page `number`.

        Raises:
            InputError: The page is damaged.
            LimitError: The page is larger than the limits allow, or takes too long to draw.
        """
        ...

    def text_layer(self, number: int) -> list[PrintedWord] | None:
        """Return the words that page `number` holds as text, px of the page as `page` draws it.

        None if there are none, or if the page shows more text than these.

        Raises:
            LimitError: It takes too long to find them.
        """
        ...

    def close(self) -> None:
        """Release the resources of the document; its pages can no longer be read."""
        ...


class Opener:
    """Opens the documents of one loaded model, and limits the memory of all of them together."""

    def __init__(self, limits: PageLimits | None = None, most_at_once: int = 1) -> None:
        """Start nothing yet: processes for PDFs start with the first PDF and end with the opener.

        Args:
            limits: What to refuse; None for the defaults.
            most_at_once: How many pages are decoded at once.
        """
        self._limits = limits or PageLimits()
        self._memory = Budget(self._limits.max_decoded_bytes)
        self._processes = PdfProcesses(
            self._limits.pdf_page_s, self._limits.pdf_memory_bytes, most_at_once
        )

    def open(self, data: bytes, until: float = inf) -> Document:
        """Recognise a document by its content and open it.

        Args:
            data: A PNG, JPEG, WEBP, TIFF, BMP, GIF or PDF file.
            until: The moment (`time.monotonic`) at which waiting for other documents ends.

        Returns:
            The document; TIFF and PDF may have several pages, of an animation the first frame
            counts. The caller closes it.

        Raises:
            InputError: The bytes are empty, damaged, encrypted or of no known format.
            LimitError: The document is larger than the limits allow.
        """
        if not data:
            raise InputError("empty_document", "The document has no bytes: send the whole file.")
        if len(data) > self._limits.max_document_bytes:
            raise too_many_bytes(len(data), self._limits.max_document_bytes)
        # Readers accept a PDF header within the first 1024 bytes (ISO 32000-2, annex I).
        if b"%PDF-" in data[:1024]:
            return PdfDocument(data, self._limits, self._processes, until)
        return ImageDocument(data, self._limits)

    @contextlib.contextmanager
    def decoded(self, document: Document, number: int, until: float = inf) -> Iterator[Page]:
        """Wait until there is memory for a page, and decode it.

        Args:
            document: The document.
            number: The page's number, from 1.
            until: The moment (`time.monotonic`) at which waiting ends.

        Yields:
            The page; its pixels are given back at the end of the context.

        Raises:
            InputError: The page is damaged.
            LimitError: The page is larger than the limits allow, takes too long to draw, or there
                was no memory for it in time.
            EngineError: With code `stopped`: the caller no longer waits.
        """
        with contextlib.ExitStack() as held:
            try:
                share = held.enter_context(
                    self._memory.share(document.decoded_bytes(number), until)
                )
            except TimeoutError:
                raise out_of_time("waiting for the memory of other pages") from None
            if share.amount > _LARGE_BYTES:
                held.callback(memory.give_back)
            page = document.page(number)
            held.callback(page.image.close)
            share.keep(estimate_held(page.image))
            yield page


def open_document(data: bytes, limits: PageLimits | None = None) -> Document:
    """Open a single document with its own `Opener`."""
    return Opener(limits).open(data)
