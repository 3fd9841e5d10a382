"""The words of the text layer of a PDF page, with their boxes on the drawn page."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pypdfium2

    from ocr_extractor.contract import Box

# A page that is covered by images to a larger part is a scan: its text, if any, is a stamp or
# another program's OCR.
_SCANNED = 0.5
# A dense page has 10,000 characters; more are not a real page, and finding them takes seconds.
_MOST_CHARACTERS = 100_000


class PrintedWord(NamedTuple):
    """A word of a text layer, without whitespace; box in px of the drawn page."""

    text: str
    box: Box
    line: int


def read_text_layer(page: pypdfium2.PdfPage, size: tuple[int, int]) -> list[PrintedWord] | None:
    """Return the words of a page; None if the page shows more text than these.

    Args:
        page: The page.
        size: Width and height of the drawn page, px.
    """
    if _scanned(page):
        return None
    words: list[PrintedWord] = []
    text, boxes, line = "", list[tuple[int, int]](), 0
    for character, corners in [*_characters(page, size), (" ", [])]:
        if not character.isspace():
            text += character
            boxes += corners
            continue
        if text:
            words.append(PrintedWord(text, _around(boxes, size), line))
            text, boxes = "", []
        line += character == "\n"
    return words or None


def _scanned(page: pypdfium2.PdfPage) -> bool:
    import pypdfium2.raw

    width, height = page.get_size()
    images = page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)
    bounds = (image.get_bounds() for image in images)
    covered = sum((right - left) * (top - bottom) for left, bottom, right, top in bounds)
    return bool(covered > _SCANNED * width * height)


def _characters(
    page: pypdfium2.PdfPage, size: tuple[int, int]
) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Yield each character with two opposite corners of its box, px."""
    import pypdfium2
    import pypdfium2.raw

    place = pypdfium2.PdfPosConv(page, (0, 0, *size, 0))
    with contextlib.closing(page.get_textpage()) as text:
        count = text.count_chars()
        if count > _MOST_CHARACTERS:
            raise ValueError(f"more than {_MOST_CHARACTERS} characters")
        for index in range(count):
            character = chr(pypdfium2.raw.FPDFText_GetUnicode(text, index))
            if character.isspace():
                yield character, []
            elif character.isprintable():
                left, bottom, right, top = text.get_charbox(index)
                yield character, [place.to_bitmap(left, bottom), place.to_bitmap(right, top)]


def _around(corners: list[tuple[int, int]], size: tuple[int, int]) -> Box:
    """Return the box around the corners, within the page and at least 1 px wide and high."""
    (x0, x1), (y0, y1) = (
        (min(max(min(ends), 0), limit - 1), min(max(ends), limit))
        for ends, limit in zip(zip(*corners, strict=True), size, strict=True)
    )
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)
