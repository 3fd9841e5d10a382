"""What the entry points share: their parser, the types of flags, files, and how they report."""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import yaml

from data.errors import DatasetError
from entry_points import ROOT
from entry_points.command_line.rights import (
    errors_of_object_store,
    errors_of_server,
    missing_right,
    unreachable,
    unusable_object_store,
    without_password,
)
from entry_points.command_line.tracking import quiet_mlflow

MODEL_NAME = "ocr-extractor"
PROMPT_NAME = "ocr-question-answer"
CHAMPION = "champion"
PRODUCTION = "production"

# What a flag that says yes or no takes; YAML's false would arrive as "False".
BOOLEANS = {"true": True, "false": False}

SWITCH: dict[str, Any] = {"default": "false", "choices": sorted(BOOLEANS)}
"""What `add_argument` takes for a flag that says yes or no."""

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

    @property
    def as_default(self) -> dict[str, Any]:
        """What `add_argument` takes for such a flag, whose default is the word."""
        return {"default": self.word, "type": self}

    def write(self, value: Any) -> str:
        """Return the text that a value was read from."""
        if value == self.absent:
            return self.word
        return ",".join(value) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True)
class AtLeast:
    """The type of a flag that takes a finite number with a lower limit.

    Attributes:
        least: The smallest number that is allowed.
        read: Reads the number: `int` or `float`.
    """

    least: float
    read: Callable[[str], float] = int

    def __call__(self, text: str) -> float:
        """Read the flag's text.

        Raises:
            ArgumentTypeError: It is no such number, or too small.
        """
        try:
            number = self.read(text)
        except ValueError:
            number = math.nan
        if not self.least <= number < math.inf:
            kind = "whole number" if self.read is int else "number"
            raise argparse.ArgumentTypeError(
                f"{text[:_SHOWN]!r} is not a {kind} of at least {self.least:g}: give one"
            )
        return number


class UsageError(Exception):
    """A flag's value cannot be used; the message says what to give instead."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # The message quotes the value, for example -P base_url=http://user:password@host.
        super().error(printable(without_password(message, "***@")))


def parser(description: str | None) -> argparse.ArgumentParser:
    """Build an entry point's parser; it takes no abbreviations and no empty values."""
    built = _Parser(description=description, allow_abbrev=False)
    built.register("type", None, _text)  # the type of flags without one
    return built


def in_project(path: str) -> Path:
    """Return a path that was given relative to the project, as an absolute one."""
    return ROOT / Path(path).expanduser()


def read_text(path: str, flag: str) -> str:
    """Return the text of a file that a flag names; relative to the project.

    Raises:
        UsageError: It cannot be read, or is not UTF-8.
    """
    file = in_project(path)
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{flag} is {file}, which cannot be read ({error.strerror}): name a file that exists."
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{flag} is {file}, which is not UTF-8 ({error.reason}): save it as UTF-8."
        ) from None


def read_file(path: str, flag: str) -> Any:
    """Return what a YAML or JSON file holds that a flag names; relative to the project.

    Raises:
        UsageError: It cannot be read, is neither, or holds values that JSON does not have.
    """
    file, text = in_project(path), read_text(path, flag)
    try:
        found = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
        json.dumps(found)  # a model can log only what JSON knows
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{file}{where} is not YAML ({error.problem}): correct it.") from None
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
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


Main = Callable[..., int]


def reports(*mendable: type[Exception]) -> Callable[[Main], Main]:
    """Decorate `main`: errors that a user can correct end in one sentence and exit code 2.

    Ctrl-C ends in one, too, with the exit code `STOPPED`.

    Errors that can be corrected are `UsageError`, `DatasetError`, and those given, whose message
    says what to do; what a tracking server refuses its user; a server that does not answer; and an
    object store of the artifacts that cannot be used.
    """
    caught: tuple[type[Exception], ...] = (UsageError, DatasetError, *mendable)

    def decorate(main: Main) -> Main:
        @functools.wraps(main)
        def reporting(argv: Sequence[str] | None = None, **options: Any) -> int:
            quiet_mlflow()
            try:
                return main(argv, **options)
            except (*caught, *errors_of_server(), *errors_of_object_store()) as error:
                of_store = unusable_object_store(error) or missing_right(error)
                of_store = of_store or unreachable(error)
                if of_store is None and not isinstance(error, caught):
                    raise
                lines = map(printable, (of_store or str(error)).split("\n"))
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
