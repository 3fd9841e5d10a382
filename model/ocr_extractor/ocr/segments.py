"""Words to segments: the stretches of a text line that belong to one field."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING

from ocr_extractor.ocr.text_shapes import announces_value
from ocr_extractor.ocr.words import Word, union

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocr_extractor.contract import Box

_SPLIT_GAP = 0.8
"""A wider gap between two words of a line separates them, in line heights. In the FUNSD training
split, words closer than 0.7 share their entity in 97 % of all cases, words 0.7 to 1.3 apart in 79
%, and words further apart in 37 %."""

_STRUCTURE = re.compile(
    r"""
      (?P<ticked> [\[({]\ ?[xX✓✔√]\ ?[\])}]         # [x] (X)
                | [☑☒✓✔√]
                | [区四]\ ?(?=[A-Za-z])              # the Chinese recogniser's ticked boxes
                | ^[xX]{1,2}(?=\ [A-Za-z]{2}) )      # X Approved
    | (?P<empty>  [\[({]\ {0,3}[\])}] | [□☐◻口] )
    | (?P<fill>   _+ | [.·…]{2,} | [-\u2013\u2014=~]{2,} )   # where a pen should write
    | (?P<colon>  (?<=[^\W\d]|[)#.\]'"])[:;](?=[^\s:;/\\]) )   # Date:12 May, but not 10:30
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, eq=False)
class Segment:
    """Words of one line that belong together.

    Attributes:
        words: In writing order, at least one.
        ticked: True or False for an option behind a ticked or an empty box, else None.
        mark: The words of the option's box; empty when it is no option.
    """

    words: tuple[Word, ...]
    ticked: bool | None = None
    mark: tuple[Word, ...] = ()
    text: str = field(init=False)
    box: Box = field(init=False)
    underlined: bool = field(init=False)
    height: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", " ".join(word.text for word in self.words))
        object.__setattr__(self, "box", union(word.box for word in self.words))
        ruled = sum(word.underlined for word in self.words)
        object.__setattr__(self, "underlined", 2 * ruled > len(self.words))
        heights = (word.box[3] - word.box[1] for word in self.words)
        object.__setattr__(self, "height", max(1.0, median(heights)))


def find_segments(words: Sequence[Word]) -> list[Segment]:
    """Cut the text lines of a page into segments, top to bottom and left to right.

    Lines are cut at wide gaps, after a label's colon, at fill lines (which are dropped) and at
    checkboxes. Vertical lines are page furniture and left out.
    """
    segments: list[Segment] = []
    for _, group in groupby(sorted(words, key=lambda word: word.line), key=lambda word: word.line):
        line = tuple(group)
        if not is_sideways(line):
            segments += _cut_line(line)
    return sorted(segments, key=lambda segment: (segment.box[1], segment.box[0]))


def is_sideways(line: Sequence[Word]) -> bool:
    """Tell whether a text line is vertical."""
    x0, y0, x1, y1 = union(word.box for word in line)
    return y1 - y0 > 1.5 * (x1 - x0) and sum(len(word.text) for word in line) > 2


def _cut_line(line: tuple[Word, ...]) -> Iterator[Segment]:
    height = median(word.box[3] - word.box[1] for word in line)
    ticked: bool | None = None
    mark: tuple[Word, ...] = ()
    for start, end, before in stretches(line):
        if before is not None and before.lastgroup in ("ticked", "empty"):
            ticked = before.lastgroup == "ticked"
            mark = words_between(line, *before.span())
        words = words_between(line, start, end)
        for run in _runs(words, height):
            yield Segment(run, ticked, mark)
            ticked, mark = None, ()
    if mark:
        yield Segment(mark, ticked, mark)


def stretches(line: Sequence[Word]) -> Iterator[tuple[int, int, re.Match[str] | None]]:
    """Yield (start, end, structure before it) of the plain stretches of the line's text.

    The structure's `lastgroup` is "ticked", "empty", "fill" or "colon"; None at the line's start.
    """
    text = " ".join(word.text for word in line)
    start, before = 0, None
    for structure in _STRUCTURE.finditer(text):
        end = structure.end() if structure.lastgroup == "colon" else structure.start()
        yield start, end, before
        start, before = structure.end(), structure
    yield start, len(text), before


def words_between(line: Sequence[Word], start: int, end: int) -> tuple[Word, ...]:
    """Return what characters `start` to `end` of the line's text cover of its words."""
    found = []
    offset = 0
    for word in line:
        first, last = max(start - offset, 0), min(end - offset, len(word.text))
        if first < last:
            found.append(word.part(first, last))
        offset += len(word.text) + 1
    return tuple(found)


def _runs(words: Sequence[Word], height: float) -> Iterator[tuple[Word, ...]]:
    """Yield the words between wide gaps and between colons."""
    run: list[Word] = []
    for word in words:
        wide = run and word.box[0] - run[-1].box[2] > _SPLIT_GAP * height
        if wide or announces_value(" ".join(each.text for each in run)):
            yield tuple(run)
            run = []
        run.append(word)
    if run:
        yield tuple(run)
