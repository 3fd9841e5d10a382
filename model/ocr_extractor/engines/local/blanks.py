"""Blank fields: labels that ask for an answer but belong to no pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocr_extractor.contract import Pair
from ocr_extractor.ocr.neighbours import (
    insert_in_order,
    share_column,
    share_middle,
    share_row,
)
from ocr_extractor.ocr.segments import find_segments
from ocr_extractor.ocr.text_shapes import announces_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.ocr.words import Word

_CONFIDENCE = 0.66
"""The share of the returned blank fields that are annotated as blank on FUNSD's training forms: 124
of 187 (1141 are annotated). Without the check of the text beside and below: 153 of 399."""

_BESIDE, _BELOW = 10.0, 1.0
"""Largest white space between a label and its entry, in label heights."""


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
            insert_in_order(found, Pair(label.text, None, page, _CONFIDENCE, label.box))
    return tuple(found)


def _may_fill(box: Box, label: Box) -> bool:
    """Tell whether the content of a box could be the entry of a label."""
    height = max(1, label[3] - label[1])
    beside, below = (box[0] - label[2]) / height, (box[1] - label[3]) / height
    if share_row(label, box) and -0.5 <= beside <= _BESIDE:
        return True
    return share_column(label, box) and -0.5 <= below <= _BELOW
