"""Draws office forms in FUNSD layout: `python -m data.generate --output FOLDER`.

Without `--count` it makes the shipped samples of `data/samples` again; with it, that many random
forms; with `--fields`, the invoices, orders and receipts of `data/samples-fields`; with `--kind`,
a dataset of that many random documents of a kind, whose fields are known. The same seed makes the
same annotations and the same pixels.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.generator.business_documents import write_field_samples
from data.generator.documents import Format, make_page, write_document
from data.generator.page import draw_habits, draw_plan
from data.generator.samples import write_samples
from data.generator.scan import draw_scan
from data.generator.trade.dataset import write_dataset
from data.generator.trade.documents import KINDS
from data.progress import Progress

_log = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m data.generate", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder to write into")
    parser.add_argument(
        "--count", type=int, help="forms or documents to draw (default: the samples)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn by lot (default: 0)")
    parser.add_argument(
        "--plain", action="store_true", help="random forms without habits, see Style.habits"
    )
    parser.add_argument(
        "--fields", action="store_true", help="invoices, orders and receipts with true fields"
    )
    parser.add_argument(
        "--kind", choices=KINDS, help="draw --count documents of this kind with a schema and fields"
    )
    return parser


def generate(output: Path, count: int, seed: int, *, plain: bool = False) -> None:
    """Draw random forms: `images/form-00000.png` (or .jpg) and on, with their annotations.

    Args:
        output: Folder to write into; made if missing, files of the same names are replaced.
        count: How many. A form depends on its number, not on the count.
        seed: From 0.
        plain: Whether no form has habits; those of the others are the same either way.
    """
    _make_folders(output)
    for number in Progress(range(count), unit="forms"):
        rng = np.random.default_rng([seed, number])
        plan = draw_plan(rng)
        if not plain:
            plan = replace(plan, habits=draw_habits(np.random.default_rng([seed, number, 1])))
        how = draw_scan(rng)
        page = make_page(plan, how, rng, plan.size)
        # What keeps its greys comes from office scanners, which write JPEG.
        kind: Format = "png" if how.paper is None else "jpg"
        write_document(output, f"form-{number:05d}", [page], kind)


def _make_folders(output: Path) -> None:
    for part in ("images", "annotations"):
        (output / part).mkdir(parents=True, exist_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.count is not None and arguments.count < 1:
        parser.error(f"--count is {arguments.count}: give a number of forms from 1.")
    if arguments.kind and arguments.count is None:
        parser.error("--kind needs --count: give the number of documents.")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.kind:
        write_dataset(arguments.output, arguments.kind, arguments.count, arguments.seed)
    elif arguments.fields:
        write_field_samples(arguments.output)
    elif arguments.count is None:
        _make_folders(arguments.output)
        write_samples(arguments.output)
    else:
        generate(arguments.output, arguments.count, arguments.seed, plain=arguments.plain)
    _log.info("documents written to %s", arguments.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
