"""The local engine: OCR and trained layout models on this machine, no key, no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ocr_extractor.engines.base import PageReading
from ocr_extractor.engines.local.blanks import add_blanks
from ocr_extractor.engines.local.fields import find_lines, to_fields
from ocr_extractor.engines.local.options import choose_options
from ocr_extractor.ocr.checkboxes import mark_checkboxes
from ocr_extractor.ocr.recognition import WordReader
from ocr_extractor.ocr.ruled_lines import mark_ruled

if TYPE_CHECKING:
    from ocr_extractor.engines.base import Page
    from ocr_extractor.fields.schema import Schema

BUNDLED_WEIGHTS = Path(__file__).parent / "weights"


class LocalEngine:
    """Reads pages with RapidOCR and links the words; safe to share between threads."""

    name = "local"

    def __init__(
        self,
        *,
        tiny_ocr: Path | None = None,
        include_blank: bool = False,
        weights: Path = BUNDLED_WEIGHTS,
    ) -> None:
        """Load the models.

        Args:
            tiny_ocr: As `tiny` of `WordReader`.
            include_blank: Whether fields without an entry are given, too.
            weights: Folder of the layout models' weights.

        Raises:
            ConfigError: The folder lacks some of them.
        """
        from ocr_extractor.engines.local.learned.weights import Weights

        self._reader = WordReader(tiny_ocr)
        self._weights = Weights(weights)
        self._include_blank = include_blank

    def read(
        self,
        page: Page,
        instructions: str,  # noqa: ARG002
        schema: Schema | None = None,
    ) -> PageReading:
        """Read one page, without a schema for its pairs; `instructions` are ignored.

        Returns:
            The page's pairs with boxes and confidence, without token counts; with a schema also
            the fields, whose evidence is that of their pairs.

        Raises:
            EngineError: With code `ocr_failed`: the page cannot be read.
        """
        from ocr_extractor.engines.local.learned.linker import link

        read = self._reader.read_upright(page.image)
        marked = mark_checkboxes(read.words, read.image)
        words = mark_ruled(marked, read.image)
        pairs = link(words, read.image, self._weights, page.number)
        pairs = choose_options(pairs, words, page.number)
        if self._include_blank:
            pairs = add_blanks(pairs, marked, page.number)
        pairs = read.lie.give_back(pairs)
        if schema is None:
            return PageReading(pairs)
        lines = read.lie.give_back(find_lines(words, page.number))
        tree, evidence = to_fields(schema, pairs, lines)
        return PageReading(pairs, raw_fields=tree, evidence=evidence)
