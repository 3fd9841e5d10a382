"""Fields that were left blank: labels that ask for an answer, and no pair has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocr_extractor.contract import Pair
from ocr_extractor.engines.local.layout import find_segments
from ocr_extractor.engines.local.neighbours import share_row
from ocr_extractor.engines.local.shapes import announces_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.engines.local.words import Word


def add_blanks(pairs: Iterable[Pair], words: Sequence[Word], page: int) -> tuple[Pair, ...]:
    """Add the blank fields among a page's words to its pairs.

    A label without a colon looks like any other text when nothing stands beside it: it is not
    taken for a field.

    Args:
        pairs: The page's pairs with their boxes, in reading order.
        words: What the OCR read on the page.
        page: The page's number, from 1.

    Returns:
        All pairs in reading order; the answers of the added ones are None.
    """
    found = list(pairs)
    taken = [box for pair in found for box in (pair.question_box, pair.answer_box) if box]
    for label in find_segments(words):
        if announces_value(label.text) and not any(_share_middle(label.box, box) for box in taken):
            place = next(
                (
                    at
                    for at, pair in enumerate(found)
                    if pair.question_box and _comes_before(label.box, pair.question_box)
                ),
                len(found),
            )
            found.insert(place, Pair(label.text, None, page, question_box=label.box))
    return tuple(found)


def _share_middle(box: Box, other: Box) -> bool:
    """Tell whether the middle of one box lies within the other."""
    return any(
        inner[0] + inner[2] in range(2 * outer[0], 2 * outer[2])
        and inner[1] + inner[3] in range(2 * outer[1], 2 * outer[3])
        for inner, outer in ((box, other), (other, box))
    )


def _comes_before(box: Box, other: Box) -> bool:
    return box[0] < other[0] if share_row(box, other) else box[1] < other[1]
