"""Compares extractors, prompts, LLMs or settings on the same forms."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mlflow.exceptions import MlflowException

from entry_points.command_line import cli, flags
from entry_points.command_line.store_watch import needs_store
from entry_points.comparing.candidate_runs import READING_FLAGS, run
from entry_points.comparing.candidates import read_candidates

_BASE_FLAGS = ("engine", "llm", "prompt-name", "model-name", "settings")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(__doc__, *READING_FLAGS, *_BASE_FLAGS, "repeats")
    parser.add_argument(
        "--candidates",
        required=True,
        help="two or more, separated by commas; the others are measured against the first. One is "
        "models:/<name>/<version>, or what to log: prompts:/<name>/<version>, openai, local, or "
        "settings, local;max_size=1500;llm=... Or a .yaml or .json file with a list of them, each "
        "with a name and its settings",
    )
    return parser


@cli.reports(MlflowException)
@needs_store()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    base = flags.flags_of(args, (*_BASE_FLAGS, "max-concurrency"))
    return run(args, read_candidates(args.candidates, base))


if __name__ == "__main__":
    raise SystemExit(main())
