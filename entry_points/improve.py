"""Registers a prompt template and compares it with the champion's, on the development split."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from mlflow.exceptions import MlflowException

from data.splits import split_of
from entry_points.command_line import cli
from entry_points.comparing.candidate_runs import READING_FLAGS, add_repeats, run
from entry_points.comparing.candidates import Candidate
from entry_points.comparing.processes import require_key
from entry_points.logged_models.loading import extractor_config
from entry_points.prompt_versions.registration import register_prompt
from entry_points.prompt_versions.template_file import (
    add_commit_message,
    add_examples,
    example_tags,
    put_examples,
    read_template,
)
from ocr_extractor.errors import DocumentError, PromptError

# Settings of a logged extractor that `log` takes as flags of their own, or a reader replaces.
_NOT_SETTINGS = ("engine", "prompt_uri", "llm", "max_concurrency", "cache")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = cli.parser(__doc__, "model-name", *READING_FLAGS)
    parser.set_defaults(split="development")
    parser.add_argument("--template", required=True, help="the edited template, a text file")
    add_commit_message(parser)
    add_examples(parser)
    add_repeats(parser)
    return parser


def candidates_of(
    model_name: str, template: str, commit_message: str, form_ids: Sequence[str]
) -> list[Candidate]:
    """Return the champion, and a candidate that differs from it by its prompt.

    Args:
        model_name: The registered model.
        template: The prompt's text; registered if it is new.
        commit_message: What changed, "" for none.
        form_ids: The forms that stand in it as examples.

    Raises:
        UsageError: There is no champion, its engine has no use for a prompt, or there is no key.
        PromptError: The template cannot be used.
    """
    champion = f"models:/{model_name}@{cli.CHAMPION}"
    config = extractor_config(champion)
    if config["engine"] != "openai":
        raise cli.UsageError(
            f"{champion} reads with the engine {config['engine']}, which has no use for a prompt: "
            f"`{cli.RUN} -P engine=openai` logs one that has."
        )
    require_key(config)
    prompt_name = config["prompt_uri"].removeprefix("prompts:/").rpartition("/")[0]
    version = register_prompt(
        prompt_name, template, commit_message=commit_message, tags=example_tags(form_ids)
    )
    uri = f"prompts:/{prompt_name}/{version.version}"
    if uri == config["prompt_uri"]:
        raise cli.UsageError(f"{champion} uses this very template: edit it first.")
    settings = {name: value for name, value in config.items() if name not in _NOT_SETTINGS}
    flags = {
        "engine": config["engine"],
        "llm": config["llm"],
        "prompt": uri,
        "prompt-name": prompt_name,
        "model-name": model_name,
        "max-concurrency": str(config["max_concurrency"]),
        "settings": json.dumps(settings),
    }
    return [Candidate(champion, model_uri=champion), Candidate(uri, log_flags=flags)]


@cli.reports(PromptError, DocumentError, MlflowException)
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    template = read_template(args.template)
    for each in args.examples:
        if split_of(each) != "development":
            raise cli.UsageError(
                f"the example {each} is of the validation split, by which a prompt is judged: "
                "choose forms of the development split, which the run of `evaluate -P "
                "split=development` lists."
            )
    filled = put_examples(template, args.examples, cli.in_project(args.dataset))
    args.without += args.examples
    return run(args, candidates_of(args.model_name, filled, args.commit_message, args.examples))


if __name__ == "__main__":
    raise SystemExit(main())
