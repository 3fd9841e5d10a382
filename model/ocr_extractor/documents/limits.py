"""The limits of a document, errors beyond them, and the memory that all documents share."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from ocr_extractor.errors import InputError, LimitError, shorten
from ocr_extractor.runtime.cancellation import check

MAX_SIDE = 65_500
"""Longest side of a page, px, as in JPEG. An image with a longer side is not a page, and resizing
one of 60,000,000 x 1 px takes 30 GB."""

# How often a waiting thread checks that its caller still waits, s.
_LOOK_S = 0.25


@dataclass(frozen=True)
class PageLimits:
    """The limits beyond which a document is refused.

    Attributes:
        max_document_bytes: Largest document, bytes.
        max_pages: Most pages in one document.
        max_page_pixels: Most pixels on one page, checked before anything is decoded.
        max_decoded_bytes: Most memory that the decoded pages of all documents may take, bytes.
        pdf_dpi: Resolution at which a PDF page becomes pixels, dots per inch.
        pdf_page_s: Longest time to open a PDF, and to draw a page of it, s of CPU time.
        pdf_memory_bytes: Most memory that opening and drawing a PDF may take, bytes.
    """

    max_document_bytes: int = 50_000_000
    max_pages: int = 200
    max_page_pixels: int = 60_000_000
    max_decoded_bytes: int = 1_000_000_000
    pdf_dpi: int = 150
    pdf_page_s: float = 30.0
    pdf_memory_bytes: int = 1_000_000_000

    def check_page(self, size: tuple[int, int], decoded_bytes: int) -> None:
        """Check a page of (width, height) px before it is decoded, which takes `decoded_bytes`.

        Raises:
            LimitError: It has too many pixels, too long a side, or takes too much memory.
        """
        width, height = size
        if width * height > self.max_page_pixels:
            limit = f"max_page_pixels={self.max_page_pixels:,}"
        elif max(size) > MAX_SIDE:
            limit = f"no side may have more than {MAX_SIDE:,} px"
        elif decoded_bytes > self.max_decoded_bytes:
            limit = (
                f"it takes {decoded_bytes:,} bytes to decode, "
                f"max_decoded_bytes={self.max_decoded_bytes:,}"
            )
        else:
            return
        raise too_many_pixels(f"{width} x {height} px", limit)


def too_many_bytes(size: int | None, most: int) -> LimitError:
    """Return the error of a document that has more than `most` bytes; its size, None if unknown."""
    found = "" if size is None else f"{size:,} bytes, "
    return LimitError(
        "document_too_large",
        f"The document has {found}more than max_document_bytes={most:,}: send a smaller file or "
        "raise the limit.",
    )


def damaged(number: int, error: object) -> InputError:
    """Return the error of a document whose page `number` cannot be decoded."""
    return InputError(
        "damaged_document",
        f"Page {number} cannot be decoded ({shorten(error)}): the file is cut off or damaged, "
        "send it again.",
    )


def too_many_pages(limits: PageLimits) -> LimitError:
    """Return the error of a document that has more than `limits.max_pages`."""
    return LimitError(
        "too_many_pages",
        f"The document has more than max_pages={limits.max_pages} pages: split it or raise the "
        "limit.",
    )


def too_many_pixels(found: str, limit: str) -> LimitError:
    """Return the error of a page of the size `found`, which is over `limit`."""
    return LimitError(
        "too_many_pixels",
        f"The page is too large ({shorten(found)}; {limit}): scan it at a lower resolution or "
        "raise the limit.",
    )


def out_of_time(doing: str) -> LimitError:
    """Return the error of a document that ran out of time while it was `doing`."""
    return LimitError(
        "document_timeout",
        f"The document ran out of time while it was {doing} (max_document_s): split the document, "
        "send fewer at once or raise the limit.",
    )


class Budget:
    """An amount of which many threads take shares.

    A share is taken as a whole, so that two threads never wait for each other. Small shares do not
    overtake a large one.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._waiting: deque[Share] = deque()
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """How many threads wait for a share."""
        return len(self._waiting)

    @contextlib.contextmanager
    def share(self, amount: int, until: float = inf) -> Iterator[Share]:
        """Wait for a share, and hold it for as long as the context lasts.

        Args:
            amount: How much is taken, at most the total.
            until: The moment (`time.monotonic`) at which waiting ends.

        Raises:
            TimeoutError: There was no share in time.
            EngineError: With code `stopped`: the caller no longer waits.
        """
        share = Share(self, amount)
        self._wait(share, until)
        try:
            yield share
        finally:
            share.keep(0)

    def _wait(self, share: Share, until: float) -> None:
        with self._changed:
            self._waiting.append(share)
            try:
                while self._waiting[0] is not share or self._free < share.amount:
                    check()
                    if (left := until - time.monotonic()) <= 0:
                        raise TimeoutError
                    self._changed.wait(min(left, _LOOK_S))
                self._free -= share.amount
            finally:
                self._waiting.remove(share)
                self._changed.notify_all()

    def give_back(self, amount: int) -> None:
        """Return a part of a share to the budget."""
        with self._changed:
            self._free += amount
            self._changed.notify_all()


class Share:
    """The share of one thread, and its current size."""

    def __init__(self, budget: Budget, amount: int) -> None:
        self._budget = budget
        self.amount = amount

    def keep(self, amount: int) -> None:
        """Give back all but `amount`."""
        kept = min(amount, self.amount)
        self._budget.give_back(self.amount - kept)
        self.amount = kept
