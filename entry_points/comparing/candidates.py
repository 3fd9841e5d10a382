"""Candidates of a comparison: logged models, or settings that can be logged as one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from entry_points.command_line import cli
from entry_points.command_line.flags import read_settings

_ENGINES = ("openai", "local")
_OWN_FLAGS = ("engine", "llm", "prompt")


@dataclass(frozen=True)
class Candidate:
    """One extractor to evaluate: logged, or to be logged with these flags of `log`."""

    name: str
    model_uri: str = ""
    log_flags: Mapping[str, str] = field(default_factory=dict)


def read_candidates(text: str, base: Mapping[str, str]) -> list[Candidate]:
    """Read --candidates: items that are separated by commas, or a YAML or JSON file with a list.

    An item is a model URI, or what to log: settings as `key=value`, separated by semicolons, among
    them `engine`, `llm` and `prompt`; a prompt URI or an engine may be given without a key. A value
    is JSON if it can be read as such, else a text. An entry of a file is an item, or an object with
    a `name`, and either `model_uri` or the settings. `base` has the flags of the entry point `log`
    that are used where an item names nothing else.

    Raises:
        UsageError: There are fewer than two, two are the same, or one cannot be read.
    """
    if text.endswith(cli.FILES):
        candidates = _read_entries(text, base)
        how = "in its list, each with a name of its own"
    else:
        names = filter(None, map(str.strip, text.split(",")))
        candidates = [_read_item(name, base) for name in names]
        how = "separated by commas"
    if len(candidates) < 2 or len({each.name for each in candidates}) < len(candidates):
        raise cli.UsageError(
            f"--candidates is {text[:80]!r}: give two or more different ones, {how}."
        )
    return candidates


def _read_entries(path: str, base: Mapping[str, str]) -> list[Candidate]:
    entries = cli.read_file(path, "--candidates")
    if not isinstance(entries, list):
        raise cli.UsageError(f"{path} is not a list: write each candidate as `- name: ...`.")
    candidates = []
    for number, entry in enumerate(entries, start=1):
        try:
            candidates.append(_read_entry(entry, base))
        except cli.UsageError as error:
            raise cli.UsageError(f"{path}, entry {number}: {error}") from None
    return candidates


def _read_entry(entry: Any, base: Mapping[str, str]) -> Candidate:
    if isinstance(entry, str):
        return _read_item(entry, base)
    if not isinstance(entry, dict):
        raise cli.UsageError(f"{str(entry)[:80]!r} is not a candidate: write `name:` and settings.")
    for key in ("name", *(each for each in ("model_uri", *_OWN_FLAGS) if each in entry)):
        if not isinstance(value := entry.get(key), str) or not value:
            raise cli.UsageError(f"{key} is {str(value)[:80]!r}: give it a text.")
    given = {key: value for key, value in entry.items() if key not in {"name", "model_uri"}}
    if "model_uri" not in entry:
        return _to_log(entry["name"], given, base)
    if given:
        raise cli.UsageError(
            f"it has model_uri and {', '.join(map(str, given))[:80]}: a logged model keeps its "
            "settings, so give one or the other."
        )
    return Candidate(entry["name"], model_uri=entry["model_uri"])


def _read_item(name: str, base: Mapping[str, str]) -> Candidate:
    if name.startswith(("models:/", "runs:/")):
        return Candidate(name, model_uri=name)
    parts = map(_read_part, filter(None, map(str.strip, name.split(";"))))
    given = {key: value if key in _OWN_FLAGS else _json_or_text(value) for key, value in parts}
    return _to_log(name, given, base)


def _to_log(name: str, given: Mapping[str, Any], base: Mapping[str, str]) -> Candidate:
    flags = {key: given[key] for key in _OWN_FLAGS if key in given}
    others = {key: value for key, value in given.items() if key not in flags}
    settings = json.dumps(read_settings(base["settings"]) | others)
    return Candidate(name, log_flags={**base, **flags, "settings": settings})


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
