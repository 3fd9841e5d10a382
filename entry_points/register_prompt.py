"""Registers a prompt template, with a schema if one is given; the same ones make no new version."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from mlflow.exceptions import MlflowException

from entry_points.command_line import cli, flags
from entry_points.command_line.store_watch import needs_store
from entry_points.command_line.tracking import name_run
from entry_points.prompt_versions.prompt_files import example_tags, put_examples, read_schema
from entry_points.prompt_versions.registration import (
    FIELDS_TEMPLATE,
    TEMPLATE,
    point_alias,
    register_prompt,
)
from ocr_extractor.errors import DocumentError, PromptError


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(__doc__, "prompt-name", "schema", "dataset", "commit-message", "examples")
    parser.add_argument(
        "--template",
        **cli.ValueOr("auto").as_default,
        help=f"the template, a text file; auto: {FIELDS_TEMPLATE} with a schema, else {TEMPLATE}",
    )
    parser.add_argument(
        "--alias", **cli.ValueOr("none").as_default, help="point this alias at the version, or none"
    )
    parser.add_argument(
        "--tags",
        **cli.ValueOr("none").as_default,
        help='a JSON object of texts, {"author": "..."}, or none',
    )
    return parser


def _read_tags(text: str) -> dict[str, str]:
    try:
        tags = json.loads(text or "{}")
    except (json.JSONDecodeError, RecursionError) as error:
        raise cli.UsageError(f'--tags is not JSON ({error}): write {{"author": "..."}}.') from None
    if not isinstance(tags, dict):
        raise cli.UsageError(
            f'--tags is {text[:80]!r}, which is not an object: write {{"author": "..."}}.'
        )
    return {key: str(value) for key, value in tags.items()}


@cli.reports(PromptError, DocumentError, MlflowException)
@needs_store()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    schema = read_schema(args.schema)
    shipped = FIELDS_TEMPLATE if schema else TEMPLATE
    template = cli.read_text(args.template or shipped, "--template")
    version = register_prompt(
        args.prompt_name,
        put_examples(template, args.examples, cli.in_project(args.dataset), schema),
        schema=schema,
        commit_message=args.commit_message,
        tags=_read_tags(args.tags) | example_tags(args.examples),
    )
    if args.alias:
        point_alias(args.alias, version)
    name_run(f"register_prompt {args.prompt_name}/{version.version}")
    print(f"Next: {cli.RUN} -e log -P prompt=prompts:/{args.prompt_name}/{version.version}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
