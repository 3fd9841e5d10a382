"""Child of the accuracy suite: pair F1 of simpler ways to read the forms."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from data.forms import Form
from data.funsd import load_folder
from entry_points.benchmarks.throughput import has_tesseract
from entry_points.cli import LIMIT
from entry_points.scoring.forms import Truth, aggregate, score_form
from ocr_extractor.contract import Pair
from ocr_extractor.engines.local.ocr import WordReader
from ocr_extractor.engines.local.rules import link_by_rules
from ocr_extractor.engines.local.ruling import mark_ruled
from ocr_extractor.engines.local.words import Word
from ocr_extractor.page import open_document

# Readings of one page, by the name of the reader.
Readings = dict[str, list[Pair]]


def main() -> None:
    """Print pair F1 by reader; arguments: dataset, most forms."""
    forms = load_folder(Path(sys.argv[1]), limit=LIMIT(sys.argv[2]), seed=42)
    words = WordReader()
    readings = {form.form_id: _read_form(form, words.read) for form in forms}
    figures = {}
    for name in next(iter(readings.values())):
        scores = [
            score_form(
                Truth.of(form),
                {"pairs": [pair.to_dict() for pair in readings[form.form_id][name]]},
            )
            for form in forms
        ]
        figures[name] = aggregate(scores)["pair_f1"]
    print(json.dumps(figures))


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
            page["tesseract"] = list(_split_at_colons(_tesseract(image)))
        for name, pairs in page.items():
            whole.setdefault(name, []).extend(pairs)
    document.close()
    return whole


def _lines(words: list[Word]) -> Iterator[str]:
    for line in dict.fromkeys(word.line for word in words):
        yield " ".join(word.text for word in words if word.line == line)


def _tesseract(image: Image.Image) -> list[str]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    command = ["tesseract", "-", "-"]
    done = subprocess.run(command, input=buffer.getvalue(), capture_output=True, check=True)  # noqa: S603
    return done.stdout.decode().splitlines()


def _split_at_colons(lines: Iterator[str] | list[str]) -> Iterator[Pair]:
    for line in lines:
        question, colon, answer = line.partition(":")
        if colon and question.strip() and answer.strip():
            yield Pair(question.strip(), answer.strip())


if __name__ == "__main__":
    main()
