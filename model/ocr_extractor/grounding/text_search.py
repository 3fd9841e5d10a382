"""Finds a text among the words of a page, even if OCR misread it or split it differently."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from rapidfuzz import fuzz

from ocr_extractor.grounding.text_folding import fold, fold_line, strip, tokens_of
from ocr_extractor.ocr.neighbours import share_row
from ocr_extractor.ocr.words import union

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.grounding.text_folding import FoldedLine, Token
    from ocr_extractor.ocr.words import Word

    _Alignment = tuple[float, tuple["_Place", ...]]

_FOUND = 0.45
"""Score from which a text counts as found. A lower score finds more true texts, but also more
invented ones. On FUNSD's training forms, 97.6 % of the true answers are found and 97.4 % of the
invented ones are not; at 0.4 97.8 % and 96.6 %, at 0.5 97.4 % and 97.6 %."""

_MIN_SIMILARITY = 65.0
"""Least similarity of a word to the page, [0, 100]; words of one or two characters must be
equal."""

# Costs between two words of a text, in characters.
_STEP_COST = 0.2  # a line height, or a skipped character
_CELL_COST = 0.02  # a line height to the next cell of a table, right or below
_DOWN_COST = 0.1  # from a cell to the one below, where columns are read
_NEW_ROW_COST = 1.0
_WRAP_COST = 1.0  # from the end of a line to the start of the next
_MAX_STEP_COST = 10.0

_STRANGER_COST = 0.3
"""Cost, in characters, of each character in the box of a text that does not belong to the text."""
_MAX_STRANGERS_COST = 0.6

_NEXT_LINE = 1.5
"""Largest white space, in line heights, between a line and the next one."""

_BEAM = 24
"""Number of alignments of a text that the search keeps. A single word keeps all its places up to
`_PLACES`, because a page may have an `X` for many fields."""

_PLACES = 60
_CHOICES = 8
"""Number of alignments of a text that are combined with those of the pair's other text."""

_HEIGHT_TRIM = 0.1
"""The boxes of the OCR are higher than FUNSD's by this part on both sides."""


@dataclass(frozen=True, eq=False)
class _Place:
    """Characters [start, end) of a line that match a word of a text, `gain` of its characters."""

    line: FoldedLine
    start: int
    end: int
    gain: float
    box: Box

    @property
    def mask(self) -> int:
        """A bit for each character of the page, set for those of the place."""
        return ((1 << (self.end - self.start)) - 1) << (self.line.first + self.start)

    @property
    def words(self) -> Sequence[Word]:
        """The word of each character."""
        return self.line.words[self.start : self.end]

    def with_punctuation(self, token: Token) -> _Place:
        """Return the place with the punctuation around it, at most as much as in the text."""
        start, end, text = self.start, self.end, self.line.text
        while self.start - start < token.before and start > 0 and not text[start - 1].isalnum():
            start -= 1
        while end - self.end < token.after and end < len(text) and not text[end].isalnum():
            end += 1
        return replace(self, start=start, end=end, box=union(self.line.boxes[start:end]))


@dataclass(frozen=True, eq=False)
class Finding:
    """A place where a text was found.

    Attributes:
        score: The found part of the text, at most 1.
        box: Around its words, px; None if it was not found.
        mask: A bit for each character of the page, set for those of the text.
        cost: Penalty for other characters in its box.
        ocr_score: How sure the OCR is of the least certain of its words, [0, 1].
    """

    score: float
    box: Box | None
    mask: int
    cost: float = 0.0
    ocr_score: float = 1.0

    @property
    def worth(self) -> float:
        """The value by which findings of a text are compared."""
        return self.score - self.cost


NOT_FOUND = Finding(0.0, None, 0)


class PageIndex:
    """The lines of a page, in which texts are searched."""

    def __init__(self, words: Sequence[Word]) -> None:
        """Index the words of a page, at least one."""
        import numpy as np

        lines: dict[int, list[Word]] = {}
        for word in words:
            lines.setdefault(word.line, []).append(word)
        self._lines: list[FoldedLine] = []
        first = 0
        for line in lines.values():
            self._lines.append(fold_line(line, first))
            first += len(self._lines[-1].text)
        self._places: dict[str, list[_Place]] = {}
        boxes = [box for line in self._lines for box in line.boxes]
        x0, y0, x1, y1 = np.array(boxes).reshape(-1, 4).T
        self._middles = (x0 + x1) / 2, (y0 + y1) / 2
        self._spelt = np.array([each.isalnum() for line in self._lines for each in line.text])

    def find(self, text: str) -> list[Finding]:
        """Return the best findings of a text, best first; none when it is not on the page."""
        tokens = tokens_of(text)
        if _FOUND * sum(len(token.text) for token in tokens) > len(self._spelt):
            return []  # it is longer than the page
        if len(tokens) == 1:
            return self._findings(self._align(tokens, _PLACES), tokens)[:_PLACES]
        alignments = [
            *self._align(tokens, _BEAM),
            *self._align(tokens, _BEAM, down=True),
            *self._align_whole(text, tokens),
        ]
        return self._findings(alignments, tokens)[:_CHOICES]

    def _findings(self, alignments: Sequence[_Alignment], tokens: Sequence[Token]) -> list[Finding]:
        """Return findings for the good alignments, once for equal words."""
        length = sum(len(token.text) for token in tokens)
        found: dict[int, Finding] = {}
        for gain, places in sorted(alignments, key=lambda alignment: -alignment[0]):
            mask = reduce(or_, (place.mask for place in places), 0)
            if gain >= _FOUND * length and places and mask not in found:
                box = _trimmed(places)
                cost = _STRANGER_COST * self._strangers(box, places) / length
                found[mask] = Finding(
                    gain / length,
                    box,
                    mask,
                    min(_MAX_STRANGERS_COST, cost),
                    min(word.score for place in places for word in place.words),
                )
        return sorted(found.values(), key=lambda finding: -finding.worth)

    def _strangers(self, box: Box, places: Sequence[_Place]) -> int:
        """Return how many characters in the box around places belong to none of them."""
        if len(places) == 1:
            return 0
        across, down = self._middles
        inside = (box[0] < across) & (across < box[2]) & (box[1] < down) & (down < box[3])
        for place in places:
            inside[place.line.first + place.start : place.line.first + place.end] = False
        return int((inside & self._spelt).sum())

    def _align(self, tokens: Sequence[Token], most: int, *, down: bool = False) -> list[_Alignment]:
        """Return the best alignments word by word, as (characters gained, places).

        A beam search: each word is put at one of its places, at a cost for the step from the one
        before, or left out.

        Args:
            tokens: The words.
            most: Alignments kept.
            down: Whether a table is read column by column, not row by row.
        """
        states: list[_Alignment] = [(0.0, ())]
        for token in tokens:
            longer = []
            for place in self._places_of(token.text):
                gain, places = max(
                    (
                        (gain - _step_cost(places, place, down=down), places)
                        for gain, places in states
                    ),
                    key=lambda state: state[0],
                )
                longer.append((gain + place.gain, (*places, place.with_punctuation(token))))
            states = sorted([*states, *longer], key=lambda state: -state[0])
            del states[most:]
        return states

    def _align_whole(self, text: str, tokens: Sequence[Token]) -> Iterator[_Alignment]:
        """Yield alignments of the whole text: many short words, as in a date, look alike."""
        whole = strip(fold(text))
        if whole is not None:
            length = sum(len(token.text) for token in tokens)
            for line in self._lines:
                for place in _alike(whole.text, line, length):
                    yield place.gain, (place.with_punctuation(whole),)

    def _places_of(self, token: str) -> list[_Place]:
        if token not in self._places:
            self._places[token] = [
                place for line in self._lines for place in _places_in_line(token, line)
            ]
        return self._places[token]


def _places_in_line(token: str, line: FoldedLine) -> Iterator[_Place]:
    """Yield all places that are equal to the token, else the most similar one."""
    start = line.text.find(token)
    if start < 0 and len(token) > 2:
        yield from _alike(token, line, len(token))
    while start >= 0:
        yield _place(line, start, start + len(token), gain=len(token))
        start = line.text.find(token, start + 1)


def _alike(text: str, line: FoldedLine, length: int) -> Iterator[_Place]:
    """Yield the place most similar to a text of `length` characters."""
    if len(text) > len(line.text):
        return
    alike = fuzz.partial_ratio_alignment(text, line.text, score_cutoff=_MIN_SIMILARITY)
    if alike is not None:
        # Squared: two of three letters agree by chance in many places.
        gain = length * (alike.score / 100) ** 2
        yield _place(line, alike.dest_start, alike.dest_end, gain=gain)


def _place(line: FoldedLine, start: int, end: int, *, gain: float) -> _Place:
    gain -= line.cut_cost(start) + line.cut_cost(end)
    return _Place(line, start, end, gain, union(line.boxes[start:end]))


def _trimmed(places: Sequence[_Place]) -> Box:
    """Return the box around places without the OCR's margin."""
    x0, y0, x1, y1 = union(place.box for place in places)
    trim = round(_HEIGHT_TRIM * max(place.box[3] - place.box[1] for place in places))
    return x0, y0 + trim, x1, y1 - trim


def _step_cost(places: tuple[_Place, ...], place: _Place, *, down: bool) -> float:
    """Return the cost, in characters, of the step from one place to the next."""
    if not places:
        return 0.0
    last = places[-1]
    if last.line is not place.line:
        return min(_MAX_STEP_COST, _line_step_cost(last, place, down=down))
    if place.start < last.end:
        return float("inf")
    if place.start == last.end:  # a cut inside a glued word costs nothing
        return -2 * place.line.cut_cost(place.start)
    skipped = sum(map(str.isalnum, place.line.text[last.end : place.start]))
    return min(_MAX_STEP_COST, _STEP_COST * skipped)


def _line_step_cost(last: _Place, place: _Place, *, down: bool) -> float:
    """Return the cost, in characters, of a step to another line."""
    beside, below, back = gaps(last.box, place.box)
    if down and not back and not beside:
        return _DOWN_COST + _CELL_COST * below
    if not down and not back and share_row(last.box, place.box):
        return _CELL_COST * beside
    if not back and below <= _NEXT_LINE and _wraps(last, place):
        return _WRAP_COST
    return _NEW_ROW_COST + _STEP_COST * (beside + below + 2 * back)


def _wraps(last: _Place, place: _Place) -> bool:
    """Tell whether one place ends its line and the other begins a line further left."""
    ends = last.end == len(last.line.text) and place.start == 0
    return ends and last.box[0] > place.box[0] and last.box[1] < place.box[1]


def gaps(box: Box, other: Box) -> tuple[float, float, bool]:
    """Return the white space sideways and up or down, in line heights, and whether it goes back."""
    height = max(1, box[3] - box[1])
    beside = max(0, other[0] - box[2], box[0] - other[2]) / height
    below = max(0, other[1] - box[3], box[1] - other[3]) / height
    return beside, below, other[3] <= box[1] or (not below and other[2] <= box[0])
