"""Text lines to segments: the words of a line that belong together, cut slightly too finely."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby, pairwise
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from ocr_extractor.engines.local.learned.columns import prefixed
from ocr_extractor.engines.local.learned.ink import INK
from ocr_extractor.engines.local.learned.shape import shape_columns
from ocr_extractor.ocr.segments import is_sideways, stretches, words_between
from ocr_extractor.ocr.text_shapes import is_tick
from ocr_extractor.ocr.words import Word, union

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.engines.local.learned.columns import Columns, Floats
    from ocr_extractor.engines.local.learned.ink import Ink

CUT_AT = 0.1
"""A line is cut where a boundary is at least this likely: segments can be joined later, but not
cut. On FUNSD's training split 0.4 loses 3 % of the pairs here."""

_KINDS = {"ticked": 1, "empty": 2, "fill": 3, "colon": 4}
_FAR = 20


@dataclass(frozen=True, eq=False)
class Atom:
    """A word, or the part of it before or after a colon, a checkbox or a fill line.

    Attributes:
        word: Its text and box.
        kind: What stands before it on the line: a value of `_KINDS`, or 0.
        mark: Whether it is a checkbox.
        ink: (density, thickness, greyness) of its pixels.
    """

    word: Word
    kind: int
    mark: bool
    ink: tuple[float, float, float]


Line = tuple[Atom, ...]


@dataclass(frozen=True, eq=False)
class LearnedSegment:
    """Atoms of one line.

    Attributes:
        atoms: In writing order, at least one.
        cut_before: Probability that something else ends where it begins.
        cut_after: Probability that something else begins where it ends.
    """

    atoms: Line
    cut_before: float
    cut_after: float
    text: str = field(init=False)
    box: Box = field(init=False)
    height: float = field(init=False)

    def __post_init__(self) -> None:
        words = [atom.word for atom in self.atoms]
        object.__setattr__(self, "text", " ".join(word.text for word in words))
        object.__setattr__(self, "box", union(word.box for word in words))
        heights = (word.box[3] - word.box[1] for word in words)
        object.__setattr__(self, "height", float(max(1.0, median(heights))))


def find_lines(words: Sequence[Word], ink: Ink) -> tuple[Line, ...]:
    """Return the text lines of a page; fill lines and lines on their side are left out."""
    lines = []
    for _, group in groupby(sorted(words, key=lambda word: word.line), key=lambda word: word.line):
        line = tuple(group)
        if not is_sideways(line):
            lines.append(tuple(_atoms(line, ink)))
    return tuple(filter(None, lines))


def _atoms(line: tuple[Word, ...], ink: Ink) -> Iterator[Atom]:
    for start, end, before in stretches(line):
        kind = _KINDS.get(before.lastgroup or "", 0) if before is not None else 0
        if before is not None and before.lastgroup in ("ticked", "empty"):
            for word in words_between(line, *before.span()):
                yield Atom(word, kind, True, ink.of(word.box))
        for place, word in enumerate(words_between(line, start, end)):
            yield Atom(word, 0 if place else kind, False, ink.of(word.box))


def boundaries(lines: Sequence[Line]) -> list[tuple[Atom, Atom]]:
    """Return where lines could be cut: each atom but the last with the one after it."""
    return [pair for line in lines for pair in pairwise(line)]


def cut_columns(lines: Sequence[Line], ink: Ink) -> Columns:
    """Describe each of the `boundaries`; distances are in heights of the line."""
    page_height = median(_height(atom) for line in lines for atom in line)
    tables = [_cut_columns_of(line, ink, page_height) for line in lines if len(line) > 1]
    if not tables:
        return {}
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def _height(atom: Atom) -> int:
    return atom.word.box[3] - atom.word.box[1]


def _cut_columns_of(line: Line, ink: Ink, page_height: float) -> Columns:
    words = [atom.word for atom in line]
    box = np.array([word.box for word in words], np.float64)
    height = float(median(map(_height, line)))
    gap = (box[1:, 0] - box[:-1, 2]) / height
    places = np.arange(len(gap), dtype=np.float64)
    ruled = np.array([word.underlined for word in words], np.float64)
    pitch = np.array([(w.box[2] - w.box[0]) / len(w.text) for w in words]) / height
    dark = np.array([atom.ink for atom in line])
    colons = np.array([word.text[-1] in ":;" for word in words], np.float64)
    middle = (box[1:, 1] + box[1:, 3]) / 2
    texts = [word.text for word in words]
    befores = [" ".join(texts[: place + 1]) for place in range(len(gap))]
    afters = [" ".join(texts[place + 1 :]) for place in range(len(gap))]
    return {
        "gap": gap,
        "gap over the median": gap - np.median(gap),
        "gap below the widest": gap - gap.max(),
        "atoms before": places,
        "atoms after": places[::-1],
        "kind after": np.array([atom.kind for atom in line[1:]], np.float64),
        "mark before": np.array([atom.mark for atom in line[:-1]], np.float64),
        "mark after": np.array([atom.mark for atom in line[1:]], np.float64),
        "ruled before": ruled[:-1],
        "ruled after": ruled[1:],
        "ruled all before": _means_before(ruled),
        "ruled all after": _means_after(ruled),
        "since a colon": _distances_back(colons),
        "until a colon": _distances_back(colons[::-1])[::-1],
        "upright lines": ink.upright_between(box[:-1, 2], box[1:, 0], middle, height),
        "walled after": np.array([word.walled for word in words[1:]], np.float64),
        "pitch before": pitch[:-1],
        "pitch step": np.diff(pitch),
        "pitch change": _means_after(pitch) - _means_before(pitch),
        "height ratio": (box[1:, 3] - box[1:, 1]) / (box[:-1, 3] - box[:-1, 1]),
        "foot step": (box[1:, 3] - box[:-1, 3]) / height,
        "line height": np.full(len(gap), height / page_height),
        **{f"{name} step": np.diff(dark[:, n]) for n, name in enumerate(INK)},
        **{
            f"{name} change": _means_after(dark[:, n]) - _means_before(dark[:, n])
            for n, name in enumerate(INK)
        },
        **prefixed("word before", shape_columns(texts[:-1])),
        **prefixed("word after", shape_columns(texts[1:])),
        **prefixed("all before", shape_columns(befores)),
        **prefixed("all after", shape_columns(afters)),
    }


def _means_before(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray:
    return np.cumsum(values)[:-1] / np.arange(1, len(values))


def _means_after(values: np.ndarray) -> np.ndarray:
    return _means_before(values[::-1])[::-1]


def _distances_back(marked: np.ndarray) -> np.ndarray:
    """Return how many atoms before each boundary a mark was last seen, at most `_FAR`."""
    places = np.arange(len(marked))
    last = np.maximum.accumulate(np.where(marked > 0, places, -_FAR))
    return np.minimum(places - last, _FAR)[:-1].astype(np.float64)


def cut_lines(lines: Sequence[Line], probabilities: Floats) -> tuple[LearnedSegment, ...]:
    """Cut lines at their likely `boundaries` to segments, top to bottom, that all hold text."""
    chances = iter(probabilities.tolist())
    segments = []
    for line in lines:
        start, before = 0, 1.0
        ends = [next(chances) for _ in line[1:]] + [1.0]
        for place, after in enumerate(ends, start=1):
            if after >= CUT_AT:
                segments.append(LearnedSegment(line[start:place], before, after))
                start, before = place, after
    legible = [segment for segment in segments if _is_legible(segment)]
    return tuple(sorted(legible, key=lambda segment: (segment.box[1], segment.box[0])))


def _is_legible(segment: LearnedSegment) -> bool:
    return any(map(str.isalnum, segment.text)) or is_tick(segment.text) or segment.atoms[0].mark
