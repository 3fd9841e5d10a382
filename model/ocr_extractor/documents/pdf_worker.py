"""The program of a PDF process: opens PDFs, draws their pages and finds their words.

A PDF may make PDFium run or allocate without end, and PDFium cannot be interrupted. So it runs in
processes that may be killed (`pdf_process.py` starts them). This one kills itself, by the system's
own limits, where a request takes too long or too much memory, and ends with the process that
started it, even in the middle of a page.

A request on standard input has two parts behind their lengths (two big-endian uint32): a JSON
object, and a PDF, which is empty if the last one is meant. `ask` names the request:

- "open": `{"pages": n, "sizes": [[width, height], ...]}` in points, null for a page that is
  damaged, no sizes for more than `max_pages`
- "draw" page `page` at `scale` px a point: `{"size": [width, height]}` in px and the pixels, RGB
- "words" of the same: `{"words": [[text, [x0, y0, x1, y1], line], ...]}` in px, null for none
- "close": no answer

Answers on standard output have the same form. `{"error": "password" or "damaged", "message": ...}`
is one, too. Each has `memory`, what the process takes now, bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import struct
import sys
import threading
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ctypes import Array, c_ubyte

    import pypdfium2

LENGTHS = struct.Struct(">II")
"""Lengths of a message's two parts."""

OUT_OF_MEMORY = 3
"""Exit code of the process if Python runs out of memory; PDFium would abort it."""

REAL_TIME = 4
"""Limit of the time of a request as a multiple of its CPU time, for busy machines."""

_NICENESS = 5
"""What is added to the caller's niceness; 5 means a third of the share of a busy core."""


def main() -> None:
    """Answer requests until standard input ends; the arguments are the limits, s and bytes."""
    seconds, memory = float(sys.argv[-2]), int(sys.argv[-1])
    _end_with_parent()
    _be_first_to_be_killed()
    _yield_to_others()
    pdfs = _Pdfs()
    _limit_memory(memory)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while lengths := requests.read(LENGTHS.size):
        request_length, pdf_length = LENGTHS.unpack(lengths)
        try:
            request = json.loads(requests.read(request_length))
            data = requests.read(pdf_length)
            with _limited_time(seconds):
                answer, pixels = pdfs.answer(request, data)
            if request["ask"] == "close":
                continue
            text = json.dumps(answer | {"memory": _memory()}).encode()
            answers.write(LENGTHS.pack(len(text), len(pixels)))
            answers.write(text)
            answers.write(pixels)
            answers.flush()
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        del data, answer, pixels


class _Pdfs:
    """The PDF of the last request."""

    def __init__(self) -> None:
        import pypdfium2

        self._library = pypdfium2
        self._pdf: pypdfium2.PdfDocument | None = None

    def answer(
        self, request: dict[str, Any], data: bytes
    ) -> tuple[dict[str, Any], bytes | Array[c_ubyte]]:
        """Answer a request with a JSON object and pixels."""
        nothing = b""
        try:
            if data or request["ask"] == "close":
                self._close()
            if data:
                self._pdf = self._library.PdfDocument(data)
                self._pdf.init_forms()  # before any page is loaded, else its fields stay empty
            if self._pdf is None:
                return {}, nothing
            if request["ask"] == "open":
                return self._pages(self._pdf, request["max_pages"]), nothing
            with contextlib.closing(self._pdf[request["page"] - 1]) as page:
                size = _size(page.get_size(), request["scale"])
                if request["ask"] == "words":
                    return {"words": self._words(self._pdf, page, size)}, nothing
                bitmap = page.render(scale=request["scale"], rev_byteorder=True)
                return {"size": size}, bitmap.buffer
        except self._library.PdfiumError as error:
            password = error.err_code == self._library.raw.FPDF_ERR_PASSWORD
            return {"error": "password" if password else "damaged", "message": str(error)}, nothing
        except ValueError as error:
            return {"error": "damaged", "message": str(error)}, nothing

    def _pages(self, pdf: pypdfium2.PdfDocument, most: int) -> dict[str, Any]:
        return {
            "pages": len(pdf),
            "sizes": [self._page_size(pdf, index) for index in range(len(pdf))]
            if len(pdf) <= most
            else [],
        }

    def _page_size(self, pdf: pypdfium2.PdfDocument, index: int) -> tuple[float, float] | None:
        try:
            width, height = pdf.get_page_size(index)
        except self._library.PdfiumError:
            return None
        return width, height

    def _words(
        self, pdf: pypdfium2.PdfDocument, page: pypdfium2.PdfPage, size: tuple[int, int]
    ) -> list[Any] | None:
        from ocr_extractor.documents.pdf_text import read_text_layer

        if pdf.get_formtype():  # entries of form fields are not part of the text layer
            return None
        try:
            return read_text_layer(page, size)
        except (self._library.PdfiumError, ValueError):
            return None  # the page is drawn anyway, and read by OCR

    def _close(self) -> None:
        if self._pdf is not None:
            self._pdf.close()
        self._pdf = None


def _size(points: tuple[float, float], scale: float) -> tuple[int, int]:
    return ceil(points[0] * scale), ceil(points[1] * scale)


def _end_with_parent() -> None:
    """End as soon as standard input is closed, even during a request."""
    if sys.platform == "win32":
        return
    closed = select.poll()
    closed.register(sys.stdin.fileno(), 0)  # only the end is always reported

    def end() -> None:
        closed.poll()
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()


def _be_first_to_be_killed() -> None:
    """Let Linux kill this process, not its parent, if the machine runs out of memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _yield_to_others() -> None:
    """Let the caller run first where this process takes all the CPU time that it can get."""
    if sys.platform != "win32":
        os.nice(_NICENESS)


def _limit_memory(most: int) -> None:
    """Limit what the process may allocate from now on, bytes; a crash leaves no core file."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # macOS has this limit but does not enforce it
        _, highest = resource.getrlimit(resource.RLIMIT_AS)
        limit = _memory(mapped=True) + most
        if highest == resource.RLIM_INFINITY or limit < highest:
            resource.setrlimit(resource.RLIMIT_AS, (limit, highest))


def _memory(*, mapped: bool = False) -> int:
    """Return the memory that the process uses or has mapped, bytes; 0 if it is not known."""
    if sys.platform != "linux":
        return 0
    pages = Path("/proc/self/statm").read_text().split()[0 if mapped else 1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


@contextlib.contextmanager
def _limited_time(seconds: float) -> Iterator[None]:
    """Let the system kill this process if a request takes too long (SIGPROF, SIGALRM)."""
    if sys.platform == "win32":
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * REAL_TIME)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
