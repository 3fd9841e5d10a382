"""Documents of every format become upright pages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from ocr_extractor.documents.limits import PageLimits
from ocr_extractor.documents.opener import open_document
from tests.model.sample_documents import BLOCKS, encoded, page, pdf, pixels, tiff

Pixels = np.ndarray


@pytest.mark.parametrize(
    ("image_format", "options", "media_type", "tolerance"),
    [
        ("PNG", {}, "image/png", 0),
        ("JPEG", {"quality": 100}, "image/jpeg", 1),
        ("WEBP", {"lossless": True}, "image/webp", 0),
        ("TIFF", {}, "image/tiff", 0),
        ("TIFF", {"compression": "tiff_lzw"}, "image/tiff", 0),
        ("BMP", {}, "image/bmp", 0),
        ("GIF", {}, "image/gif", 0),
    ],
)
def test_every_image_format_keeps_its_pixels(
    image_format: str, options: dict[str, object], media_type: str, tolerance: int
) -> None:
    data = encoded(page(), image_format, **options)
    document = open_document(data)
    assert (document.media_type, document.page_count) == (media_type, 1)
    read = np.asarray(document.page(1).image.convert("L"), dtype=int)
    assert np.abs(read - BLOCKS).max() <= tolerance


# What a file holds that was stored turned, by EXIF's number for it (EXIF 2.32, tag 274).
STORED: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.T,
    6: np.rot90,
    7: lambda upright: upright.T[::-1, ::-1],
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(
    ("image_format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("JPEG", {"quality": 100}, 1),
        ("WEBP", {"lossless": True}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
    ],
)
def test_exif_orientation_turns_the_page_upright(
    image_format: str, options: dict[str, object], tolerance: int, orientation: int
) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](BLOCKS)))
    read = pixels(encoded(stored, image_format, exif=exif, **options))
    grey_levels = np.asarray(Image.fromarray(read).convert("L"), dtype=int)
    assert grey_levels.shape == BLOCKS.shape
    assert np.abs(grey_levels - BLOCKS).max() <= tolerance


def test_pages_of_a_tiff_are_turned_one_by_one_in_any_order() -> None:
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(BLOCKS)))
    turned.encoderinfo = {"tiffinfo": {274: 6}}
    document = open_document(tiff(page(), turned, page().crop((0, 0, 20, 10))))
    assert document.page_count == 3
    for number, upright in [(2, BLOCKS), (3, BLOCKS[:10, :20]), (1, BLOCKS), (2, BLOCKS)]:
        read = document.page(number)
        assert read.number == number
        assert np.array_equal(np.asarray(read.image), upright)


def grey(*values: int, dtype: str = "uint8", mode: str | None = None) -> Image.Image:
    """Return one row of pixels."""
    image = Image.fromarray(np.array([values], dtype=dtype))
    return image.convert(mode) if mode else image


def see_through_palette() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.putdata([0, 1])
    return image


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(encoded(grey(0, 255, mode="1"), "PNG"), [0, 255], id="1 bit"),
        pytest.param(
            encoded(grey(0, 255, mode="1"), "TIFF", compression="group4"), [0, 255], id="fax"
        ),
        pytest.param(
            encoded(see_through_palette(), "PNG", transparency=0),
            [(255, 255, 255), (0, 0, 200)],
            id="palette with a transparent colour",
        ),
        pytest.param(
            encoded(see_through_palette(), "GIF", transparency=1),
            [(200, 0, 0), (255, 255, 255)],
            id="GIF with a transparent colour",
        ),
        pytest.param(
            encoded(Image.new("RGBA", (2, 1), (0, 0, 0, 0)), "PNG"),
            [(255, 255, 255)] * 2,
            id="transparent",
        ),
        pytest.param(
            encoded(Image.new("RGBA", (1, 1), (0, 0, 0, 51)), "WEBP", lossless=True),
            [(204, 204, 204)],
            id="a fifth of black ink",
        ),
        pytest.param(
            encoded(Image.merge("LA", [grey(0, 0), grey(0, 255)]), "PNG"),
            [(255, 255, 255), (0, 0, 0)],
            id="grey with alpha",
        ),
        pytest.param(
            encoded(Image.new("CMYK", (1, 1), (0, 255, 0, 0)), "TIFF"), [(255, 0, 255)], id="CMYK"
        ),
        pytest.param(
            encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG"),
            [(255, 255, 255)] * 8,
            id="CMYK JPEG, which is stored inverted",
        ),
        pytest.param(
            encoded(grey(0, 0x8000, 0xFFFF, dtype="uint16"), "PNG"), [0, 128, 255], id="16 bit"
        ),
        pytest.param(
            encoded(grey(0, 0x8000, 0xFFFF, dtype=">u2"), "TIFF"), [0, 128, 255], id="16 bit TIFF"
        ),
        pytest.param(
            encoded(grey(0, 1, 255, dtype="uint16"), "PNG"), [0, 1, 255], id="8 bits in 16"
        ),
        pytest.param(encoded(grey(0, 1, dtype="uint16"), "PNG"), [0, 1], id="almost black"),
        pytest.param(
            encoded(grey(0, 0x8000, 0xFFFF, dtype="int32"), "TIFF"), [0, 128, 255], id="32 bit"
        ),
        pytest.param(
            encoded(Image.fromarray(np.array([[0, 0.5, 1]], dtype="float32")), "TIFF"),
            [0, 128, 255],
            id="fractions",
        ),
        pytest.param(
            encoded(Image.fromarray(np.array([[0, 128, 255]], dtype="float32")), "TIFF"),
            [0, 128, 255],
            id="floats up to 255",
        ),
    ],
)
def test_every_mode_becomes_grey_or_rgb_on_white(
    data: bytes, expected: list[int] | list[tuple[int, int, int]]
) -> None:
    read = pixels(data)
    assert read.dtype == np.uint8
    assert read[0].tolist() == [
        list(each) if isinstance(each, tuple) else each for each in expected
    ]


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_its_first_frame(image_format: str) -> None:
    frames = [page(), Image.new("L", page().size, 255)]
    data = encoded(
        frames[0], image_format, save_all=True, append_images=frames[1:], lossless=True, loop=0
    )
    assert open_document(data).page_count == 1
    assert np.array_equal(np.asarray(Image.fromarray(pixels(data)).convert("L")), BLOCKS)


def test_a_pdf_is_drawn_at_the_stated_resolution() -> None:
    for dpi, shape in [(72, (144, 72, 3)), (150, (300, 150, 3)), (36, (72, 36, 3))]:
        assert pixels(pdf(), limits=PageLimits(pdf_dpi=dpi)).shape == shape


def test_a_pdf_shows_its_content_and_what_was_filled_in() -> None:
    red_upper_right = "1 0 0 rg 36 72 36 72 re f"
    drawn = pixels(pdf(red_upper_right), limits=PageLimits(pdf_dpi=72))
    assert drawn[10, 50].tolist() == [255, 0, 0]
    assert drawn[100, 10].tolist() == [0, 0, 0]  # the field
    assert drawn[10, 10].tolist() == drawn[100, 50].tolist() == [255, 255, 255]


def test_every_page_of_a_pdf_is_drawn() -> None:
    data = encoded(
        page(), "PDF", save_all=True, append_images=[Image.new("L", (30, 20))], resolution=72
    )
    document = open_document(data, PageLimits(pdf_dpi=72))
    sizes = [document.page(number).image.size for number in (1, 2)]
    assert (document.media_type, sizes) == ("application/pdf", [(48, 32), (30, 20)])


STROKES = " ".join(
    f"{i * 37 % 72} {i * 53 % 144} m {i * 11 % 72} {i * 29 % 144} l S" for i in range(300)
)


@pytest.mark.parametrize(
    "data",
    [
        tiff(*(Image.new("L", (400 + number, 300), number * 20) for number in range(8))),
        pdf(f"BT /F1 9 Tf 5 100 Td (Dear Sir or Madam) Tj ET {STROKES}"),
    ],
    ids=["TIFF", "PDF"],
)
def test_pages_may_be_read_from_many_threads(data: bytes) -> None:
    shared = open_document(data)
    alone = [np.asarray(shared.page(n + 1).image) for n in range(shared.page_count)]

    def reads_the_same(turn: int) -> bool:
        index = turn * 5 % len(alone)
        page_read = (
            np.asarray(shared.page(index + 1).image) if turn % 2 else pixels(data, index + 1)
        )
        return np.array_equal(page_read, alone[index])

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # s; threads meet as often as they can
    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(reads_the_same, range(200)))
    finally:
        sys.setswitchinterval(before)
