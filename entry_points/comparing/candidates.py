"""Candidates of a comparison: logged models, or settings that can be logged as one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from entry_points import cli

_ENGINES = ("openai", "local")
_OWN_FLAGS = ("engine", "llm", "prompt")


@dataclass(frozen=True)
class Candidate:
    """One extractor to evaluate.

    Attributes:
        name: What the user calls it.
        model_uri: Where it is logged, "" if it has to be logged first.
        log_flags: What the entry point `log` is told then, by flag.
    """

    name: str
    model_uri: str = ""
    log_flags: Mapping[str, str] = field(default_factory=dict)


def read_candidates(text: str, base: Mapping[str, str]) -> list[Candidate]:
    """Read --candidates.

    Items are separated by commas. One is a model URI, or what to log: settings as `key=value`,
    separated by semicolons, among them `engine`, `llm` and `prompt`; a prompt URI or an engine
    may stand there by itself. A value is JSON where it can be read as such, else a text.

    Args:
        text: The flag's value.
        base: The flags of the entry point `log`, which hold where an item names nothing else.

    Raises:
        UsageError: There are fewer than two, one is there twice, or one cannot be read.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if len(names) < 2 or len(set(names)) < len(names):
        raise cli.UsageError(
            f"--candidates is {text[:80]!r}: give two or more different ones, separated by commas."
        )
    return [_read_candidate(name, base) for name in names]


def _read_candidate(name: str, base: Mapping[str, str]) -> Candidate:
    if name.startswith(("models:/", "runs:/")):
        return Candidate(name, model_uri=name)
    flags = dict(base)
    settings = cli.read_settings(base["settings"])
    for part in filter(None, map(str.strip, name.split(";"))):
        key, value = _read_part(part)
        if key in _OWN_FLAGS:
            flags[key] = value
        else:
            settings[key] = _json_or_text(value)
    return Candidate(name, log_flags=flags | {"settings": json.dumps(settings)})


def _read_part(part: str) -> tuple[str, str]:
    if part.startswith("prompts:/"):
        return "prompt", part
    if part in _ENGINES:
        return "engine", part
    key, equals, value = map(str.strip, part.partition("="))
    if not (key and equals):
        raise cli.UsageError(
            f"the candidate {part[:80]!r} is neither models:/..., prompts:/..., "
            f"{' nor '.join(_ENGINES)}: write a setting as key=value."
        )
    return key, value


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
