"""What a page looks like: numbers that follow its scan and its layout, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from ocr_extractor.documents.appearance import GRID, appearance


def page(*, ink: int = 0, paper: int = 255, at: tuple[int, int] = (100, 100)) -> Image.Image:
    """Return a page with twenty lines of strokes below a corner."""
    image = Image.new("L", (800, 1000), paper)
    draw = ImageDraw.Draw(image)
    for line in range(20):
        for stroke in range(30):
            x, y = at[0] + 8 * stroke, at[1] + 16 * line
            draw.rectangle((x, y, x + 3, y + 9), fill=ink)
    return image


def distance(one: Image.Image, other: Image.Image) -> float:
    layouts = [np.array(appearance(each)["layout"]) for each in (one, other)]
    return float(np.abs(layouts[0] - layouts[1]).mean())


def test_contrast_is_the_step_from_paper_to_ink() -> None:
    assert appearance(page())["contrast"] == 1.0
    assert appearance(page(ink=120, paper=200))["contrast"] == pytest.approx(80 / 255, abs=0.01)


def test_a_pale_scan_has_the_ink_and_the_layout_of_a_good_one() -> None:
    good, pale = appearance(page()), appearance(page(ink=170, paper=220))
    assert pale["ink"] == pytest.approx(good["ink"], abs=0.001)
    assert pale["layout"] == good["layout"]


def test_a_blurred_scan_is_less_sharp() -> None:
    blurred = page().filter(ImageFilter.GaussianBlur(2))
    assert appearance(page())["sharpness"] == 1.0
    assert appearance(blurred)["sharpness"] < 0.6


def test_another_layout_is_farther_than_another_scan() -> None:
    moved = page(at=(106, 95))
    elsewhere = page(at=(450, 600))
    assert distance(page(), elsewhere) > 5 * distance(page(), moved)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [(1, 1), (3, 4000), (800, 1000)])
def test_a_blank_page_of_any_size_has_no_ink(mode: str, size: tuple[int, int]) -> None:
    found = appearance(Image.new(mode, size, "white"))
    assert found == {
        "contrast": 0.0,
        "sharpness": 0.0,
        "ink": 0.0,
        "layout": [0] * (GRID[0] * GRID[1]),
    }
