"""PDF files as documents, opened and drawn in processes that can be killed."""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
from collections.abc import Iterator
from math import ceil
from typing import Any

from PIL import Image

from ocr_extractor.documents.limits import PageLimits, damaged, out_of_time, too_many_pages
from ocr_extractor.documents.pdf_process import PdfProcess, PdfProcesses, ProcessEndedError
from ocr_extractor.documents.pdf_text import PrintedWord
from ocr_extractor.documents.pdf_worker import REAL_TIME
from ocr_extractor.engines.base import Page
from ocr_extractor.errors import DocumentError, InputError, LimitError

PDF_POINTS_PER_INCH = 72

# Bytes a pixel: three in the process that draws, three in the pipe, and Pillow's four.
_DRAWN_BYTES = 10
# Python's exit code after a traceback: an error of ours or of the installation, not of the PDF.
_FAULT = 1

_numbers = itertools.count()


class PdfDocument:
    """A PDF file, drawn page by page with its form fields at `limits.pdf_dpi`."""

    media_type = "application/pdf"

    def __init__(
        self, data: bytes, limits: PageLimits, processes: PdfProcesses, until: float
    ) -> None:
        """Open the file; wait for a process until the moment `until` (`time.monotonic`).

        Raises:
            InputError: It is damaged or encrypted.
            LimitError: It is larger than `limits` allow, or takes too long.
        """
        self._data = data
        self._limits = limits
        self._processes = processes
        self._until = until
        self._scale = limits.pdf_dpi / PDF_POINTS_PER_INCH
        self._number = next(_numbers)
        self._lock = threading.Lock()
        self._closed = False
        self._at_work: set[PdfProcess] = set()
        try:
            answer, _ = self._ask(1, ask="open", max_pages=limits.max_pages)
            if answer["pages"] > limits.max_pages:
                raise too_many_pages(limits)
            self._sizes: list[tuple[float, float] | None] = answer["sizes"]
            if not self._sizes:
                raise damaged(1, "the PDF has no page")
        except DocumentError:
            self.close()
            raise

    @property
    def page_count(self) -> int:
        """The file's pages, at least 1."""
        return len(self._sizes)

    def size(self, number: int) -> tuple[int, int]:
        """See `Document.size`."""
        points = self._sizes[number - 1]
        if points is None:
            raise damaged(number, "the PDF has no such page")
        width, height = (ceil(side * self._scale) for side in points)
        self._limits.check_page((width, height), width * height * _DRAWN_BYTES)
        return width, height

    def decoded_bytes(self, number: int) -> int:
        """See `Document.decoded_bytes`."""
        width, height = self.size(number)
        return width * height * _DRAWN_BYTES

    def page(self, number: int) -> Page:
        """See `Document.page`."""
        size = self.size(number)
        answer, pixels = self._ask(number, ask="draw", page=number, scale=self._scale)
        if tuple(answer["size"]) != size:
            raise damaged(number, "its size is not what the PDF says")
        return Page(number, Image.frombytes("RGB", size, pixels))

    def text_layer(self, number: int) -> list[PrintedWord] | None:
        """See `Document.text_layer`."""
        answer, _ = self._ask(number, ask="words", page=number, scale=self._scale)
        if answer["words"] is None:
            return None
        return [PrintedWord(text, tuple(box), line) for text, box, line in answer["words"]]

    def close(self) -> None:
        """Close the document, and kill the processes that still draw it."""
        with self._lock:
            self._closed = True
            for process in self._at_work:
                process.kill()
        self._processes.forget(self._number)

    def _ask(self, number: int, **request: Any) -> tuple[dict[str, Any], bytearray]:
        """Send a process a request about page `number`."""
        try:
            try:
                answer, pixels = self._ask_one(request)
            except ProcessEndedError as ended:
                if ended.code != -signal.SIGKILL or self._closed:
                    raise
                # Somebody else killed it, perhaps while it was idle: another one may succeed.
                answer, pixels = self._ask_one(request)
        except TimeoutError:
            raise out_of_time("waiting for other PDFs to be drawn") from None
        except ProcessEndedError as ended:
            raise self._why(ended, number) from None
        if answer.get("error") == "password":
            raise InputError(
                "encrypted_pdf", "The PDF asks for a password: send it without one."
            ) from None
        if "error" in answer:
            raise damaged(number, answer["message"]) from None
        return answer, pixels

    def _ask_one(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytearray]:
        """Send a request to one process; see `PdfProcess.ask` and `PdfProcesses.borrow`."""
        with (
            self._processes.borrow(self._number, self._until) as process,
            self._working(process),
        ):
            return process.ask(request, self._number, self._data)

    @contextlib.contextmanager
    def _working(self, process: PdfProcess) -> Iterator[None]:
        """Let `close` kill the process while it works for this document."""
        with self._lock:
            if self._closed:
                raise out_of_time("drawn")
            self._at_work.add(process)
        try:
            yield
        finally:
            with self._lock:
                self._at_work.discard(process)

    def _why(self, ended: ProcessEndedError, number: int) -> DocumentError:
        """Return the error for the end of a process."""
        if self._closed:
            return out_of_time("drawn")
        if ended.code == _FAULT:
            return DocumentError(
                "no_pdf_process",
                "The process that draws PDFs has failed: report it with its traceback in the log.",
            )
        if ended.code in {-signal.SIGPROF, -signal.SIGALRM}:
            seconds = self._limits.pdf_page_s
            return LimitError(
                "document_timeout",
                f"Drawing page {number} takes more than pdf_page_s={seconds:g} s of CPU time, or "
                f"{seconds * REAL_TIME:g} s in all: print it to a simpler PDF or raise the limit.",
            )
        return LimitError(
            "document_too_complex",
            f"Drawing page {number} takes more memory than pdf_memory_bytes="
            f"{self._limits.pdf_memory_bytes:,}, or crashes PDFium: print it to a simpler PDF or "
            "raise the limit.",
        )
