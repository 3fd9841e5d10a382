"""Trains the bundled ranker of fields on drawn documents: `python -m` this, `--output FOLDER`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.generator.trade.documents import KINDS
from data.progress import Progress
from entry_points.training.drawn_pages import drawn_pages
from entry_points.training.field_lessons import lessons_of
from entry_points.training.field_ranker import (
    Growth,
    Rows,
    calibrate,
    fit_trees,
    plain,
    save_trees,
)
from ocr_extractor.engines.local.fields.ranker import TREES, Calibration, Ranker

if TYPE_CHECKING:
    from data.generator.trade.documents import Kind

_GROWTH = Growth(rounds=350, leaves=31, rate=0.08, share=0.4, least=30)
_ABSENT = 0.3
"""What an absent value counts: drawn documents lack more of what is asked than real ones do."""

_HELD = 10
"""One document of so many is kept for the calibration."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m entry_points.training.general_fields", description=__doc__
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of weights")
    parser.add_argument("--documents", type=int, default=2400, help="to draw (default: 2400)")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS, help="of documents")
    parser.add_argument("--rounds", type=int, default=_GROWTH.rounds, help="trees")
    return parser


def train_general(output: Path, documents: int, kinds: Sequence[Kind], rounds: int) -> None:
    """Draw documents and write the ranker's weights into a folder."""
    numbers = [(kind, seed) for seed in range(documents // len(kinds)) for kind in kinds]
    learned, held, rng = [], [], np.random.default_rng(0)
    for kind, seed in Progress(numbers, unit="documents"):
        lessons = lessons_of(*drawn_pages(kind, seed))
        if seed % _HELD:
            learned.append(Rows.of(lessons, rng, plain))  # all candidates would need 1 GB
        else:
            held.append(lessons)
    output.mkdir(parents=True, exist_ok=True)
    trees = fit_trees(Rows.joined(learned), replace(_GROWTH, rounds=rounds), 0)
    save_trees(trees, output / TREES)
    Calibration().save(output)
    ranker = Ranker(output)
    scored = [list(zip(each, ranker.scores([x.asked for x in each]), strict=True)) for each in held]
    calibrate(scored, _ABSENT).save(output)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    train_general(arguments.output, arguments.documents, arguments.kinds, arguments.rounds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
