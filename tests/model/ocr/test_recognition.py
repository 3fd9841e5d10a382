"""What is read on a page, and that it does not depend on how the work is shared among cores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image, ImageDraw, ImageFont

from ocr_extractor.ocr.recognition import WordReader

LINES = ["Customer number 4711", "No", "Date of the last delivery: 12 March", "Total amount"]


SMALL, LARGE = (800, 1000), (900, 1200)


def drawn(lines: list[str], letters: int = 28, size: tuple[int, int] = SMALL) -> Image.Image:
    page = Image.new("RGB", size, "white")
    font = ImageFont.load_default(letters)
    for number, line in enumerate(lines):
        ImageDraw.Draw(page).text((60, 40 + 110 * number), line, fill="black", font=font)
    return page


@pytest.fixture(scope="module")
def reader() -> WordReader:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "3")
        return WordReader()


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small page", "large page"])
@pytest.mark.parametrize("lines", [LINES, LINES[:1], []], ids=["four lines", "one", "none"])
def test_a_page_reads_the_same_alone_and_beside_others(
    reader: WordReader, lines: list[str], size: tuple[int, int]
):
    page = drawn(lines, size=size)
    alone = reader.read(page)
    assert [word.text for word in alone] == " ".join(lines).split()
    with ThreadPoolExecutor(3) as callers:
        assert list(callers.map(reader.read, [page] * 3)) == [alone] * 3


def test_boxes_fit_small_print(reader: WordReader):
    """In taller boxes, the letters are smaller where the network reads them."""
    words = reader.read(drawn([LINES[2]] * 4, letters=14))
    assert [word.text for word in words] == 4 * LINES[2].split()
    assert max(word.box[3] - word.box[1] for word in words) <= 18
