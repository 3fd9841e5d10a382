"""The documentation as tests read it: pages, their sections, their blocks of code."""

from __future__ import annotations

import re
from pathlib import Path

from entry_points import ROOT

WEIGHTS = ROOT / "model" / "ocr_extractor" / "engines" / "local" / "weights" / "WEIGHTS.md"
PATHS: list[Path] = [
    WEIGHTS,
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    """Return a page's text: "README.md", or the name of a page of docs/."""
    [path] = [path for path in PATHS if path.name == name]
    return path.read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    """Return the text below a page's heading, up to the next one of its level or above."""
    level, _, _ = heading.partition(" ")
    below = page(name).partition(f"\n{heading}\n")[2]
    assert below, f"{name} has no heading {heading!r}"
    return re.split(rf"\n#{{1,{len(level)}}} ", below)[0]


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of code in a language."""
    return [block for found, block in _FENCE.findall(text) if found == language]


def block(language: str, word: str) -> str:
    """Return the one block of code in a language that has the word, whatever its page."""
    everywhere = [each for path in PATHS for each in blocks(path.read_text("utf-8"), language)]
    [found] = {each for each in everywhere if word in each}
    return found


def inline_code(text: str) -> list[str]:
    """Return what stands between backticks outside of blocks, each on one line."""
    return [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", _FENCE.sub("", text))]


def slugs(text: str) -> set[str]:
    """Return the anchors that GitHub gives the page's headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
