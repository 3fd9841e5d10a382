"""The pages of the documents: their pictures, their words, and what stands in a box of one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PIL import Image, ImageOps

from entry_points.command_line.cli import UsageError
from entry_points.predictions.documents import Unread, read_document
from entry_points.reviewing.journal import Journal
from ocr_extractor.contract import Box
from ocr_extractor.documents.limits import PageLimits
from ocr_extractor.documents.opener import Opener
from ocr_extractor.ocr.checkboxes import mark_checkboxes

if TYPE_CHECKING:
    from ocr_extractor.ocr.recognition import WordReader

# A page on a screen, px of its longest side; the original is sent when it is asked for.
_LONGEST_SIDE = 1800
_QUALITY, _BEST_QUALITY = 82, 95
# Pages that stay decoded: the one that is looked at, and the next. An A4 page takes 26 MB.
_PAGES_KEPT = 4
_PICTURES_KEPT = 40
# A line of text is read best when it is about this high, px, with some paper around it.
_LINE_PX, _PAPER_PX = 48, 12
_MOST_TIMES = 4

Size = tuple[int, int]
T = TypeVar("T")


class Pages:
    """Draws and reads pages on demand; for several threads."""

    def __init__(self, documents: Mapping[str, Path], folder: Path, journal: Journal) -> None:
        """Open nothing yet.

        Args:
            documents: The files by doc_id.
            folder: Where they are; a link that leads out of it is not opened.
            journal: Keeps words that were read.
        """
        self._documents, self._folder, self._journal = documents, folder.resolve(), journal
        self._limits = PageLimits()
        self._opener = Opener(self._limits)
        # Both take a doc_id and the number of a page, from 1.
        self._page = lru_cache(_PAGES_KEPT)(self._draw)
        self._picture = lru_cache(_PICTURES_KEPT)(self._shrink)
        self._digests: dict[str, str] = {}
        # One page after another: each takes all cores. The page that people use goes first.
        self._reading = ThreadPoolExecutor(1, "ocr", initializer=_behind_others)
        self._ended: Future[None] = Future()

    def end(self) -> None:
        """End all waiting for the OCR, which may take seconds."""
        if not self._ended.done():
            self._ended.set_result(None)

    def path(self, doc_id: str) -> Path:
        """Return a document's file.

        Raises:
            UsageError: It is a link out of the folder.
        """
        path = self._documents[doc_id]
        if not path.resolve().is_relative_to(self._folder):
            raise UsageError(f"{doc_id[:80]} is a link that leads out of --input: copy the file.")
        return path

    def content(self, doc_id: str) -> bytes:
        """Return a document's bytes.

        Raises:
            UsageError: It cannot be read, or is a link out of the folder.
        """
        found = read_document(self.path(doc_id), self._limits.max_document_bytes)
        if isinstance(found, Unread):
            raise UsageError(found.reason)
        return found

    def digest(self, doc_id: str) -> str:
        """Return the sha256 of a document's bytes at first use, hex; "" if it cannot be read."""
        if doc_id not in self._digests:
            try:
                found = hashlib.sha256(self.content(doc_id)).hexdigest()
            except UsageError:
                found = ""
            self._digests[doc_id] = found
        return self._digests[doc_id]

    def count(self, doc_id: str) -> int:
        """Return how many pages a document has.

        Raises:
            UsageError: See `content`.
            DocumentError: It cannot be opened.
        """
        with contextlib.closing(self._opener.open(self.content(doc_id))) as opened:
            return opened.page_count

    def picture(self, doc_id: str, number: int, *, full: bool) -> tuple[bytes, Size]:
        """Return a page as a JPEG file, and the size of the page, px, that boxes refer to.

        Args:
            doc_id: The document.
            number: The page, from 1.
            full: At the document's own resolution.

        Raises:
            UsageError: See `content`; or it has no such page.
            DocumentError: The page cannot be drawn.
        """
        page = self._page(doc_id, number)
        picture = _jpeg(page, _BEST_QUALITY) if full else self._picture(doc_id, number)
        return picture, page.size

    def words(self, doc_id: str, number: int) -> list[Any]:
        """Return [text, x0, y0, x1, y1, line] of each word of a page, px, in reading order.

        Raises:
            UsageError: See `picture`; or the review ends meanwhile.
            DocumentError: The page cannot be drawn, or read.
        """
        content = self.content(doc_id)
        key = f"{hashlib.sha256(content).hexdigest()}-{number}"
        if (kept := self._journal.words(key)) is not None:
            return kept
        return self._by_ocr(lambda: self._words(key, content, doc_id, number))

    def _by_ocr(self, read: Callable[[], list[T]]) -> list[T]:
        reading = self._reading.submit(read)
        both: tuple[Future[Any], ...] = (reading, self._ended)
        wait(both, return_when=FIRST_COMPLETED)
        if not reading.done():
            reading.cancel()
            raise UsageError("The review has ended.")
        return reading.result()

    def _words(self, key: str, content: bytes, doc_id: str, number: int) -> list[Any]:
        if (kept := self._journal.words(key)) is not None:
            return kept
        page = self._page(doc_id, number)
        with contextlib.closing(self._opener.open(content)) as opened:
            printed = opened.text_layer(number)
        read = (
            self._reader.read_upright(page)
            if printed is None
            else self._reader.printed(page, printed)
        )
        words = [
            [word.text, *(read.orientation.box_as_given(word.box) or word.box), word.line]
            for word in mark_checkboxes(read.words, read.image)
        ]
        self._journal.keep_words(key, words)
        return words

    def text_in(self, doc_id: str, number: int, box: Box) -> str:
        """Read what stands in a box of a page, "" where nothing can be read.

        Raises:
            UsageError: See `words`.
            DocumentError: The page cannot be drawn, or read.
        """
        page = self._page(doc_id, number)
        x0, y0, x1, y1 = (
            min(max(0, edge), limit) for edge, limit in zip(box, page.size * 2, strict=True)
        )
        if x1 - x0 < 2 or y1 - y0 < 2:
            return ""
        part = page.crop((x0, y0, x1, y1))
        times = min(_MOST_TIMES, _LINE_PX / part.height)
        if times > 1:
            part = part.resize((round(part.width * times), round(part.height * times)))
        part = ImageOps.expand(part, _PAPER_PX, "white")
        words = self._by_ocr(lambda: self._reader.read(part))
        return " ".join(word.text for word in words)

    @cached_property
    def _reader(self) -> WordReader:
        from ocr_extractor.ocr.recognition import WordReader

        return WordReader()

    def _shrink(self, doc_id: str, number: int) -> bytes:
        page = self._page(doc_id, number)
        if max(page.size) > _LONGEST_SIDE:
            page = page.copy()
            page.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), reducing_gap=2.0)
        return _jpeg(page, _QUALITY)

    def _draw(self, doc_id: str, number: int) -> Image.Image:
        with contextlib.closing(self._opener.open(self.content(doc_id))) as opened:
            if not 1 <= number <= opened.page_count:
                raise UsageError(f"{doc_id[:80]} has no page {number}.")
            return opened.page(number).image


def _behind_others() -> None:
    """Lower the priority of this thread, and of those that it starts, on Linux.

    Other systems take the number for that of a process, which may be any.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _jpeg(page: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    page.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
