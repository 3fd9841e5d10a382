"""The words of a page do not depend on how its work is shared among cores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image, ImageDraw, ImageFont

from ocr_extractor.ocr.recognition import WordReader

LINES = ["Customer number 4711", "No", "Date of the last delivery: 12 March", "Total amount"]


def drawn(lines: list[str]) -> Image.Image:
    page = Image.new("RGB", (700, 500), "white")
    font = ImageFont.load_default(28)
    for number, line in enumerate(lines):
        ImageDraw.Draw(page).text((60, 40 + 110 * number), line, fill="black", font=font)
    return page


@pytest.fixture(scope="module")
def reader() -> WordReader:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "3")
        return WordReader()


@pytest.mark.parametrize("lines", [LINES, LINES[:1], []], ids=["four lines", "one", "none"])
def test_a_page_reads_the_same_alone_and_beside_others(reader: WordReader, lines: list[str]):
    page = drawn(lines)
    alone = reader.read(page)
    assert [word.text for word in alone] == " ".join(lines).split()
    with ThreadPoolExecutor(3) as callers:
        assert list(callers.map(reader.read, [page] * 3)) == [alone] * 3
