"""The text lines that RapidOCR read: what they tell of the page's orientation, and their words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import atan2, degrees, hypot
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ocr_extractor.ocr.orientation import box_within
from ocr_extractor.ocr.words import Word, part_glued_words, union

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from ocr_extractor.ocr.orientation import Orientation

_TALL = 1.5
"""Ratio of height to width from which RapidOCR treats a text line as vertical."""

_LONG = 5.0
"""Ratio of width to height from which a text line shows the skew of the page."""

_LEGIBLE = 0.5
"""RapidOCR's own limit for its score of a line."""

_UPSIDE_DOWN = 0.8
"""Mean score of RapidOCR below which a page may be upside down: the lowest of FUNSD's training
pages is 0.93, the highest of three pages turned by 180 degrees was 0.66."""


@dataclass(frozen=True, eq=False)
class TextLine:
    """A text line.

    Attributes:
        text: What it says.
        score: How sure RapidOCR is, [0, 1].
        corners: (4, 2) px, clockwise from the top left one.
        characters: The corners of its characters without the spaces, (n, 4, 2) px.
        scores: How sure RapidOCR is of each of these characters, [0, 1].
    """

    text: str
    score: float
    corners: np.ndarray[Any, np.dtype[np.float64]]
    characters: np.ndarray[Any, np.dtype[np.float64]]
    scores: list[float]

    @cached_property
    def proportion(self) -> float:
        """Width to height."""
        width, height = (hypot(*(self.corners[at] - self.corners[0])) for at in (1, 3))
        return width / max(height, 1.0)

    @cached_property
    def fall(self) -> float:
        """By how much the line falls to the right, degrees."""
        across, down = self.corners[1] - self.corners[0]
        return degrees(atan2(down, across))


@dataclass(frozen=True)
class TextLines:
    """The text lines of a page as it was given to RapidOCR."""

    lines: tuple[TextLine, ...]

    @property
    def score(self) -> float:
        """RapidOCR's mean score a character, 0 for a blank page."""
        if not self.lines:
            return 0.0
        return fmean([each.score for each in self.lines], [len(each.text) for each in self.lines])

    @property
    def quarters_to_upright(self) -> int:
        """Quarter turns counterclockwise that the page probably needs, 0 to 3.

        RapidOCR turns tall lines by one before it reads them: what it reads well then, needs it.
        """
        tall = sum(len(each.text) * (each.proportion <= 1 / _TALL) for each in self.lines)
        on_its_side = 2 * tall > sum(len(each.text) for each in self.lines)
        if self.score >= _UPSIDE_DOWN or not self.lines:
            return int(on_its_side)
        return 3 if on_its_side else 2

    @property
    def skew(self) -> float:
        """By how much the long lines fall, degrees; their weighted median, 0 where there is none.

        The weights are the widths: the wider, the finer is the angle.
        """
        long = sorted(
            (each.fall, each.proportion) for each in self.lines if each.proportion >= _LONG
        )
        half = sum(weight for _, weight in long) / 2
        for fall, weight in long:
            half -= weight
            if half <= 0:
                return fall
        return 0.0

    def words(self, orientation: Orientation) -> Iterator[Word]:
        """Yield the words of the legible lines with their boxes on the upright page.

        RapidOCR's own words fall apart into characters when a line holds a single Chinese one, as a
        misread checkbox often is; the line's text and its character boxes always agree.
        """
        legible = (line for line in self.lines if line.score >= _LEGIBLE)
        for number, line in enumerate(legible):
            boxes = [
                box_within(corners, orientation.upright_size)
                for corners in orientation.to_upright(line.characters)
            ]
            end = 0
            for text in part_glued_words(line.text, boxes).split():
                start, end = end, end + len(text)
                score = min(line.scores[start:end])
                yield Word(text, union(boxes[start:end]), number, score=score)
