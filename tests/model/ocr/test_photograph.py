"""A sheet is found in a photograph and flattened; a scan is left as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from ocr_extractor.contract import Box
from ocr_extractor.documents.opener import open_document
from ocr_extractor.engines.base import Page
from ocr_extractor.engines.local.engine import LocalEngine
from ocr_extractor.ocr.orientation import Orientation
from ocr_extractor.ocr.photograph import Sheet, find_sheet
from ocr_extractor.ocr.recognition import WordReader

ROOT = Path(__file__).parents[3]
LONGEST = 2000
PAPER = (600, 800)
CORNERS = np.array([(150.0, 90.0), (720.0, 60.0), (780.0, 900.0), (90.0, 860.0)])
"""Of the paper in the photograph, px."""

PHOTO = (860, 960)
TABLE = (90, 70, 60)
FONT = ImageFont.load_default(22)


def paper(*texts: tuple[int, int, str]) -> Image.Image:
    """Return a sheet with the (x, y, text) lines."""
    image = Image.new("RGB", PAPER, (245, 243, 238))
    canvas = ImageDraw.Draw(image)
    for x, y, text in texts:
        canvas.text((x, y), text, fill=(40, 40, 40), font=FONT)
    return image


def homography() -> np.ndarray:
    width, height = PAPER
    flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    return cv2.getPerspectiveTransform(flat, CORNERS.astype(np.float32))


def photographed(sheet: Image.Image, *, scale: float = 1.0) -> Image.Image:
    """Lay a sheet on a table, seen from aside, with light from the left."""
    size = round(PHOTO[0] * scale), round(PHOTO[1] * scale)
    matrix = np.diag([scale, scale, 1.0]) @ homography()
    photo = cv2.warpPerspective(
        np.asarray(sheet), matrix, size, flags=cv2.INTER_CUBIC, borderValue=TABLE
    )
    light = np.linspace(1.0, 0.75, size[0])[None, :, None]
    return Image.fromarray((photo * light).astype(np.uint8))


def box_in_photo(box: tuple[float, ...]) -> tuple[float, ...]:
    x0, y0, x1, y1 = box
    corners = np.array([[(x0, y0), (x1, y0), (x0, y1), (x1, y1)]], np.float32)
    moved = cv2.perspectiveTransform(corners, homography())[0]
    return (*moved.min(axis=0).tolist(), *moved.max(axis=0).tolist())


def is_near(box: Box | None, other: tuple[float, ...], slack: float) -> bool:
    return box is not None and all(abs(a - b) <= slack for a, b in zip(box, other, strict=True))


TEXTS = (60, 80, "Name: Ada Lovelace of London"), (60, 700, "Date: 12 May 1843")


@pytest.mark.parametrize("scale", [1.0, 4.0], ids=["small", "larger than the OCR reads"])
def test_the_corners_of_a_sheet_are_found(scale: float) -> None:
    sheet = find_sheet(photographed(paper(*TEXTS), scale=scale), LONGEST)
    assert sheet is not None
    assert np.abs(sheet.corners - scale * CORNERS).max() < 10 * scale
    assert max(sheet.size) <= LONGEST


@pytest.mark.parametrize("turned", [None, Image.Transpose.ROTATE_90], ids=["upright", "on side"])
def test_a_photograph_is_read_with_boxes_in_its_own_px(turned: Image.Transpose | None) -> None:
    photo = photographed(paper(*TEXTS))
    if turned is not None:
        photo = photo.transpose(turned)
    pairs = LocalEngine().read(Page(1, photo), "").pairs
    assert [(pair.question, pair.answer) for pair in pairs] == [
        ("Name:", "Ada Lovelace of London"),
        ("Date:", "12 May 1843"),
    ]
    for pair, (x, y, text) in zip(pairs, TEXTS, strict=True):
        question = text[: text.index(":") + 1]
        true = box_in_photo(ImageDraw.Draw(photo).textbbox((x, y), question, font=FONT))
        if turned is not None:
            x0, y0, x1, y1 = true
            true = y0, PHOTO[0] - x1, y1, PHOTO[0] - x0
        assert is_near(pair.question_box, true, slack=10)


def test_the_page_that_is_read_is_the_flat_sheet() -> None:
    photo = photographed(paper(*TEXTS))
    read = WordReader().read_upright(photo)
    assert read.orientation.sheet is not None
    assert (read.orientation.quarters, read.orientation.skew) == (0, 0.0)
    assert read.image.size == read.orientation.sheet.size
    # Names at the top and the bottom stand below each other, though not in the photograph.
    first = {word.line: word.box[0] for word in reversed(read.words)}
    assert max(first.values()) - min(first.values()) < 8


def test_a_letterhead_in_colour_stays_on_the_sheet() -> None:
    sheet = paper(*TEXTS)
    sheet.paste((20, 40, 90), (0, 0, PAPER[0], 110))
    found = find_sheet(photographed(sheet), LONGEST)
    assert found is not None
    assert np.abs(found.corners - CORNERS).max() < 10


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_flat_sheet_has_the_mode_of_the_photograph(mode: str) -> None:
    photo = photographed(paper(*TEXTS)).convert(mode)
    sheet = find_sheet(photo, LONGEST)
    assert sheet is not None
    flat = sheet.flatten(photo)
    assert (flat.mode, flat.size) == (mode, sheet.size)
    grey = np.asarray(flat.convert("L"))
    assert grey[0, 0] < 100 < grey[40, 40]


def scans() -> list[Path]:
    folders = [ROOT / "data" / "samples", *(ROOT / "data" / "samples-fields").iterdir()]
    return sorted(path for each in folders for path in each.glob("images/*"))


def sheets_in(path: Path) -> list[Sheet | None]:
    document = open_document(path.read_bytes())
    pages = [document.page(number).image for number in range(1, document.page_count + 1)]
    document.close()
    return [find_sheet(page, LONGEST) for page in pages]


@pytest.mark.parametrize("path", scans(), ids=lambda path: path.stem)
def test_the_samples_are_no_photographs(path: Path) -> None:
    assert set(sheets_in(path)) == {None}


def test_funsds_scans_are_no_photographs(funsd_training: Path) -> None:
    paths = sorted((funsd_training / "images").iterdir())[:30]
    assert paths
    assert {sheet for path in paths for sheet in sheets_in(path)} == {None}


def test_a_scan_is_read_as_it_is() -> None:
    scan = paper(*TEXTS)
    read = WordReader().read_upright(scan)
    assert read.orientation == Orientation(PAPER)
    assert read.image is scan


def with_note(photo: Image.Image) -> Image.Image:
    photo.paste("white", (10, 905, 110, 945))
    ImageDraw.Draw(photo).text((15, 910), "17 kg", fill="black", font=FONT)
    return photo


def with_a_line(photo: Image.Image) -> Image.Image:
    canvas = ImageDraw.Draw(photo)
    canvas.text((200, 925), "Paid 17.50 by card", fill=(200, 200, 200), font_size=11)
    return photo


def striped(photo: Image.Image) -> Image.Image:
    pixels = np.asarray(photo).copy()
    table = (pixels.max(axis=2) < 100) & (np.arange(PHOTO[1])[:, None] // 12 % 2 == 0)
    pixels[table] += 60
    return Image.fromarray(pixels)


def noise(_: Image.Image) -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (700, 500, 3))
    return Image.fromarray(pixels.astype(np.uint8))


def panel(grey: int, around: int) -> Image.Image:
    page = Image.new("L", PAPER, around)
    page.paste(grey, (100, 100, 500, 700))
    return page


@pytest.mark.parametrize(
    "change",
    [
        with_note,
        with_a_line,
        striped,
        noise,
        lambda _: Image.new("RGB", (400, 400), "white"),
        lambda _: panel(190, 255),
        lambda _: panel(255, 245),
        lambda _: Image.new("L", (1, 1)),
        lambda _: Image.new("L", (1, 60_000)),
        lambda _: Image.new("RGB", (20_000, 3)),
    ],
    ids=[
        "note beside the sheet",
        "line of text beside the sheet",
        "striped table",
        "noise",
        "blank",
        "grey panel of a form",
        "pale table",
        "one px",
        "column",
        "row",
    ],
)
def test_what_is_no_sheet_alone_on_a_dark_table_is_left_alone(
    change: Callable[[Image.Image], Image.Image],
) -> None:
    assert find_sheet(change(photographed(paper(*TEXTS))), LONGEST) is None


places = st.tuples(st.floats(0, 300), st.floats(0, 300))


@given(offsets=st.tuples(*[places] * 4), longest=st.integers(300, 2000), grow=st.floats(0.5, 8))
def test_the_flat_page_is_bounded_and_holds_the_whole_sheet(
    offsets: tuple[tuple[float, float], ...], longest: int, grow: float
) -> None:
    rim = np.array([(0, 0), (700, 0), (700, 700), (0, 700)], float)
    corners = grow * (rim + np.array(offsets))
    assume(cv2.isContourConvex(corners.astype(np.float32)))
    sheet = Sheet(corners, (round(1000 * grow), round(1000 * grow)), longest)
    width, height = sheet.size
    assert max(width, height) <= longest
    page = np.array([(0.0, 0.0), (width, 0), (width, height), (0, height)])
    around = sheet.to_photograph(page).astype(np.float32)
    assert all(
        cv2.pointPolygonTest(around, tuple(corner), measureDist=False) > 0 for corner in corners
    )
    assert cv2.contourArea(around) < 1.3 * cv2.contourArea(corners.astype(np.float32))
