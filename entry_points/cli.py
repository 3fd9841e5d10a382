"""What the entry points share: parsers, the flags they have in common, and how they report."""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from data.errors import DatasetError
from data.splits import SPLITS, Split
from entry_points import ROOT

MODEL_NAME = "ocr-extractor"
PROMPT_NAME = "ocr-question-answer"
CHAMPION = "champion"
PRODUCTION = "production"

# What a flag that says yes or no takes; YAML's false would arrive as "False".
BOOLEANS = {"true": True, "false": False}

# Control characters, what sets the direction of writing, and what is no character.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

# A process that has nothing more to do may take so long to end, s.
_END_S = 10.0

# How every command that is shown to a user begins; its parameters follow.
RUN = "mlflow run . --env-manager uv"

_PASSWORD = re.compile(r"//[^/\s]*@")


def optional_int(text: str) -> int | None:
    """Read a whole number; an empty text means that none was given."""
    return int(text) if text else None


def optional_usd(text: str) -> float | None:
    """Read an amount; an empty text means that none was given."""
    return float(text) if text else None


def ids(text: str) -> list[str]:
    """Read names that are separated by commas."""
    return [each.strip() for each in text.split(",") if each.strip()]


_COMMON: dict[str, dict[str, Any]] = {
    "dataset": {
        "default": "data/samples",
        "help": "a FUNSD-layout folder (images/, annotations/); relative to the project",
    },
    "engine": {
        "default": "auto",
        "choices": ("auto", "openai", "local"),
        "help": "what reads the pages; auto: openai if a key or server is set, else local",
    },
    "llm": {"default": "", "help": "the LLM's name as its server knows it"},
    "prompt": {
        "default": "",
        "help": "prompts:/<name>/<version> or prompts:/<name>@<alias>; "
        f"default: prompts:/<prompt-name>@{PRODUCTION}",
    },
    "prompt-name": {"default": PROMPT_NAME, "help": "the prompt's name in the registry"},
    "model-name": {"default": MODEL_NAME, "help": "the registered model's name"},
    "model-uri": {
        "default": f"models:/{MODEL_NAME}@{CHAMPION}",
        "help": "the logged extractor: models:/<name>/<version>, models:/<name>@<alias>, ...",
    },
    "split": {
        "default": "all",
        "choices": ("all", *SPLITS),
        "help": "the forms to take: development to improve on, validation to judge by, or all",
    },
    "without": {
        "default": "",
        "type": ids,
        "help": "ids of forms to leave out, separated by commas",
    },
    "limit": {"default": "", "type": optional_int, "help": "at most this many forms; empty: all"},
    "seed": {"default": "42", "type": int, "help": "which forms are drawn when there is a limit"},
    "max-concurrency": {"default": "8", "type": int, "help": "most pages read at once"},
    "cache": {
        "default": ".cache/completions.sqlite",
        "help": "where LLM completions are kept, so that no page is paid for twice; empty: nowhere",
    },
    "max-cost": {
        "default": "",
        "type": optional_usd,
        "help": "stop before costing more than this, USD",
    },
    "local-weights": {
        "default": "",
        "help": "the local engine's weights, runs:/<id>/local_weights of train; empty: bundled",
    },
    "settings": {
        "default": "",
        "help": 'a JSON object of other settings, {"max_size": 1500}; see docs/settings.md',
    },
}


# What the entry point log takes, and main hands on to it.
LOG_FLAGS = (
    "engine",
    "llm",
    "prompt",
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
        # It quotes what was given: -P base_url=http://user:password@host, for one.
        super().error(printable(_PASSWORD.sub("//***@", message)))


def parser(description: str | None, *common: str) -> argparse.ArgumentParser:
    """Build an entry point's parser with some of the common flags; no abbreviations.

    Args:
        description: The module's docstring.
        common: Names of the common flags it takes, as in `_COMMON`.
    """
    built = _Parser(description=description, allow_abbrev=False)
    for name in common:
        built.add_argument(f"--{name}", **_COMMON[name])
    return built


def optional_split(text: str) -> Split | None:
    """Read --split; None stands for all forms."""
    return next((split for split in SPLITS if split == text), None)


def in_project(path: str) -> Path:
    """Return a path that was given relative to the project, as an absolute one."""
    return ROOT / Path(path).expanduser()


def read_settings(text: str) -> dict[str, Any]:
    """Read --settings.

    Raises:
        UsageError: It is no JSON object, or holds a password.
    """
    try:
        settings = json.loads(text or "{}")
    except (json.JSONDecodeError, RecursionError) as error:
        raise UsageError(f'--settings is no JSON ({error}): write {{"key": value}}.') from None
    if not isinstance(settings, dict):
        raise UsageError('--settings is JSON, but no object: write {"key": value}.')
    refuse_secret(settings)
    return settings


def refuse_secret(settings: Mapping[str, Any]) -> None:
    """Refuse a password in `base_url` before it is logged or handed to another process.

    The logged code refuses it too, but this one may not be imported where it is loaded.

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


def reading_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the extractor's settings that the flags --max-concurrency and --cache replace."""
    cache = str(in_project(args.cache)) if args.cache else ""
    return {"max_concurrency": args.max_concurrency, "cache": cache}


def flags_of(args: argparse.Namespace, names: Sequence[str]) -> dict[str, str]:
    """Return some of the flags as they were given, by name."""
    values = {name: getattr(args, name.replace("-", "_")) for name in names}
    return {name: _as_flag(value) for name, value in values.items()}


def _as_flag(value: Any) -> str:
    if value is None:
        return ""
    return ",".join(value) if isinstance(value, list) else str(value)


Main = Callable[..., int]


def reports(*mendable: type[Exception]) -> Callable[[Main], Main]:
    """Decorate `main`: mistakes a user can mend end in one sentence and exit code 2.

    Args:
        mendable: Errors, beside `UsageError` and `DatasetError`, whose message says what to do.
    """
    caught: tuple[type[Exception], ...] = (UsageError, DatasetError, *mendable)

    def decorate(main: Main) -> Main:
        @functools.wraps(main)
        def reporting(argv: Sequence[str] | None = None, **options: Any) -> int:
            try:
                return main(argv, **options)
            except caught as error:
                lines = map(printable, str(error).split("\n"))
                print("error:", "\n".join(lines), file=sys.stderr)
                return 2

        return reporting

    return decorate


@contextlib.contextmanager
def writing(output: Path) -> Iterator[None]:
    """Turn what keeps --output from being written into a `UsageError`."""
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
    r"""Return a text without what a terminal obeys, or shows as another text: `\x1b`, `\u202e`."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], str(text))


def end_with(main: Callable[[], int], within_s: float = _END_S) -> NoReturn:
    """Run `main` and end the process with its exit code, whatever still waits for the network.

    Threads with requests in flight, and what MLflow does at the end of a process, would keep it as
    long as a server does not answer.

    Args:
        main: The entry point.
        within_s: How long the process may live after `main` has ended, s.
    """
    code = 1  # of an error that the interpreter prints
    try:
        code = main()
    finally:
        end = threading.Timer(within_s, _leave, (code,))
        end.daemon = True
        end.start()
    raise SystemExit(code)


def _leave(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def unwind_on_sigterm() -> None:
    """Let SIGTERM end this process as Ctrl-C does, so that it leaves none of its own behind."""

    def unwind(signum: int, _: object) -> None:
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGTERM, unwind)


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str]) -> None:
    """Print text in columns, those that hold only numbers to the right."""
    texts = (map(printable, row) for row in rows)
    columns = [_align(name, cells) for name, *cells in zip(header, *texts, strict=True)]
    for line in zip(*columns, strict=True):
        print("  " + "  ".join(line).rstrip())


def _align(name: str, cells: Sequence[str]) -> list[str]:
    width = max(map(len, (name, *cells)))
    numbers = all(cell.replace(",", "").replace(".", "").isdigit() for cell in cells)
    return [each.rjust(width) if numbers else each.ljust(width) for each in (name, *cells)]
