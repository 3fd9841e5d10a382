"""The local engine: OCR and layout rules on this machine, no key, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocr_extractor.engines.base import PageReading
from ocr_extractor.engines.local.blanks import add_blanks
from ocr_extractor.engines.local.ocr import WordReader
from ocr_extractor.engines.local.rules import link_by_rules
from ocr_extractor.engines.local.ruling import mark_ruled

if TYPE_CHECKING:
    from ocr_extractor.engines.base import Page
    from ocr_extractor.engines.local.ocr import OcrQuality


class LocalEngine:
    """Reads pages with RapidOCR and geometric rules; safe to share between threads."""

    name = "local"

    def __init__(self, ocr_quality: OcrQuality = "best", *, include_blank: bool = False) -> None:
        self._reader = WordReader(ocr_quality)
        self._include_blank = include_blank

    def read(self, page: Page, instructions: str) -> PageReading:  # noqa: ARG002
        """Read one page; `instructions` are for an LLM and do not matter here.

        Args:
            page: The page to read.
            instructions: Ignored.

        Returns:
            The page's pairs with boxes, without confidence and token counts.

        Raises:
            EngineError: With code `ocr_failed`: the page cannot be read.
        """
        read = self._reader.read_upright(page.image)
        pairs = link_by_rules(mark_ruled(read.words, read.image), page.number)
        if self._include_blank:
            pairs = add_blanks(pairs, read.words, page.number)
        return PageReading(pairs=read.lie.give_back(pairs))
