"""Pages become images for an LLM."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ocr_extractor.config import ExtractorConfig
from ocr_extractor.documents.encoding import encode_for_llm, is_plain_png
from ocr_extractor.documents.opener import open_document
from ocr_extractor.engines.base import Page
from tests.model.sample_documents import encoded, page


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_by_default_a_scan_of_1000_px_reaches_the_llm_pixel_by_pixel(mode: str) -> None:
    config = ExtractorConfig(engine="openai", prompt_uri="prompts:/p/1")
    noise = Image.effect_noise((800, 1000), 80)
    scan = Image.merge("RGB", [noise, noise.rotate(180), noise]) if mode == "RGB" else noise
    data, size = encode_for_llm(Page(1, scan), config.max_size, config.image_format, config.quality)
    sent = Image.open(io.BytesIO(data))
    assert (sent.format, sent.mode, size) == ("PNG", mode, (800, 1000))
    assert np.array_equal(np.asarray(sent), np.asarray(scan))


@pytest.mark.parametrize(
    ("size", "max_size", "sent"),
    [
        ((100, 200), 400, (100, 200)),
        ((100, 200), 200, (100, 200)),
        ((100, 200), 100, (50, 100)),
        ((3000, 1000), 2048, (2048, 683)),
        ((5000, 3), 100, (100, 1)),
    ],
)
def test_pages_are_shrunk_with_their_aspect_and_never_enlarged(
    size: tuple[int, int], max_size: int, sent: tuple[int, int]
) -> None:
    data, reported = encode_for_llm(Page(1, Image.new("L", size, 255)), max_size, "png", 90)
    assert Image.open(io.BytesIO(data)).size == reported == sent


@pytest.mark.parametrize("image_format", ["jpeg", "webp"])
def test_quality_trades_bytes_for_detail(image_format: str) -> None:
    red, blue = Image.new("RGB", (1, 16), "red"), Image.new("RGB", (1, 16), "blue")
    stripes = Image.new("RGB", (16, 16))
    for x in range(16):
        stripes.paste((red, blue)[x % 2], (x, 0))
    fine, _ = encode_for_llm(Page(1, stripes), 16, image_format, 100)
    coarse, _ = encode_for_llm(Page(1, stripes), 16, image_format, 10)
    sent = Image.open(io.BytesIO(fine))
    assert sent.format == image_format.upper()
    assert len(coarse) < len(fine)
    if image_format == "jpeg":  # chroma at full resolution: the stripes stay apart
        assert np.abs(np.asarray(sent, dtype=int) - np.asarray(stripes, dtype=int)).max() < 10


def test_comments_and_colour_profiles_stay_in_the_file() -> None:
    data = encoded(page().convert("CMYK"), "JPEG", comment=b"by Ann", icc_profile=b"CMYK profile")
    read = open_document(data).page(1)
    for image_format in ("png", "jpeg", "webp"):
        sent, _ = encode_for_llm(read, 100, image_format, 90)
        assert not {"comment", "icc_profile", "exif"} & Image.open(io.BytesIO(sent)).info.keys()


def with_comment() -> bytes:
    comment = PngImagePlugin.PngInfo()
    comment.add_text("Author", "Ann")
    return encoded(page(), "PNG", pnginfo=comment)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_plain_png_is_sent_as_it_is(mode: str) -> None:
    data = encoded(page().convert(mode), "PNG", dpi=(300, 300))
    read = open_document(data).page(1)
    sent, size = encode_for_llm(read, 100, "png", 90)
    assert sent is data
    assert size == (48, 32)
    shown = np.asarray(Image.open(io.BytesIO(sent)).convert(read.image.mode))
    assert np.array_equal(shown, np.asarray(read.image))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(with_comment(), id="a comment"),
        pytest.param(encoded(page(), "PNG") + b"by Ann", id="bytes after its end"),
        pytest.param(encoded(page().convert("RGBA"), "PNG"), id="transparency"),
        pytest.param(encoded(Image.new("I;16", (48, 32)), "PNG"), id="16 bits"),
        pytest.param(encoded(page(), "JPEG"), id="a JPEG"),
    ],
)
def test_any_other_file_is_encoded_anew(data: bytes) -> None:
    read = open_document(data).page(1)
    sent, _ = encode_for_llm(read, 100, "png", 90)
    assert sent != data
    assert is_plain_png(sent)


@pytest.mark.parametrize("end", range(8, 33))
def test_a_png_that_ends_in_its_header_is_not_plain(end: int) -> None:
    assert not is_plain_png(encoded(page(), "PNG")[:end])


@pytest.mark.parametrize(("max_size", "image_format"), [(40, "png"), (100, "jpeg")])
def test_a_plain_png_is_encoded_anew_where_something_else_is_asked_for(
    max_size: int, image_format: str
) -> None:
    read = open_document(encoded(page(), "PNG")).page(1)
    sent, size = encode_for_llm(read, max_size, image_format, 90)
    image = Image.open(io.BytesIO(sent))
    assert (image.format, image.size) == (image_format.upper(), size)
    assert max(size) == min(max_size, 48)
