"""Child of the distortions suite: pair F1 of the local engine on turned, skewed and pale copies."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from PIL import Image, ImageOps
from tqdm import tqdm

from data.forms import Form
from data.funsd import load_folder
from entry_points.scoring.forms import Truth, aggregate, score_form
from ocr_extractor.contract import Pair
from ocr_extractor.engines.base import Page
from ocr_extractor.engines.local import LocalEngine
from ocr_extractor.page import open_document

AS_GIVEN = "as given"
_PAPER, _INK = 185, 135


def _pale(page: Image.Image) -> Image.Image:
    """Return the page in grey on grey, a fifth of the range apart."""
    grey = (_INK,) * 3, (_PAPER,) * 3
    return ImageOps.colorize(ImageOps.grayscale(page), *grey)


def _skewed(degrees: float, page: Image.Image) -> Image.Image:
    """Return the page turned counterclockwise, on white."""
    return page.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")


DISTORTIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    AS_GIVEN: lambda page: page,
    **{f"skewed by {angle:+}": partial(_skewed, angle) for angle in (-5, -2, 2, 5)},
    **{f"turned by {angle}": partial(_skewed, angle) for angle in (90, 180, 270)},
    "low contrast": _pale,
}


def main() -> None:
    """Print pair F1 by distortion; arguments: dataset, most forms."""
    forms = load_folder(Path(sys.argv[1]), limit=int(sys.argv[2]), seed=42)
    engine = LocalEngine()
    figures = {}
    for name, distort in tqdm(DISTORTIONS.items(), unit="copy"):
        scores = [
            score_form(
                Truth.of(form),
                {"pairs": [pair.to_dict() for pair in _read(engine, form, distort)]},
            )
            for form in forms
        ]
        figures[name] = aggregate(scores)["pair_f1"]
    print(json.dumps(figures))


def _read(
    engine: LocalEngine, form: Form, distort: Callable[[Image.Image], Image.Image]
) -> Iterator[Pair]:
    document = open_document(form.image_path.read_bytes())
    for number in range(1, document.page_count + 1):
        yield from engine.read(Page(number, distort(document.page(number).image)), "").pairs
    document.close()


if __name__ == "__main__":
    main()
