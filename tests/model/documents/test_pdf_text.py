"""The text layer of a PDF stands where the page shows it, and is left alone where it is not all."""

from __future__ import annotations

import numpy as np
import pytest

from ocr_extractor.contract import Box
from ocr_extractor.documents.limits import PageLimits
from ocr_extractor.documents.opener import open_document
from ocr_extractor.documents.pdf_text import PrintedWord
from tests.model.sample_documents import page, pdf, pixels, text_pdf, tiff

TEXT = "BT /F 12 Tf 20 70 Td (Name: Ann Lee) Tj 0 -40 Td (Fax: 555) Tj ET"
SCAN = "q 200 0 0 100 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q "
LOGO = "q 20 0 0 20 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q "
LIMITS = PageLimits(pdf_dpi=144)


def words(data: bytes) -> list[PrintedWord] | None:
    document = open_document(data, LIMITS)
    try:
        return document.text_layer(1)
    finally:
        document.close()


def ink(data: bytes, box: Box) -> float:
    """Return the share of the page's dark pixels that are in the box."""
    dark = pixels(data, limits=LIMITS).mean(axis=2) < 128
    x0, y0, x1, y1 = box
    return float(dark[y0:y1, x0:x1].sum() / dark.sum())


def test_words_come_line_by_line() -> None:
    found = words(text_pdf(TEXT)) or []
    texts = [(word.text, word.line) for word in found]
    assert texts == [("Name:", 0), ("Ann", 0), ("Lee", 0), ("Fax:", 1), ("555", 1)]


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_boxes_are_where_the_page_shows_the_words(rotate: int) -> None:
    data = text_pdf("BT /F 12 Tf 20 70 Td (Name) Tj ET", rotate=rotate)
    [word] = words(data) or []
    assert ink(data, word.box) > 0.95
    x0, y0, x1, y1 = word.box
    assert (x1 - x0) * (y1 - y0) < 0.1 * np.prod(pixels(data, limits=LIMITS).shape[:2])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(text_pdf(SCAN + TEXT), id="a scan with a stamp"),
        pytest.param(pdf(TEXT), id="a form that was filled in"),
        pytest.param(text_pdf(""), id="no text"),
        pytest.param(text_pdf("BT /F 12 Tf (   ) Tj ET"), id="blanks"),
        pytest.param(tiff(page()), id="TIFF"),
    ],
)
def test_where_the_text_is_not_all_there_is_none(data: bytes) -> None:
    assert words(data) is None


def test_a_small_image_does_not_make_a_scan() -> None:
    assert words(text_pdf(LOGO + TEXT)) is not None
