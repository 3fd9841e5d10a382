"""Trains the bundled ranker of fields on drawn documents: `python -m` this, `--output FOLDER`.

Their words are what an OCR would read, with its faults; no OCR runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from data.field_schema import parse_schema
from data.generator.trade.documents import KINDS, draw_document
from data.generator.trade.ocr_faults import draw_faults, read_words
from data.progress import Progress
from entry_points.scoring.fields import FieldTruth
from entry_points.training.field_calibration import fit_curves, fit_odds, judged
from entry_points.training.field_lessons import FieldPage, Lesson, lessons_of
from entry_points.training.field_ranker import Rows, fit_trees, plain, save_trees
from entry_points.training.figures import read_row
from entry_points.training.trees import Growth
from ocr_extractor.engines.local.fields.ranker import TREES, Calibration, Ranker
from ocr_extractor.fields.schema import Schema
from ocr_extractor.ocr.words import Word

if TYPE_CHECKING:
    from data.generator.trade.documents import Kind

_GROWTH = Growth(rounds=300, leaves=31, rate=0.15, share=0.4, least=30)
_ABSENT = 0.3
"""What an absent value counts: drawn documents lack more of what is asked than real ones do."""

_HELD = 10
"""One document of so many is kept for the calibration."""


@dataclass(frozen=True)
class DrawnPages:
    """A drawn document with a schema.

    Attributes:
        schema: What is asked of it.
        truth: Its true values.
        pages: As an OCR may read them.
    """

    schema: Schema
    truth: FieldTruth
    pages: tuple[FieldPage, ...]

    def lessons(self) -> list[Lesson]:
        """Return what it teaches."""
        return lessons_of(self.schema, self.truth.values, self.pages)


def drawn_pages(kind: Kind, seed: int) -> DrawnPages:
    """Draw a document.

    Args:
        kind: What it is.
        seed: From 0.
    """
    drawn = draw_document(kind, seed)
    rng = Random(f"read {kind} {seed}")  # noqa: S311 - nothing is secret here
    faults = draw_faults(rng)
    pages = []
    for number, page in enumerate(drawn.pages, 1):
        read = read_words(page.words, faults, rng)
        words = tuple(Word(w.text, w.box, w.line, w.underlined, w.walled) for w in read)
        pages.append(FieldPage(f"{kind}-{seed}", number, words))
    truth = FieldTruth(parse_schema(drawn.schema, "a drawn schema"), drawn.values)
    return DrawnPages(Schema.parse(drawn.schema), truth, tuple(pages))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m entry_points.training.general_fields", description=__doc__
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of weights")
    parser.add_argument("--documents", type=int, default=9600, help="to draw (default: 9600)")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS, help="of documents")
    parser.add_argument("--rounds", type=int, default=_GROWTH.rounds, help="trees")
    return parser


def train_general(output: Path, documents: int, kinds: Sequence[Kind], rounds: int) -> None:
    """Draw documents and write the ranker's weights into a folder."""
    numbers = [(kind, seed) for seed in range(documents // len(kinds)) for kind in kinds]
    learned, held = [], []
    with ProcessPoolExecutor() as pool:
        for drawn in Progress(
            pool.map(_drawn, numbers, chunksize=8), total=len(numbers), unit="documents"
        ):
            if isinstance(drawn, Rows):
                learned.append(drawn)
            else:
                held.append(drawn)
    output.mkdir(parents=True, exist_ok=True)
    trees = fit_trees(Rows.joined(learned), replace(_GROWTH, rounds=rounds), 0)
    save_trees(trees, output / TREES)
    Calibration().save(output)
    calibrate_general(output, held)


def _drawn(number: tuple[Kind, int]) -> Rows | DrawnPages:
    """Draw a document: what is learned from it, or itself if it is held out."""
    kind, seed = number
    drawn = drawn_pages(kind, seed)
    if seed % _HELD == 0:
        return drawn
    # Not all candidates, which would need four times the memory.
    return Rows.of(drawn.lessons(), np.random.default_rng([seed, KINDS.index(kind)]), plain)


def calibrate_general(folder: Path, held: Sequence[DrawnPages]) -> None:
    """Fit the calibration in a folder of weights to documents that the trees have not seen."""
    ranker = Ranker(folder)
    lessons = [lesson for each in held for lesson in each.lessons()]
    scores = ranker.scores([lesson.asked for lesson in lessons])
    ranker.calibration = fit_odds(zip(lessons, scores, strict=True), _ABSENT)
    values = [
        value
        for each in held
        for row in [read_row(each.schema, each.pages, ranker)]
        for value in judged(each.schema, each.truth, row)
    ]
    replace(ranker.calibration, curves=fit_curves(values)).save(folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = build_parser().parse_args(argv)
    train_general(arguments.output, arguments.documents, arguments.kinds, arguments.rounds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
