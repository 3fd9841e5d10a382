"""Registers a prompt template and compares it with the champion's, on the development split."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from mlflow.exceptions import MlflowException

from data.splits import split_of
from entry_points.command_line import cli, flags
from entry_points.command_line.store_watch import needs_store
from entry_points.comparing.candidate_runs import READING_FLAGS, run
from entry_points.comparing.candidates import Candidate
from entry_points.comparing.processes import require_key
from entry_points.logged_models.loading import extractor_config
from entry_points.prompt_versions.prompt_files import example_tags, put_examples, read_schema
from entry_points.prompt_versions.registration import load_version, register_prompt, schema_of
from ocr_extractor.errors import DocumentError, PromptError

# Settings of a logged extractor that `log` takes as flags of their own, or a reader replaces.
_NOT_SETTINGS = ("engine", "prompt_uri", "llm", "max_concurrency", "cache")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the entry point's flags."""
    parser = flags.parser(
        __doc__, "model-name", *READING_FLAGS, "commit-message", "examples", "repeats"
    )
    parser.set_defaults(split="development")
    parser.add_argument(
        "--schema",
        **cli.ValueOr("auto").as_default,
        help="another schema, as in register_prompt; auto: the champion's",
    )
    parser.add_argument("--template", required=True, help="the edited template, a text file")
    return parser


def candidates_of(args: argparse.Namespace) -> list[Candidate]:
    """Return the champion, and a candidate with another prompt, which is registered if it is new.

    Raises:
        UsageError: There is no champion, its engine has no use for a prompt, there is no key, or a
            flag cannot be used.
        PromptError: The template cannot be used.
    """
    champion = f"models:/{args.model_name}@{cli.CHAMPION}"
    config = extractor_config(champion)
    if config["engine"] != "openai":
        raise cli.UsageError(
            f"{champion} reads with the engine {config['engine']}, which has no use for a prompt: "
            f"`{cli.RUN} -P engine=openai` logs one that has."
        )
    require_key(config)
    prompt_name = config["prompt_uri"].removeprefix("prompts:/").rpartition("/")[0]
    template = cli.read_text(args.template, "--template")
    schema = read_schema(args.schema) or schema_of(load_version(config["prompt_uri"]))
    version = register_prompt(
        prompt_name,
        put_examples(template, args.examples, cli.in_project(args.dataset), schema),
        schema=schema,
        commit_message=args.commit_message,
        tags=example_tags(args.examples),
    )
    uri = f"prompts:/{prompt_name}/{version.version}"
    if uri == config["prompt_uri"]:
        raise cli.UsageError(f"{champion} uses this very prompt: edit the template first.")
    settings = {name: value for name, value in config.items() if name not in _NOT_SETTINGS}
    log_flags = {
        "engine": config["engine"],
        "llm": config["llm"],
        "prompt": uri,
        "prompt-name": prompt_name,
        "model-name": args.model_name,
        "max-concurrency": str(config["max_concurrency"]),
        "settings": json.dumps(settings),
    }
    return [Candidate(champion, model_uri=champion), Candidate(uri, log_flags=log_flags)]


@cli.reports(PromptError, DocumentError, MlflowException)
@needs_store()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the entry point."""
    args = build_parser().parse_args(argv)
    for each in args.examples:
        if split_of(each) != "development":
            raise cli.UsageError(
                f"the example {each} is of the validation split, by which a prompt is judged: "
                "choose forms of the development split, which the run of `evaluate -P "
                "split=development` lists."
            )
    args.without += args.examples
    return run(args, candidates_of(args))


if __name__ == "__main__":
    raise SystemExit(main())
