"""Pages for training without an OCR: the samples' annotated words, as if read without fault."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from data.forms import Form
from data.funsd import load_folder
from entry_points import ROOT
from entry_points.training.pages import TrainingPage
from entry_points.training.truth import PageTruth
from ocr_extractor.engines.local.learned.ink import find_ink
from ocr_extractor.ocr.words import Word

LINE_HEIGHT = 14


def page_of(form: Form) -> TrainingPage:
    """Return a form's first page; words of about the same height on it are a text line."""
    entities = [entity for entity in form.entities if entity.page == 1]
    found = [
        Word(word.text, word.box, (word.box[1] + word.box[3]) // (2 * LINE_HEIGHT))
        for entity in entities
        for word in entity.words
        if word.text.strip()
    ]
    words = tuple(sorted(found, key=lambda word: (word.line, word.box[0])))
    blank = Image.fromarray(np.full((1000, 800), 255, np.uint8))
    return TrainingPage(form, words, find_ink(words, blank), PageTruth(form, 1))


@pytest.fixture(scope="session")
def pages() -> list[TrainingPage]:
    return [page_of(form) for form in load_folder(ROOT / "data" / "samples", limit=6)]
