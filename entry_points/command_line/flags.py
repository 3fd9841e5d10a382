"""The flags that several commands have: how they are read and checked, and handed on."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from data.splits import SPLITS, Split
from entry_points.command_line import cli
from entry_points.command_line.cli import (
    CHAMPION,
    FILES,
    MODEL_NAME,
    PRODUCTION,
    PROMPT_NAME,
    SWITCH,
    AtLeast,
    UsageError,
    ValueOr,
    read_file,
)

DATASET = "data/samples"
"""The default of --dataset."""


def ids(text: str) -> tuple[str, ...]:
    """Read names that are separated by commas."""
    return tuple(each.strip() for each in text.split(",") if each.strip())


LIMIT = ValueOr("all", None, AtLeast(1), "a whole number from 1")
IDS = ValueOr("none", (), ids, "a list of ids, a,b")
_USD = ValueOr("none", None, AtLeast(0, float), "an amount from 0")


def _precision(text: str) -> float:
    share = float(text)
    if not 0 < share < 1:
        raise ValueError(text)
    return share


def model_uri(text: str) -> str:
    """Read the URI of a model. MLproject checks the same for `mlflow run`.

    Raises:
        ArgumentTypeError: It has no scheme.
    """
    if ":/" not in text:
        raise argparse.ArgumentTypeError(
            f"{text[:80]!r} is not a URI: give models:/<name>/<version>, models:/<name>@<alias>"
            " or file:///<folder>"
        )
    return text


_COMMON: dict[str, dict[str, Any]] = {
    "dataset": {
        "default": DATASET,
        "help": "a folder with images/ and annotations/ (FUNSD layout), or images/, fields/ and "
        "schema.json; relative to the project",
    },
    "engine": {
        "default": "auto",
        "choices": ("auto", "openai", "local"),
        "help": "what reads the pages; auto: openai if a key or server is set, else local",
    },
    "llm": {
        **ValueOr("auto").as_default,
        "help": "the LLM's name as its server knows it; auto: the default of the setting llm",
    },
    "prompt": {
        **ValueOr("auto").as_default,
        "help": "prompts:/<name>/<version> or prompts:/<name>@<alias>; "
        f"auto: prompts:/<prompt-name>@{PRODUCTION}",
    },
    "schema": {
        **ValueOr("none").as_default,
        "help": "the fields to read: a .json or .yaml file with a JSON Schema, <module>:<Class> of "
        "a pydantic model, or none; registered with the template as one prompt version",
    },
    "prompt-name": {"default": PROMPT_NAME, "help": "the prompt's name in the registry"},
    "model-name": {"default": MODEL_NAME, "help": "the registered model's name"},
    "model-uri": {
        "default": f"models:/{MODEL_NAME}@{CHAMPION}",
        "type": model_uri,
        "help": "the logged extractor: models:/<name>/<version>, models:/<name>@<alias>, ...",
    },
    "split": {
        "default": "all",
        "choices": ("all", *SPLITS),
        "help": "the forms to take: development to improve on, validation to judge by, or all",
    },
    "without": {
        **IDS.as_default,
        "help": "ids of forms to leave out, separated by commas, or none",
    },
    "limit": {**LIMIT.as_default, "help": "at most this many forms, or all"},
    "seed": {"default": "42", "type": int, "help": "which forms are drawn when there is a limit"},
    "max-concurrency": {"default": "8", "type": AtLeast(1), "help": "most pages read at once"},
    "cache": {
        "default": ".cache/completions.sqlite",
        "type": ValueOr("none"),
        "help": "a file that keeps LLM completions, so that no page is paid for twice, or none",
    },
    "max-cost": {
        **_USD.as_default,
        "help": "stop before costing more than this, USD, or none",
    },
    "precision": {
        **ValueOr("none", None, _precision, "a share below 1, such as 0.99").as_default,
        "help": "find the confidences from which on this share of a field's values is right, or "
        "none",
    },
    "local-weights": {
        **ValueOr("auto").as_default,
        "help": "the local engine's weights, runs:/<id>/local_weights of train; auto: "
        "the bundled ones",
    },
    "verbose": {**SWITCH, "help": "print every metric, more forms, and what MLflow says"},
    "repeats": {
        "default": "1",
        "type": AtLeast(1),
        "help": "how often each reads the forms: their mean counts, their spread is the LLM's "
        "noise",
    },
    "commit-message": {
        **ValueOr("none").as_default,
        "help": "what changed, for those who read it, or none",
    },
    "examples": {
        **IDS.as_default,
        "help": "ids of forms of --dataset, to stand in {{ examples }}: a,b; or none",
    },
    "settings": {
        "default": "none",
        "help": 'other settings: a JSON object, {"max_size": 1500}, or a .yaml or .json file with '
        "one; see docs/settings.md",
    },
}


# What the entry point log takes, and main hands on to it.
LOG_FLAGS = (
    "engine",
    "llm",
    "prompt",
    "schema",
    "prompt-name",
    "model-name",
    "max-concurrency",
    "settings",
    "local-weights",
)


def parser(description: str | None, *common: str) -> argparse.ArgumentParser:
    """Build an entry point's parser with some of the flags of `_COMMON`."""
    built = cli.parser(description)
    for name in common:
        built.add_argument(f"--{name}", **_COMMON[name])
    return built


def optional_split(text: str) -> Split | None:
    """Read --split; None stands for all forms."""
    return next((split for split in SPLITS if split == text), None)


def reading_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the extractor's settings that the flags --max-concurrency and --cache replace."""
    cache = str(cli.in_project(args.cache)) if args.cache else ""
    return {"max_concurrency": args.max_concurrency, "cache": cache}


def flags_of(args: argparse.Namespace, names: Sequence[str]) -> dict[str, str]:
    """Return some of the common flags as they were given, by name."""
    given = {}
    for name in names:
        value, kind = getattr(args, name.replace("-", "_")), _COMMON[name].get("type")
        given[name] = kind.write(value) if isinstance(kind, ValueOr) else str(value)
    return given


def read_settings(text: str) -> dict[str, Any]:
    """Read --settings: a JSON object, a file that holds one, or "none".

    Raises:
        UsageError: There is no such file, it is not an object, or it holds a password.
    """
    if text == "none":
        return {}
    if text.endswith(FILES):
        settings, source = read_file(text, "--settings"), text
    else:
        source = "--settings"
        try:
            settings = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            # The text is not shown: it may hold a password.
            raise UsageError(
                f'--settings is not JSON ({error}): write {{"key": value}}, or name a .yaml or '
                ".json file with keys and values."
            ) from None
    if not isinstance(settings, dict):
        raise UsageError(
            f'{source} is not a JSON object: write {{"key": value}}, or name a .yaml or .json file '
            "with keys and values."
        )
    refuse_secret(settings)
    return settings


def refuse_secret(settings: Mapping[str, Any]) -> None:
    """Refuse a password in `base_url` before it is logged or handed to another process.

    The logged code refuses it too, but some commands must not import that code.

    Raises:
        UsageError: There is one; it is not shown.
    """
    url = str(settings.get("base_url", ""))
    if "@" not in url and "?" not in url:
        return
    run_id = os.environ.get("MLFLOW_RUN_ID")
    kept = (
        f" MLflow has kept it among the parameters of run {run_id}: delete that run (`mlflow runs "
        f"delete --run-id {run_id}`, then `mlflow gc --run-ids {run_id}`), and change the password."
        if run_id
        else ""
    )
    raise UsageError(
        "base_url holds a user name, a password or a query (what stands before @ or after ?): "
        "write http://host:port/v1, and put the server's key into the environment variable "
        f"OPENAI_API_KEY.{kept}"
    )


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Bind what --host and --port name, 0 for a port that is free; the server then listens.

    Raises:
        UsageError: The port is in use, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(
                f"{host}:{port} cannot be listened on ({reason}): give another --port or --host."
            ) from error
        yield listener
