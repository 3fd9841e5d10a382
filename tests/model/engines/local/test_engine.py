"""The local engine reads drawn pages with the real OCR, offline and from any thread."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocr_extractor.contract import Box
from ocr_extractor.engines.base import Page
from ocr_extractor.engines.local.engine import LocalEngine
from ocr_extractor.errors import EngineError
from ocr_extractor.ocr.recognition import usable_cores

MODEL_ROOM = Path(__file__).parents[4] / "model"
ALLOWED = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()

OFFLINE_PROBE = """
import sys

WRITING = ("w", "a", "x", "+")

def forbid(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "os.mkdir"):
        raise PermissionError(event, arguments)
    if event == "open" and arguments[1] and any(mode in arguments[1] for mode in WRITING):
        raise PermissionError(event, arguments)

from PIL import Image
from ocr_extractor.engines.base import Page
from ocr_extractor.engines.local.engine import LocalEngine

heavy = {"rapidocr", "onnxruntime", "cv2", "numpy"} & sys.modules.keys()
page = Page(number=1, image=Image.open(sys.argv[1]).convert("RGB"))
sys.addaudithook(forbid)
pairs = LocalEngine().read(page, "").pairs
print(sorted(heavy), [(pair.question, pair.answer) for pair in pairs])
"""


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    return LocalEngine()


def draw(*texts: tuple[int, int, str], scale: float = 1.0) -> Image.Image:
    """Return a page of 600 x 260 px times `scale` with the (x, y, text) lines."""
    image = Image.new("RGB", (round(600 * scale), round(260 * scale)), "white")
    canvas = ImageDraw.Draw(image)
    font = ImageFont.load_default(round(22 * scale))
    for x, y, text in texts:
        canvas.text((x * scale, y * scale), text, fill="black", font=font)
    return image


def contains(outer: Box | None, inner: tuple[float, ...], slack: float) -> bool:
    return outer is not None and all(
        abs(one - other) <= slack for one, other in zip(outer, inner, strict=True)
    )


@pytest.mark.parametrize("scale", [1.0, 4.0], ids=["as-scanned", "larger-than-the-ocr-reads"])
def test_form_gives_its_pairs_with_boxes_in_px_of_the_page(engine, scale):
    image = draw((30, 30, "Name: Ada Lovelace"), (30, 120, "Date: 12 May 1843"), scale=scale)
    reading = engine.read(Page(number=3, image=image), "ignored")
    assert [(pair.question, pair.answer, pair.page) for pair in reading.pairs] == [
        ("Name:", "Ada Lovelace", 3),
        ("Date:", "12 May 1843", 3),
    ]
    font = ImageFont.load_default(round(22 * scale))
    canvas = ImageDraw.Draw(image)
    drawn = canvas.textbbox((30 * scale, 30 * scale), "Name:", font=font)
    assert contains(reading.pairs[0].question_box, drawn, slack=10 * scale)
    assert (reading.input_tokens, reading.output_tokens) == (None, None)


def test_blank_fields_are_given_when_asked_for(engine):
    page = Page(number=1, image=draw((30, 30, "Name: Ada Lovelace"), (30, 120, "Date:")))
    assert [(pair.question, pair.answer) for pair in engine.read(page, "").pairs] == [
        ("Name:", "Ada Lovelace")
    ]
    pairs = LocalEngine(include_blank=True).read(page, "").pairs
    assert [(pair.question, pair.answer) for pair in pairs] == [
        ("Name:", "Ada Lovelace"),
        ("Date:", None),
    ]


def test_ruled_line_parts_the_entry_from_its_label(engine):
    image = draw((30, 30, "Requested by"), (184, 28, "Grace Hopper"))
    ImageDraw.Draw(image).line((180, 56, 500, 56), fill="black", width=2)
    reading = engine.read(Page(number=1, image=image.convert("L")), "")
    assert [(pair.question, pair.answer) for pair in reading.pairs] == [
        ("Requested by", "Grace Hopper")
    ]


def test_cell_of_a_boxed_form_is_read_from_label_to_entry(engine):
    image = draw((34, 34, "Place of loss"), (40, 84, "Harrogate mill"))
    ImageDraw.Draw(image).rectangle((28, 28, 300, 114), outline="black", width=2)
    reading = engine.read(Page(number=1, image=image), "")
    assert [(pair.question, pair.answer) for pair in reading.pairs] == [
        ("Place of loss", "Harrogate mill")
    ]


# What is done to a page, and where a point (x, y) of 600 x 260 px is then, px.
CENTRE = np.array([300.0, 130.0])
ORIENTATIONS = {
    "quarter turn left": (lambda page: page.rotate(90, expand=True), lambda x, y: (y, 600 - x)),
    "head down": (lambda page: page.rotate(180), lambda x, y: (600 - x, 260 - y)),
    "quarter turn right": (lambda page: page.rotate(270, expand=True), lambda x, y: (260 - y, x)),
    "falls 4 degrees": (lambda page: skewed(page, -4), lambda x, y: skew_point(x, y, -4)),
    "rises 5 degrees": (lambda page: skewed(page, 5), lambda x, y: skew_point(x, y, 5)),
}


def skewed(page: Image.Image, degrees: float) -> Image.Image:
    return page.rotate(degrees, Image.Resampling.BICUBIC, fillcolor="white")


def skew_point(x: float, y: float, degrees: float) -> tuple[float, float]:
    """Turn a point counterclockwise about the page's centre; y runs down."""
    across, down = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = np.array([[across, down], [-down, across]]) @ (np.array([x, y]) - CENTRE) + CENTRE
    return float(turned[0]), float(turned[1])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_page_is_read_however_it_lies_with_boxes_in_px_of_the_page_as_given(engine, orientation):
    change, moved = ORIENTATIONS[orientation]
    page = draw((60, 60, "Name: Ada Lovelace of London"), (60, 150, "Date: 12 May 1843"))
    pairs = engine.read(Page(number=1, image=change(page)), "").pairs
    assert [(pair.question, pair.answer) for pair in pairs] == [
        ("Name:", "Ada Lovelace of London"),
        ("Date:", "12 May 1843"),
    ]
    drawn = ImageDraw.Draw(page).textbbox((60, 60), "Name:", font=ImageFont.load_default(22))
    corners = [moved(drawn[x], drawn[y]) for x in (0, 2) for y in (1, 3)]
    (x0, x1), (y0, y1) = ((min(side), max(side)) for side in zip(*corners, strict=True))
    assert contains(pairs[0].question_box, (x0, y0, x1, y1), slack=12)


def test_faint_page_on_grey_paper_is_read(engine):
    page = draw((30, 30, "Name: Ada Lovelace")).point(lambda value: 130 + value // 5)
    pairs = engine.read(Page(number=1, image=page), "").pairs
    assert [(pair.question, pair.answer) for pair in pairs] == [("Name:", "Ada Lovelace")]


def test_blank_page_has_no_pairs(engine):
    assert engine.read(Page(number=1, image=draw()), "").pairs == ()


def test_page_that_cannot_be_scaled_is_an_engine_error(engine):
    with pytest.raises(EngineError, match="3 x 9000 px") as caught:
        engine.read(Page(number=1, image=Image.new("RGB", (3, 9000), "white")), "")
    assert caught.value.code == "ocr_failed"


def test_threads_share_one_engine_and_read_the_same(engine):
    pages = [
        Page(number=number, image=draw((30, 40 * number, f"Sample: A-{number}{number}")))
        for number in range(1, 3)
    ]
    alone = [engine.read(page, "") for page in pages]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda page: engine.read(page, ""), pages * 2))
    assert together == alone * 2
    assert [pair.answer for reading in alone for pair in reading.pairs] == ["A-11", "A-22"]


def test_engine_needs_no_network_writes_no_file_and_logs_nothing(tmp_path):
    draw((30, 30, "Name: Ada")).save(tmp_path / "form.png")
    finished = subprocess.run(
        [sys.executable, "-B", "-c", OFFLINE_PROBE, str(tmp_path / "form.png")],
        cwd=MODEL_ROOM,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stderr == ""
    assert finished.stdout == "[] [('Name:', 'Ada')]\n"


@pytest.mark.parametrize(
    ("said", "cores"),
    [("1", 1), ("3", 3), ("4,2", 4), ("0", 1), ("", ALLOWED), ("all", ALLOWED)],
)
def test_takes_the_cores_that_the_environment_grants(
    said: str, cores: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert usable_cores() == cores


def on_one_core() -> int:
    """Return the cores of a thread that is allowed one; others keep theirs."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return usable_cores()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the affinity of a thread")
def test_takes_no_cores_that_a_container_does_not_allow(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(on_one_core).result() == 1
