"""Suites `accuracy` and `distortions`: how many pairs the local engine reads correctly.

`accuracy` compares it with simpler ways to read, `distortions` with itself on turned, skewed,
photographed and pale copies.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from mlflow import MlflowClient
from PIL import Image, ImageChops, ImageOps

from data.forms import Form
from data.funsd import load_folder
from data.progress import Progress
from entry_points.benchmarks.environment import Environment, encoded, has_tesseract, tesseract
from entry_points.benchmarks.measurements import Measurement
from entry_points.command_line.flags import LIMIT
from entry_points.scoring.forms import Truth
from entry_points.scoring.scores import aggregate
from ocr_extractor.contract import Pair
from ocr_extractor.documents.opener import open_document
from ocr_extractor.engines.base import Page
from ocr_extractor.engines.local.engine import LocalEngine
from ocr_extractor.engines.local.rules import link_by_rules
from ocr_extractor.ocr.recognition import WordReader
from ocr_extractor.ocr.ruled_lines import mark_ruled
from ocr_extractor.ocr.words import Word

_METRIC = "pair_f1"
_AGAINST = {
    "tesseract": "Tesseract + colon",
    "colon": "RapidOCR + colon",
    "rules": "RapidOCR + rules",
}
# The number of forms at a scale just below 1; a scale of 1 takes all.
_FORMS = 20

# Readings of one form, by the name of the reader.
Readings = dict[str, list[Pair]]

AS_GIVEN = "as given"
_PAPER, _INK = 185, 135
_TABLE, _SHADOW = (120, 90, 60), 150


def accuracy(env: Environment, models: Mapping[str, str]) -> list[Measurement]:
    """Score the logged local engine with the entry point evaluate, and simpler readers."""
    limit = env.limit(_FORMS)
    simple = env.child(read_simply, env.dataset, limit)
    ours = _evaluate(env, models["local"], limit)
    return [
        Measurement.once("local engine", _METRIC, ours, title, simple[name])
        for name, title in _AGAINST.items()
        if name in simple
    ]


def _evaluate(env: Environment, model_uri: str, limit: str) -> float:
    words = [sys.executable, "-m", "entry_points.evaluate", "--model-uri", model_uri]
    env.run([*words, "--dataset", str(env.dataset), "--limit", limit, "--cache", "none"])
    client = MlflowClient(env.variables()["MLFLOW_TRACKING_URI"])
    [newest] = client.search_runs(["0"], order_by=["attributes.start_time DESC"], max_results=1)
    return float(newest.data.metrics[_METRIC])


def read_simply(dataset: str, limit: str) -> dict[str, float]:
    """Return pair F1 by simple reader, of at most `limit` forms (a child of `accuracy`)."""
    forms = load_folder(Path(dataset), limit=LIMIT(limit), seed=42)
    words = WordReader()
    readings = [_read_form(form, words.read) for form in forms]
    return {name: _pair_f1(forms, [reading[name] for reading in readings]) for name in readings[0]}


def _pair_f1(forms: Sequence[Form], readings: Sequence[Sequence[Pair]]) -> float:
    scores = [
        Truth.of(form).score({"pairs": [pair.to_dict() for pair in pairs]})
        for form, pairs in zip(forms, readings, strict=True)
    ]
    return aggregate(scores)[_METRIC]


def _read_form(form: Form, read_words: Callable[[Image.Image], list[Word]]) -> Readings:
    document = open_document(form.image_path.read_bytes())
    whole: Readings = {}
    for number in range(1, document.page_count + 1):
        image = document.page(number).image
        words = read_words(image)
        page: Readings = {
            "colon": list(_split_at_colons(_lines(words))),
            "rules": list(link_by_rules(mark_ruled(words, image), number)),
        }
        if has_tesseract():
            page["tesseract"] = list(_split_at_colons(tesseract(encoded(image, "PNG"))))
        for name, pairs in page.items():
            whole.setdefault(name, []).extend(pairs)
    document.close()
    return whole


def _lines(words: list[Word]) -> Iterator[str]:
    for line in dict.fromkeys(word.line for word in words):
        yield " ".join(word.text for word in words if word.line == line)


def _split_at_colons(lines: Iterator[str] | list[str]) -> Iterator[Pair]:
    for line in lines:
        question, colon, answer = line.partition(":")
        if colon and question.strip() and answer.strip():
            yield Pair(question.strip(), answer.strip())


def distortions(env: Environment, models: Mapping[str, str]) -> list[Measurement]:  # noqa: ARG001
    """Score copies of the dataset's forms against the forms as they are given."""
    figures = env.child(read_distorted, env.dataset, env.count(_FORMS, least=1))
    as_given = figures.pop(AS_GIVEN)
    return [
        Measurement.once(name, _METRIC, score, AS_GIVEN, as_given)
        for name, score in figures.items()
    ]


def _pale(page: Image.Image) -> Image.Image:
    """Return the page in two greys that differ by a fifth of the range."""
    grey = (_INK,) * 3, (_PAPER,) * 3
    return ImageOps.colorize(ImageOps.grayscale(page), *grey)


def _skewed(degrees: float, page: Image.Image) -> Image.Image:
    """Return the page turned counterclockwise, on white."""
    return page.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")


def _photographed(page: Image.Image) -> Image.Image:
    """Return the page on a table, seen from aside, in light that falls from the top."""
    width, height = page.size
    size = round(1.3 * width), round(1.2 * height)
    # The page's px x is (a x + b y + c) / (g x + h y + 1) at the photograph's px x, y; y alike.
    seen = (1.06, 0.07, -0.18 * width, -0.05, 1.05, -0.06 * height, -0.1 / width, 0.1 / height)
    photo = page.convert("RGB").transform(
        size, Image.Transform.PERSPECTIVE, seen, Image.Resampling.BICUBIC, fillcolor=_TABLE
    )
    light = (
        Image.linear_gradient("L").resize(size).point(lambda v: 255 - v * (255 - _SHADOW) // 255)
    )
    return ImageChops.multiply(photo, Image.merge("RGB", [light] * 3))


DISTORTIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    AS_GIVEN: lambda page: page,
    **{f"skewed by {angle:+}": partial(_skewed, angle) for angle in (-5, -2, 2, 5)},
    **{f"turned by {angle}": partial(_skewed, angle) for angle in (90, 180, 270)},
    "photographed": _photographed,
    "low contrast": _pale,
}


def read_distorted(dataset: str, limit: str) -> dict[str, float]:
    """Return pair F1 of the local engine by distortion (a child of `distortions`)."""
    forms = load_folder(Path(dataset), limit=int(limit), seed=42)
    engine = LocalEngine()
    return {
        name: _pair_f1(forms, [list(_read(engine, form, distort)) for form in forms])
        for name, distort in Progress(DISTORTIONS.items(), unit="copy")
    }


def _read(
    engine: LocalEngine, form: Form, distort: Callable[[Image.Image], Image.Image]
) -> Iterator[Pair]:
    document = open_document(form.image_path.read_bytes())
    for number in range(1, document.page_count + 1):
        yield from engine.read(Page(number, distort(document.page(number).image)), "").pairs
    document.close()
