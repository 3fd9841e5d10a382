"""The local engine: OCR and trained layout models on this machine, no key, no network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_extractor.contract import Pair
from ocr_extractor.engines.base import PageReading
from ocr_extractor.engines.local.options import choose_options
from ocr_extractor.ocr.checkboxes import mark_checkboxes
from ocr_extractor.ocr.neighbours import insert_in_order, share_column, share_middle, share_row
from ocr_extractor.ocr.recognition import WordReader
from ocr_extractor.ocr.ruled_lines import mark_ruled
from ocr_extractor.ocr.segments import find_segments
from ocr_extractor.ocr.text_shapes import announces_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.engines.base import Page
    from ocr_extractor.fields.schema import Schema
    from ocr_extractor.ocr.words import Word

BUNDLED_WEIGHTS = Path(__file__).parent / "weights"

_BLANK_CONFIDENCE = 0.66
"""The share of the returned blank fields that are annotated as blank on FUNSD's training forms: 124
of 187 (1141 are annotated). Without the check of the text beside and below: 153 of 399."""

_BESIDE, _BELOW = 10.0, 1.0
"""Largest white space between a label and its entry, in label heights."""


class LocalEngine:
    """Reads pages with RapidOCR and links the words; safe to share between threads."""

    name = "local"

    def __init__(
        self,
        *,
        tiny_ocr: Path | None = None,
        include_blank: bool = False,
        with_pairs: bool = True,
        weights: Path = BUNDLED_WEIGHTS,
    ) -> None:
        """Load the models.

        Args:
            tiny_ocr: As `tiny` of `WordReader`.
            include_blank: Whether fields without an entry are given, too.
            with_pairs: Whether pairs are wanted beside the fields of a schema.
            weights: Folder of weights for pairs, for fields, or for both; what it has not is
                taken from the bundled ones.

        Raises:
            ConfigError: The folder lacks some of them, or they are of another version.
        """
        from ocr_extractor.engines.local.fields.ranker import SETTINGS, Ranker
        from ocr_extractor.engines.local.learned.weights import DECISION, Weights

        of_pairs, of_fields = (
            weights if (weights / file).is_file() else BUNDLED_WEIGHTS
            for file in (DECISION, SETTINGS)
        )
        self._reader = WordReader(tiny_ocr)
        self._weights = Weights(of_pairs)
        self._ranker = Ranker(of_fields)
        self._include_blank, self._with_pairs = include_blank, with_pairs

    def read(
        self,
        page: Page,
        instructions: str,  # noqa: ARG002
        schema: Schema | None = None,
    ) -> PageReading:
        """Read one page, without a schema for its pairs; `instructions` are ignored.

        Returns:
            The page's pairs with boxes and confidence, without token counts; with a schema also
            the fields, of which an absent one may have a confidence, too.

        Raises:
            EngineError: With code `ocr_failed`: the page cannot be read.
        """
        from ocr_extractor.engines.local.fields.search import find_fields
        from ocr_extractor.engines.local.learned.linker import link
        from ocr_extractor.runtime.tracing import note

        read = self._reader.read_upright(page.image)
        note(read.figures())
        marked = mark_checkboxes(read.words, read.image)
        words = mark_ruled(marked, read.image)
        pairs: tuple[Pair, ...] = ()
        if schema is None or self._with_pairs or self._include_blank:
            pairs = link(words, read.image, self._weights, page.number)
            pairs = choose_options(pairs, words, page.number)
        if self._include_blank:
            pairs = add_blanks(pairs, marked, page.number)
        if schema is None:
            return PageReading(read.orientation.pairs_as_given(pairs))
        tree, evidence = find_fields(schema, words, pairs, page.number, self._ranker)
        return PageReading(
            read.orientation.pairs_as_given(pairs),
            raw_fields=tree,
            evidence={
                path: replace(each, box=read.orientation.box_as_given(each.box))
                for path, each in evidence.items()
            },
        )


def add_blanks(pairs: Iterable[Pair], words: Sequence[Word], page: int) -> tuple[Pair, ...]:
    """Add the blank fields among a page's words to its pairs, which have boxes and an order.

    A label without a colon and with nothing beside it looks like any other text, so it is not a
    field. A label with text beside or below it is not a blank field either.

    Returns:
        All pairs in reading order; the answers of the added ones are None, their confidence is
        the same for all.
    """
    found = list(pairs)
    taken = [box for pair in found for box in (pair.question_box, pair.answer_box) if box]
    segments = find_segments(words)
    others = [segment.box for segment in segments if not announces_value(segment.text)]
    for label in segments:
        if not announces_value(label.text) or any(share_middle(label.box, box) for box in taken):
            continue
        if not any(_may_fill(other, label.box) for other in others):
            insert_in_order(found, Pair(label.text, None, page, _BLANK_CONFIDENCE, label.box))
    return tuple(found)


def _may_fill(box: Box, label: Box) -> bool:
    """Tell whether the content of a box could be the entry of a label."""
    height = max(1, label[3] - label[1])
    beside, below = (box[0] - label[2]) / height, (box[1] - label[3]) / height
    if share_row(label, box) and -0.5 <= beside <= _BESIDE:
        return True
    return share_column(label, box) and -0.5 <= below <= _BELOW
