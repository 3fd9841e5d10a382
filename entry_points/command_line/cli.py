"""What the entry points share: parsers, the flags they have in common, and how they report."""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import yaml

from data.errors import DatasetError
from data.splits import SPLITS, Split
from entry_points import ROOT
from entry_points.command_line.rights import errors_of_server, missing_right, without_password
from entry_points.command_line.tracking import quiet_mlflow

MODEL_NAME = "ocr-extractor"
PROMPT_NAME = "ocr-question-answer"
CHAMPION = "champion"
PRODUCTION = "production"

# What a flag that says yes or no takes; YAML's false would arrive as "False".
BOOLEANS = {"true": True, "false": False}

# Control characters, marks that set the direction of writing, and surrogates.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

# The start of every command that is shown to a user; its parameters follow.
RUN = "mlflow run . --env-manager uv"

STOPPED = 130
"""The exit code of a command that Ctrl-C or SIGTERM ended."""


# The suffixes of files that a flag accepts in place of a text.
FILES = (".yaml", ".yml", ".json")

_SHOWN = 80
"""A message shows this many characters of a wrong value."""


def ids(text: str) -> tuple[str, ...]:
    """Read names that are separated by commas."""
    return tuple(each.strip() for each in text.split(",") if each.strip())


def _text(text: str) -> str:
    """Read a text that is not empty: the word "none" says it more clearly."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty: give a value (--help lists the words)")
    return text


@dataclass(frozen=True)
class ValueOr:
    """The type of a flag that takes a value, or one word in its place.

    Attributes:
        word: "none" (nothing), "all" (everything), or "auto" (what the flag's help says).
        absent: What the word stands for in the code.
        read: Reads any other text.
        kind: What such a text is, for the message about a wrong one.
    """

    word: Literal["none", "all", "auto"]
    absent: Any = ""
    read: Callable[[str], Any] = str
    kind: str = "a text"

    def __call__(self, text: str) -> Any:
        """Read the flag's text.

        Raises:
            ArgumentTypeError: It is empty, or not of this kind.
        """
        if text == self.word:
            return self.absent
        try:
            return self.read(_text(text))
        except (ValueError, argparse.ArgumentTypeError):
            wrong = f"{text[:_SHOWN]!r} is not {self.kind}" if text else "it is empty"
        raise argparse.ArgumentTypeError(f"{wrong}: give {self.kind}, or {self.word}")

    def write(self, value: Any) -> str:
        """Return the text that a value was read from."""
        if value == self.absent:
            return self.word
        return ",".join(value) if isinstance(value, tuple) else str(value)


LIMIT = ValueOr("all", None, int, "a whole number")
IDS = ValueOr("none", (), ids, "a list of ids, a,b")
_USD = ValueOr("none", None, float, "an amount")


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
            f"{text[:_SHOWN]!r} is not a URI: give models:/<name>/<version>, models:/<name>@<alias>"
            " or file:///<folder>"
        )
    return text


_COMMON: dict[str, dict[str, Any]] = {
    "dataset": {
        "default": "data/samples",
        "help": "a folder with images/ and annotations/ (FUNSD layout), or images/, fields/ and "
        "schema.json; relative to the project",
    },
    "engine": {
        "default": "auto",
        "choices": ("auto", "openai", "local"),
        "help": "what reads the pages; auto: openai if a key or server is set, else local",
    },
    "llm": {
        "default": "auto",
        "type": ValueOr("auto"),
        "help": "the LLM's name as its server knows it; auto: the default of the setting llm",
    },
    "prompt": {
        "default": "auto",
        "type": ValueOr("auto"),
        "help": "prompts:/<name>/<version> or prompts:/<name>@<alias>; "
        f"auto: prompts:/<prompt-name>@{PRODUCTION}",
    },
    "schema": {
        "default": "none",
        "type": ValueOr("none"),
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
        "default": "none",
        "type": IDS,
        "help": "ids of forms to leave out, separated by commas, or none",
    },
    "limit": {"default": "all", "type": LIMIT, "help": "at most this many forms, or all"},
    "seed": {"default": "42", "type": int, "help": "which forms are drawn when there is a limit"},
    "max-concurrency": {"default": "8", "type": int, "help": "most pages read at once"},
    "cache": {
        "default": ".cache/completions.sqlite",
        "type": ValueOr("none"),
        "help": "a file that keeps LLM completions, so that no page is paid for twice, or none",
    },
    "max-cost": {
        "default": "none",
        "type": _USD,
        "help": "stop before costing more than this, USD, or none",
    },
    "precision": {
        "default": "none",
        "type": ValueOr("none", None, _precision, "a share below 1, such as 0.99"),
        "help": "find the confidences from which on this share of a field's values is right, or "
        "none",
    },
    "local-weights": {
        "default": "auto",
        "type": ValueOr("auto"),
        "help": "the local engine's weights, runs:/<id>/local_weights of train; auto: "
        "the bundled ones",
    },
    "verbose": {
        "default": "false",
        "choices": sorted(BOOLEANS),
        "help": "print every metric, more forms, and what MLflow says",
    },
    "repeats": {
        "default": "1",
        "type": int,
        "help": "how often each reads the forms: their mean counts, their spread is the LLM's "
        "noise",
    },
    "commit-message": {
        "default": "none",
        "type": ValueOr("none"),
        "help": "what changed, for those who read it, or none",
    },
    "examples": {
        "default": "none",
        "type": IDS,
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


class UsageError(Exception):
    """A flag's value cannot be used; the message says what to give instead."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # The message quotes the value, for example -P base_url=http://user:password@host.
        super().error(printable(without_password(message, "***@")))


def parser(description: str | None, *common: str) -> argparse.ArgumentParser:
    """Build an entry point's parser with some of the flags of `_COMMON`; no abbreviations."""
    built = _Parser(description=description, allow_abbrev=False)
    built.register("type", None, _text)  # the type of flags without one
    for name in common:
        built.add_argument(f"--{name}", **_COMMON[name])
    return built


def optional_split(text: str) -> Split | None:
    """Read --split; None stands for all forms."""
    return next((split for split in SPLITS if split == text), None)


def in_project(path: str) -> Path:
    """Return a path that was given relative to the project, as an absolute one."""
    return ROOT / Path(path).expanduser()


def read_file(path: str, flag: str) -> Any:
    """Read a YAML or JSON file that a flag names; relative to the project.

    Raises:
        UsageError: It cannot be read, is neither, or holds values that JSON does not have.
    """
    file = in_project(path)
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
        json.dumps(found)  # a model can log only what JSON knows
    except OSError as error:
        raise UsageError(
            f"{flag} is {file}, which cannot be read ({error.strerror}): name a file that exists."
        ) from None
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{file}{where} is not YAML ({error.problem}): correct it.") from None
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise UsageError(
            f"{file} cannot be read ({str(error)[:_SHOWN]}): correct it; a date needs quotes."
        ) from None
    return found


def secret_in(variable: str, flag: str) -> str:
    """Return the secret in the environment variable that a flag names.

    Raises:
        UsageError: There is no such variable; a secret that was given instead is not shown.
    """
    if not (secret := os.environ.get(variable)):
        raise UsageError(
            f"{flag} is not the name of an environment variable that is set: set one to the secret "
            "and give its name. If you gave the secret itself, choose another one: commands and "
            "MLflow's runs show their parameters."
        )
    return secret


def reading_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the extractor's settings that the flags --max-concurrency and --cache replace."""
    cache = str(in_project(args.cache)) if args.cache else ""
    return {"max_concurrency": args.max_concurrency, "cache": cache}


def flags_of(args: argparse.Namespace, names: Sequence[str]) -> dict[str, str]:
    """Return some of the common flags as they were given, by name."""
    given = {}
    for name in names:
        value, kind = getattr(args, name.replace("-", "_")), _COMMON[name].get("type")
        given[name] = kind.write(value) if isinstance(kind, ValueOr) else str(value)
    return given


Main = Callable[..., int]


def reports(*mendable: type[Exception]) -> Callable[[Main], Main]:
    """Decorate `main`: errors that a user can correct end in one sentence and exit code 2.

    Ctrl-C ends in one, too, with the exit code `STOPPED`.

    Errors that can be corrected are `UsageError`, `DatasetError`, and those given, whose message
    says what to do; and what a tracking server refuses its user.
    """
    caught: tuple[type[Exception], ...] = (UsageError, DatasetError, *mendable)

    def decorate(main: Main) -> Main:
        @functools.wraps(main)
        def reporting(argv: Sequence[str] | None = None, **options: Any) -> int:
            quiet_mlflow()
            try:
                return main(argv, **options)
            except (*caught, *errors_of_server()) as error:
                refused = missing_right(error)
                if refused is None and not isinstance(error, caught):
                    raise
                lines = map(printable, (refused or str(error)).split("\n"))
                print("error:", without_password("\n".join(lines), "***@"), file=sys.stderr)
                return 2
            except KeyboardInterrupt:
                print(
                    "\nStopped: the result is not complete. Give the same command to start again.",
                    file=sys.stderr,
                )
                return STOPPED

        return reporting

    return decorate


@contextlib.contextmanager
def writing(output: Path) -> Iterator[None]:
    """Turn an OSError while --output is written into a `UsageError`."""
    try:
        yield
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        raise UsageError(
            f"--output is {output}, which cannot be written ({named}{error.strerror or error}): "
            + ("free space and give the same command again." if full else "name another.")
        ) from error


def printable(text: object) -> str:
    r"""Return a text whose control and direction characters are escaped: `\x1b`, `\u202e`."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], str(text))


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str]) -> None:
    """Print text in columns; columns of numbers are aligned to the right."""
    texts = (map(printable, row) for row in rows)
    columns = [_align(name, cells) for name, *cells in zip(header, *texts, strict=True)]
    for line in zip(*columns, strict=True):
        print("  " + "  ".join(line).rstrip())


def _align(name: str, cells: Sequence[str]) -> list[str]:
    width = max(map(len, (name, *cells)))
    numbers = all(cell.replace(",", "").replace(".", "").isdigit() for cell in cells)
    return [each.rjust(width) if numbers else each.ljust(width) for each in (name, *cells)]
