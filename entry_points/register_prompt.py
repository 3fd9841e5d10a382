"""Registers a prompt template; an identical one makes no new version."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import PromptVersion
from mlflow.exceptions import MlflowException

from data.funsd import load_folder, pick_form
from entry_points import cli
from entry_points.optimizing.examples import fill, has_place, write_example
from ocr_extractor.engines.local.text import document_text
from ocr_extractor.errors import DocumentError, PromptError
from ocr_extractor.template import check_template

TEMPLATE = "model/prompts/ocr-question-answer.md"


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


def add_commit_message(parser: argparse.ArgumentParser) -> None:
    """Add the flag --commit-message."""
    parser.add_argument(
        "--commit-message",
        default="none",
        type=cli.ValueOr("none"),
        help="what changed, for those who read it, or none",
    )


def add_examples(parser: argparse.ArgumentParser) -> None:
    """Add the flag --examples."""
    parser.add_argument(
        "--examples",
        default="none",
        type=cli.IDS,
        help="ids of forms of --dataset, to stand in {{ examples }}: a,b; or none",
    )


def register_prompt(
    name: str,
    template: str,
    *,
    alias: str = "",
    commit_message: str = "",
    tags: Mapping[str, str] | None = None,
) -> PromptVersion:
    """Register a template unless the registry has it already; set an alias if one is given.

    The first version of a prompt also becomes `production`, so that there is one to load.

    Args:
        name: The prompt's name.
        template: Its text.
        alias: The alias to set, "" for none.
        commit_message: What changed, "" for none.
        tags: Tags of a new version.

    Returns:
        The new version, or the newest one with the same text.

    Raises:
        PromptError: The template is empty, broken, or uses variables that are not supplied.
    """
    check_template(template)
    versions = list_versions(name)
    same = next((version for version in versions if version.template == template), None)
    version = same or mlflow.genai.register_prompt(
        name, template, commit_message=commit_message or None, tags=dict(tags or {})
    )
    wanted = {alias} | (set() if versions else {cli.PRODUCTION})
    for each in sorted(wanted - {""}):
        mlflow.genai.set_prompt_alias(name, alias=each, version=int(version.version))
    state = "already registered" if same else "registered"
    print(f"Prompt prompts:/{name}/{version.version} {state}: {len(template):,} characters.")
    for each in sorted(wanted - {""}):
        print(f"Alias {each} points at version {version.version}.")
    return version


def list_versions(name: str) -> list[PromptVersion]:
    """Return a prompt's versions, newest first; none when there is no such prompt."""
    client = mlflow.MlflowClient()
    if client.get_prompt(name) is None:
        return []
    return sorted(
        client.search_prompt_versions(name), key=lambda version: int(version.version), reverse=True
    )


def put_examples(template: str, form_ids: Sequence[str], dataset: Path) -> str:
    """Fill `{{ examples }}` with forms: what an OCR engine reads on them, and their pairs.

    Args:
        template: The template.
        form_ids: The forms; none leaves the template as it is.
        dataset: The FUNSD-layout folder that has them.

    Raises:
        UsageError: There are forms and no place for them, or a place and no forms.
        DatasetError: There is no such form.
        DocumentError: A form cannot be read.
    """
    if has_place(template) != bool(form_ids):
        raise cli.UsageError(
            "a template with {{ examples }} needs -P examples=<form id>,<form id>, and no other "
            "template has a place for them."
        )
    if not form_ids:
        return template
    forms = load_folder(dataset)
    chosen = [pick_form(forms, form_id, seed=0) for form_id in form_ids]
    return fill(
        template,
        [write_example(each, document_text(each.image_path.read_bytes())) for each in chosen],
    )


def example_tags(form_ids: Sequence[str]) -> dict[str, str]:
    """Return the tags that say which forms stand in a prompt as examples."""
    return {"examples": ",".join(form_ids)} if form_ids else {}


def read_template(path: str) -> str:
    """Return the text of --template.

    Raises:
        UsageError: It is no file.
    """
    file = cli.in_project(path)
    if not file.is_file():
        raise cli.UsageError(f"{file} is not a file: give --template a text file.")
    return file.read_text(encoding="utf-8")


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
