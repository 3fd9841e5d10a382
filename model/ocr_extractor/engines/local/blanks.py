"""Fields that were left blank: labels that ask for an answer, and no pair has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocr_extractor.contract import Pair
from ocr_extractor.engines.local.layout import find_segments
from ocr_extractor.engines.local.neighbours import insert_in_order, share_middle
from ocr_extractor.engines.local.shapes import announces_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ocr_extractor.engines.local.words import Word

_CONFIDENCE = 0.4
"""Of the blank fields given on FUNSD's training forms, the part that is annotated so."""


def add_blanks(pairs: Iterable[Pair], words: Sequence[Word], page: int) -> tuple[Pair, ...]:
    """Add the blank fields among a page's words to its pairs.

    A label without a colon looks like any other text when nothing stands beside it: it is not
    taken for a field.

    Args:
        pairs: The page's pairs with their boxes, in reading order.
        words: What the OCR read on the page.
        page: The page's number, from 1.

    Returns:
        All pairs in reading order; the answers of the added ones are None, their confidence is
        the same for all.
    """
    found = list(pairs)
    taken = [box for pair in found for box in (pair.question_box, pair.answer_box) if box]
    for label in find_segments(words):
        if announces_value(label.text) and not any(share_middle(label.box, box) for box in taken):
            insert_in_order(found, Pair(label.text, None, page, _CONFIDENCE, label.box))
    return tuple(found)
