"""The pages of a document that a caller wants."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ocr_extractor.errors import InputError, RequestError, shorten

# Each range is compared with each page of each document.
_MAX_CHARACTERS = 10_000
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True)
class PageSelection:
    """Page numbers as a caller writes them.

    Attributes:
        ranges: (first, last) page of each range, from 1, both included; none for all pages.
    """

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> PageSelection:
        """Read "1-3,7"; an empty text stands for all pages.

        Raises:
            RequestError: The text is no list of pages, or is too long.
        """
        if not text.strip():
            return cls()
        if len(text) > _MAX_CHARACTERS:
            raise RequestError(
                f"pages has {len(text):,} characters, and may have {_MAX_CHARACTERS:,}: write "
                "ranges, as in 1-3,7."
            )
        matches = [_RANGE.fullmatch(part.strip()) for part in text.split(",")]
        ranges = tuple((int(m[1]), int(m[2] or m[1])) for m in matches if m)
        if None in matches or any(not 1 <= first <= last for first, last in ranges):
            raise RequestError(
                f"pages is {shorten(text)!r}: write page numbers from 1 as in 1-3,7."
            )
        return cls(ranges)

    def of(self, page_count: int) -> list[int]:
        """Return the wanted pages of a document, in page order and each once.

        Raises:
            InputError: The document has none of them.
        """
        numbers = range(1, page_count + 1)
        if not self.ranges:
            return list(numbers)
        found = [
            number
            for number in numbers
            if any(first <= number <= last for first, last in self.ranges)
        ]
        if not found:
            raise InputError(
                "no_such_page",
                f"None of the document's {page_count} pages is in `pages`: ask for others.",
            )
        return found
