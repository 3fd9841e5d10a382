"""A page as text for an LLM: the words of the OCR in their rows and columns."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from ocr_extractor.documents.opener import Opener
from ocr_extractor.ocr.checkboxes import mark_checkboxes
from ocr_extractor.ocr.recognition import WordReader
from ocr_extractor.ocr.words import union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.ocr.words import Word

# Lines whose middles are closer than this are in one row, in line heights.
_SAME_ROW = 0.5
# Wider gaps are cut to this, characters: an LLM must see a gap, not its exact width.
_WIDEST_GAP = 12


load_reader = cache(WordReader)  # its networks take seconds to load


def document_text(
    data: bytes, opener: Opener | None = None, reader: WordReader | None = None
) -> str:
    """Return a document's text as `page_input=text` shows pages; an empty line between them.

    Args:
        data: The document.
        opener: Opens it; None for one with the default limits.
        reader: Reads its pages; None for one with the default networks.

    Raises:
        DocumentError: It cannot be opened, or a page cannot be read.
    """
    texts = []
    with closing((opener or Opener()).open(data)) as document:
        for number in range(1, document.page_count + 1):
            image, printed = document.page(number).image, document.text_layer(number)
            reader = reader or load_reader(None)
            read = reader.printed(image, printed) if printed else reader.read_upright(image)
            texts.append(lay_out(mark_checkboxes(read.words, read.image)))
    return "\n\n".join(texts)


def lay_out(words: Sequence[Word]) -> str:
    """Write words as text, top to bottom and left to right, with gaps as wide as on the page."""
    if not words:
        return ""
    character_px = median((word.box[2] - word.box[0]) / len(word.text) for word in words)
    rows = (_write_row(row, max(character_px, 1.0)) for row in _find_rows(words))
    return "\n".join(rows)


def _find_rows(words: Sequence[Word]) -> list[list[Word]]:
    """Put the OCR's lines that stand side by side into one row."""
    lines: dict[int, list[Word]] = {}
    for word in words:
        lines.setdefault(word.line, []).append(word)
    boxes: list[tuple[Box, list[Word]]] = [
        (union(word.box for word in line), line) for line in lines.values()
    ]
    height = median(box[3] - box[1] for box, _ in boxes)
    rows: list[tuple[float, list[Word]]] = []
    for box, line in sorted(boxes, key=lambda each: each[0][1] + each[0][3]):
        middle = (box[1] + box[3]) / 2
        if rows and middle - rows[-1][0] < _SAME_ROW * height:
            rows[-1][1].extend(line)
        else:
            rows.append((middle, list(line)))
    return [sorted(row, key=lambda word: word.box[0]) for _, row in rows]


def _write_row(row: Sequence[Word], character_px: float) -> str:
    text = row[0].text
    for left, right in pairwise(row):
        gap = round((right.box[0] - left.box[2]) / character_px)
        text += " " * min(max(gap, 1), _WIDEST_GAP) + right.text
    return text
