"""Runs the tests with the interpreter of the project's environment."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from entry_points import ROOT
from entry_points.command_line import cli


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--select",
        default="all",
        type=cli.ValueOr("all"),
        help="only tests whose names match, as pytest -k, or all",
    )
    return parser


def test(select: str) -> int:
    """Run pytest in the project's folder and return its exit code.

    Args:
        select: An expression for `pytest -k`, "" for all tests.
    """
    # A file's tests share their servers and runs, so they stay in one process.
    beside = ["-n", "auto", "--maxprocesses=4", "--dist=loadfile"]
    command = [sys.executable, "-m", "pytest", "tests", *beside]
    if select:
        command += ["-k", select]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - fixed program


def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    return test(build_parser().parse_args(argv).select)


if __name__ == "__main__":
    raise SystemExit(main())
