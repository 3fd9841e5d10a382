"""Damaged, hostile and oversized documents end in an error code, never in another exception."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ocr_extractor.documents.limits import PageLimits
from ocr_extractor.documents.opener import Opener, open_document
from ocr_extractor.errors import DocumentError
from tests.model.sample_documents import (
    BLOCKS,
    encoded,
    encrypted_pdf,
    page,
    pdf,
    pixels,
    png_of_claimed_size,
    tiff,
    tiff_of_empty_pages,
)


def error_code(data: bytes, limits: PageLimits | None = None) -> str:
    """Return the code with which the document, or its first page, is refused."""
    with pytest.raises(DocumentError) as refused:
        pixels(data, 1, limits)
    return refused.value.code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", "empty_document", id="no bytes"),
        pytest.param(b"Dear Sir or Madam,", "unknown_format", id="text"),
        pytest.param(b"\x00\x01\x02", "unknown_format", id="three bytes"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n", "unknown_format", id="a format of Pillow's"),
        pytest.param(encoded(page(), "PNG")[:12], "unknown_format", id="PNG header cut"),
        pytest.param(encoded(page(), "PNG")[:60], "damaged_document", id="PNG cut"),
        pytest.param(
            encoded(Image.effect_noise((300, 300), 50), "JPEG")[:3000],
            "damaged_document",
            id="JPEG cut",
        ),
        pytest.param(encoded(page(), "TIFF")[:900], "damaged_document", id="TIFF cut"),
        pytest.param(encoded(page(), "BMP")[:1500], "damaged_document", id="BMP cut"),
        pytest.param(encoded(page(), "GIF")[:-60], "damaged_document", id="GIF cut"),
        pytest.param(encoded(page(), "WEBP")[:60], "damaged_document", id="WEBP cut"),
        pytest.param(encoded(page(), "PDF")[:100], "damaged_document", id="PDF cut"),
        pytest.param(b"%PDF-1.7\nno more", "damaged_document", id="PDF header only"),
        pytest.param(
            pdf().replace(b"/Kids [3 0 R] /Count 1", b"/Kids [     ] /Count 0"),
            "damaged_document",
            id="PDF without a page",
        ),
        pytest.param(encrypted_pdf(), "encrypted_pdf", id="PDF with a password"),
        pytest.param(png_of_claimed_size(50_000, 50_000), "too_many_pixels", id="50,000 x 50,000"),
        pytest.param(png_of_claimed_size(8_000, 8_000), "too_many_pixels", id="64 million px"),
        pytest.param(png_of_claimed_size(5_000, 5_000), "damaged_document", id="too little data"),
        pytest.param(pdf(size="14400 14400"), "too_many_pixels", id="PDF of 5 x 5 m"),
        pytest.param(png_of_claimed_size(65_501, 1), "too_many_pixels", id="long PNG"),
        pytest.param(pdf(size="31441 1"), "too_many_pixels", id="long PDF"),
    ],
)
def test_what_is_no_document_has_an_error_code(data: bytes, code: str) -> None:
    assert error_code(data) == code


def test_limits_are_inclusive() -> None:
    data = tiff(page(), page())
    exact = PageLimits(max_document_bytes=len(data), max_pages=2, max_page_pixels=48 * 32)
    assert pixels(data, 2, exact).shape == BLOCKS.shape
    assert error_code(data, PageLimits(max_document_bytes=len(data) - 1)) == "document_too_large"
    assert error_code(data, PageLimits(max_pages=1)) == "too_many_pages"
    assert error_code(data, PageLimits(max_page_pixels=48 * 32 - 1)) == "too_many_pixels"
    two_pages = encoded(page(), "PDF", save_all=True, append_images=[page()])
    assert error_code(two_pages, PageLimits(max_pages=1)) == "too_many_pages"
    pdf_72 = {"pdf_dpi": 72}
    assert pixels(pdf(), 1, PageLimits(max_page_pixels=72 * 144, **pdf_72)).shape == (144, 72, 3)
    assert error_code(pdf(), PageLimits(max_page_pixels=72 * 144 - 1, **pdf_72)) == (
        "too_many_pixels"
    )


def test_a_tiff_of_very_many_pages_is_refused_without_walking_them() -> None:
    data = tiff_of_empty_pages(100_000)
    started = time.process_time()
    assert error_code(data) == "too_many_pages"
    assert time.process_time() - started < 5  # Pillow's own count takes a minute


def test_only_the_page_over_the_limit_is_refused() -> None:
    document = open_document(
        tiff(page(), Image.new("L", (100, 100)), page()), PageLimits(max_page_pixels=5_000)
    )
    with pytest.raises(DocumentError, match="100 x 100 px"):
        document.page(2)
    assert np.array_equal(np.asarray(document.page(3).image), BLOCKS)


COLOUR = Image.merge("RGB", [page(), page().rotate(90).resize((48, 32)), page()])
DOCUMENTS = (
    encoded(page(), "PNG"),
    encoded(COLOUR.quantize(16), "PNG", transparency=3),
    encoded(COLOUR, "JPEG", progressive=True),
    encoded(COLOUR, "WEBP"),
    tiff(page(), COLOUR, page().convert("1")),
    encoded(page().convert("1"), "TIFF", compression="group4"),
    encoded(COLOUR, "TIFF", compression="jpeg"),
    encoded(COLOUR, "BMP"),
    encoded(COLOUR, "GIF", save_all=True, append_images=[COLOUR.rotate(9)]),
    encoded(COLOUR, "PDF"),
    pdf("1 0 0 rg 36 72 36 72 re f"),
)
OPENER = Opener(PageLimits(max_page_pixels=1_000_000, max_pages=10))
EDIT = st.tuples(
    st.sampled_from(["set", "flip", "cut", "drop", "copy"]),
    st.floats(0, 1, exclude_max=True),
    st.binary(min_size=1, max_size=8),
)


def edited(data: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    """Damage a file, each edit at a fraction of its length."""
    damaged = bytearray(data)
    for kind, fraction, value in edits:
        at = int(fraction * len(damaged))
        span = slice(at, at + len(value))
        if kind == "set":
            damaged[span] = value
        elif kind == "flip":
            damaged[span] = bytes(a ^ b for a, b in zip(damaged[span], value, strict=False))
        elif kind == "cut":
            del damaged[at:]
        elif kind == "drop":
            del damaged[span]
        else:
            damaged[at:at] = damaged[span]
    return bytes(damaged)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of metadata that cannot be read
@settings(max_examples=300)
@given(st.sampled_from(DOCUMENTS), st.lists(EDIT, min_size=1, max_size=4))
def test_damaged_documents_end_in_pages_or_in_a_document_error(
    data: bytes, edits: list[tuple[str, float, bytes]]
) -> None:
    try:
        document = OPENER.open(edited(data, edits))
    except DocumentError:
        return
    for number in range(1, document.page_count + 1):
        with contextlib.suppress(DocumentError):
            image = document.page(number).image
            assert image.mode in {"L", "RGB"}
            assert image.width * image.height <= 1_000_000
    document.close()
