"""Registers a prompt template; an identical one makes no new version."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from mlflow.exceptions import MlflowException

from entry_points.command_line import cli
from entry_points.prompt_versions.registration import TEMPLATE, register_prompt
from entry_points.prompt_versions.template_file import (
    add_commit_message,
    add_examples,
    example_tags,
    put_examples,
    read_template,
)
from ocr_extractor.errors import DocumentError, PromptError


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__, "prompt-name", "dataset")
    parser.add_argument("--template", default=TEMPLATE, help="the template, a text file")
    parser.add_argument(
        "--alias",
        default="none",
        type=cli.ValueOr("none"),
        help="point this alias at the version, or none",
    )
    add_commit_message(parser)
    parser.add_argument(
        "--tags",
        default="none",
        type=cli.ValueOr("none"),
        help='a JSON object of texts, {"author": "..."}, or none',
    )
    add_examples(parser)
    return parser


@cli.reports(PromptError, DocumentError, MlflowException)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    template = read_template(args.template)
    try:
        tags = json.loads(args.tags or "{}")
    except json.JSONDecodeError as error:
        raise cli.UsageError(f'--tags is not JSON ({error}): write {{"author": "..."}}.') from None
    version = register_prompt(
        args.prompt_name,
        put_examples(template, args.examples, cli.in_project(args.dataset)),
        alias=args.alias,
        commit_message=args.commit_message,
        tags={str(key): str(value) for key, value in tags.items()} | example_tags(args.examples),
    )
    print(f"Next: {cli.RUN} -e log -P prompt=prompts:/{args.prompt_name}/{version.version}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
