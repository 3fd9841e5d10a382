"""Marks the characters in which two texts differ."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

# Two texts that share less than this are shown as different as a whole: single letters that
# happen to agree would only be noise.
_RELATED = 0.4


@dataclass(frozen=True, slots=True)
class DiffPart:
    """A part of a text, never empty, and whether the other text differs there."""

    text: str
    differs: bool


def marked(one: str, other: str) -> tuple[tuple[DiffPart, ...], tuple[DiffPart, ...]]:
    """Cut two texts into pieces that are the same in both and pieces that are not."""
    if Levenshtein.normalized_similarity(one, other) < _RELATED:
        return plain(one, differs=True), plain(other, differs=True)
    ours, theirs = [], []
    for step in Levenshtein.opcodes(one, other):
        differs = step.tag != "equal"
        ours.append(DiffPart(one[step.src_start : step.src_end], differs))
        theirs.append(DiffPart(other[step.dest_start : step.dest_end], differs))
    return tuple(part for part in ours if part.text), tuple(part for part in theirs if part.text)


def plain(text: str, *, differs: bool = False) -> tuple[DiffPart, ...]:
    """Return a text in one piece; none for an empty text."""
    return (DiffPart(text, differs),) if text else ()
