"""Runs the tests with the interpreter of the project's environment."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from entry_points import ROOT
from entry_points.command_line import cli
from entry_points.command_line.ending import run_child

# What pytest -m chooses; tests/tiers.py marks what is slow.
TIERS = {"standard": "not slow", "rest": "slow and not measures", "full": ""}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--tier",
        default="standard",
        choices=TIERS,
        help="standard takes minutes; rest is what it leaves out, without tests that take "
        "minutes each; full is all",
    )
    parser.add_argument(
        "--select",
        **cli.ValueOr("all").as_default,
        help="only tests whose names match, as pytest -k, or all",
    )
    return parser


def test(tier: str, select: str) -> int:
    """Run pytest in the project's folder, `-k select` unless that is ""; return its exit code."""
    # The tests of a file share servers and runs, so they stay in one process. In the order of the
    # folders the long files do not come last, when the other processes have nothing left to do.
    # One process more than cores: many tests wait for a server, a timeout, or another process.
    processes = str(min((os.cpu_count() or 1) + 1, 4))
    beside = ["-n", processes, "--dist=loadfile", "--no-loadscope-reorder"]
    command = [sys.executable, "-m", "pytest", "-q", "tests", "-m", TIERS[tier], *beside]
    if select:
        command += ["-k", select]
    # Each core has a process: OCR with a thread a core in each takes 1.6 times the CPU time.
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    return run_child(command, cwd=ROOT, OMP_NUM_THREADS=threads)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    return test(args.tier, args.select)


if __name__ == "__main__":
    raise SystemExit(main())
