"""Fetches FUNSD, the real scanned forms that the extractor is measured on."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from data.download import FUNSD, SPLITS, Archive, install, is_unpacked
from data.funsd import load_folder
from entry_points.command_line import cli

OUTPUT = "data/funsd"

TERMS = """\
FUNSD (Jaume, Ekenel and Thiran, 2019) is for non-commercial research and education only, and its
pages may not be redistributed: git ignores the folder they are put in by default.
See https://guillaumejaume.github.io/FUNSD/"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this entry point's flags."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--output", default=OUTPUT, help="folder for the splits; relative to the project"
    )
    return parser


def download(output: Path, archive: Archive = FUNSD) -> None:
    """Put the archive's splits into `output`, unless they are there, and say what to do next.

    Raises:
        DatasetError: The archive cannot be fetched, or is not the one expected.
    """
    print(TERMS)
    if is_unpacked(output):
        print(f"\nalready there: {output}")
    else:
        print(f"\nfetching {archive.url} ({archive.size / 1e6:.1f} MB)", flush=True)
        install(archive, output)
    for split in SPLITS:
        print(f"{len(load_folder(output / split))} forms in {output / split}")
    dataset = shlex.quote(str(output / SPLITS[0]))
    print(f"\nnext: {cli.RUN} -e preview -P dataset={dataset}")


@cli.reports()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point; return the process's exit code."""
    args = build_parser().parse_args(argv)
    download(cli.in_project(args.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
