"""Where a page's words say a text, though the OCR misread it or parted it otherwise."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rapidfuzz import fuzz

from ocr_extractor.engines.local.neighbours import share_row
from ocr_extractor.engines.local.words import union

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.engines.local.words import Word

MARK = "x"
"""What every tick and cross is folded to."""

_MARKS = str.maketrans(dict.fromkeys("☑☒✓✔√", MARK))

_FOUND = 0.55
"""Score from which a text counts as found: the lower, the more true texts and the fewer invented
ones are told as what they are."""

_MIN_SIMILARITY = 65.0
"""Of a word to what stands on the page, [0, 100]; words of one or two characters must be equal."""

_CUT_COST = 1.0
"""Characters lost by a match that begins or ends inside a word: `12` is not what `3124` says."""

# Characters lost between two words of a text.
_STEP_COST = 0.2  # a line height, or a skipped character
_STEP_IN_ROW_COST = 0.05  # a line height to the right: the next cell of a table
_NEW_ROW_COST = 0.6
_WRAP_COST = 1.0  # from a line's end to where the next one begins
_MAX_STEP_COST = 10.0

_NEXT_LINE = 1.5
"""Line heights of white space down to what still is the next line."""

_BEAM = 24
"""Alignments of a text kept from word to word; a single word keeps all its places up to `_PLACES`,
for many an `X` of a page is another field's."""

_PLACES = 60
_CHOICES = 8
"""Alignments of a text that are tried together with those of the pair's other text."""

_HEIGHT_TRIM = 0.1
"""The OCR's boxes are higher than the text by this part on both sides, against FUNSD's."""


@dataclass(frozen=True, eq=False)
class _Line:
    """A text line of the page.

    Attributes:
        text: Its characters without spaces, folded.
        words: For each character the word and the place in it that it comes from.
    """

    text: str
    words: tuple[tuple[Word, int], ...]

    def cut_cost(self, position: int) -> float:
        """Return what it costs to begin or end a match before a character."""
        around = self.words[max(position - 1, 0) : position + 1]
        if len(around) < 2 or around[0][0] is not around[1][0]:
            return 0.0
        return _CUT_COST if self.text[position - 1 : position + 1].isalnum() else 0.0

    def box(self, start: int, end: int) -> Box:
        """Return the box around characters [start, end)."""
        return union(word.part(at, at + 1).box for word, at in self.words[start:end])


@dataclass(frozen=True)
class _Token:
    """A word of a text, folded; punctuation at its ends, which OCR loses first, is but counted."""

    text: str
    before: int = 0
    after: int = 0


@dataclass(frozen=True, eq=False)
class Place:
    """Characters [start, end) of a line that match a word of a text, `gain` of its characters."""

    line: _Line
    start: int
    end: int
    gain: float
    box: Box

    def characters(self) -> Iterator[tuple[int, int]]:
        """Yield a key for each character."""
        return ((id(self.line), position) for position in range(self.start, self.end))

    def with_punctuation(self, token: _Token) -> Place:
        """Return the place with the punctuation around it, as much as the text has there."""
        start, end, text = self.start, self.end, self.line.text
        while self.start - start < token.before and start > 0 and not text[start - 1].isalnum():
            start -= 1
        while end - self.end < token.after and end < len(text) and not text[end].isalnum():
            end += 1
        return replace(self, start=start, end=end, box=self.line.box(start, end))


@dataclass(frozen=True, eq=False)
class Finding:
    """Where a text stands; `score`, at most 1, is the part of it that is there."""

    score: float
    places: tuple[Place, ...]

    @property
    def box(self) -> Box | None:
        """The box around its words, px; None when it is nowhere."""
        if not self.places:
            return None
        x0, y0, x1, y1 = union(place.box for place in self.places)
        trim = round(_HEIGHT_TRIM * max(place.box[3] - place.box[1] for place in self.places))
        return x0, y0 + trim, x1, y1 - trim

    def overlaps(self, other: Finding) -> bool:
        """Tell whether both use a character."""
        taken = {key for place in self.places for key in place.characters()}
        return any(not taken.isdisjoint(place.characters()) for place in other.places)


NOT_FOUND = Finding(0.0, ())


class PageIndex:
    """The page's lines, and which of their characters are used."""

    def __init__(self, words: Sequence[Word]) -> None:
        """Index the words of a page."""
        lines: dict[int, list[Word]] = {}
        for word in words:
            lines.setdefault(word.line, []).append(word)
        self._lines = [_fold_line(line) for line in lines.values()]
        self._places: dict[str, list[Place]] = {}
        self._used: set[tuple[int, int]] = set()

    def use(self, findings: Iterable[Finding]) -> None:
        """Mark what the findings cover as used."""
        self._used.update(key for each in findings for p in each.places for key in p.characters())

    def is_free(self, findings: Iterable[Finding]) -> bool:
        """Tell whether nothing that the findings cover is used."""
        return all(self._is_free(place) for each in findings for place in each.places)

    def _is_free(self, place: Place) -> bool:
        return self._used.isdisjoint(place.characters())

    def find(self, text: str, *, reuse: bool) -> list[Finding]:
        """Return the best alignments of a text that count as found, best first.

        A beam search over the words of the text: each is put at one of its places, at a cost for
        the step from the one before, or left out.

        Args:
            text: What to look for.
            reuse: Whether it may be where something else was found.
        """
        tokens = _tokens(text)
        length = sum(len(token.text) for token in tokens)
        single = len(tokens) == 1
        states: list[tuple[float, tuple[Place, ...]]] = [(0.0, ())]
        for token in tokens:
            longer = []
            for place in self._places_of(token.text):
                if reuse or self._is_free(place):
                    score, places = max(
                        ((score - _step_cost(places, place), places) for score, places in states),
                        key=lambda state: state[0],
                    )
                    whole = place.with_punctuation(token)
                    longer.append((score + place.gain, (*places, whole)))
            states = sorted([*states, *longer], key=lambda state: -state[0])
            del states[_PLACES if single else _BEAM :]
        found = [Finding(score / length, places) for score, places in states if places]
        return [each for each in found if each.score >= _FOUND][: _PLACES if single else _CHOICES]

    def _places_of(self, token: str) -> list[Place]:
        if token not in self._places:
            self._places[token] = [
                place for line in self._lines for place in _places_in_line(token, line)
            ]
        return self._places[token]


def _places_in_line(token: str, line: _Line) -> Iterator[Place]:
    """Yield all places that equal the token, else the one most like it."""
    start = line.text.find(token)
    if start < 0 and len(token) > 2:
        alike = fuzz.partial_ratio_alignment(token, line.text, score_cutoff=_MIN_SIMILARITY)
        if alike is not None and len(token) <= len(line.text):
            yield _place(line, alike.dest_start, alike.dest_end, len(token), alike.score / 100)
    while start >= 0:
        yield _place(line, start, start + len(token), len(token), 1.0)
        start = line.text.find(token, start + 1)


def _place(line: _Line, start: int, end: int, length: int, similarity: float) -> Place:
    # Squared: of three letters two agree by chance all over a page.
    gain = length * similarity**2 - line.cut_cost(start) - line.cut_cost(end)
    return Place(line, start, end, gain, line.box(start, end))


def _step_cost(places: tuple[Place, ...], place: Place) -> float:
    """Return the characters lost on the way from the last place to the next."""
    if not places:
        return 0.0
    last = places[-1]
    if last.line is not place.line:
        return min(_MAX_STEP_COST, _line_step_cost(last, place))
    if place.start < last.end:
        return float("inf")
    if place.start == last.end:  # the cut inside a glued word is none
        return -2 * place.line.cut_cost(place.start)
    skipped = sum(map(str.isalnum, place.line.text[last.end : place.start]))
    return min(_MAX_STEP_COST, _STEP_COST * skipped)


def _line_step_cost(last: Place, place: Place) -> float:
    """Return the characters lost on the way to another line."""
    beside, below, back = gaps(last.box, place.box)
    if not back and share_row(last.box, place.box):
        return _STEP_IN_ROW_COST * beside
    if not back and below <= _NEXT_LINE and _wraps(last, place):
        return _WRAP_COST
    return _NEW_ROW_COST + _STEP_COST * (beside + below + 2 * back)


def _wraps(last: Place, place: Place) -> bool:
    """Tell whether one place ends its line and the other begins a line further left."""
    ends = last.end == len(last.line.text) and place.start == 0
    return ends and last.box[0] > place.box[0] and last.box[1] < place.box[1]


def gaps(box: Box, other: Box) -> tuple[float, float, bool]:
    """Return the white space sideways and up or down, in line heights, and whether it goes back."""
    height = max(1, box[3] - box[1])
    beside = max(0, other[0] - box[2], box[0] - other[2]) / height
    below = max(0, other[1] - box[3], box[1] - other[3]) / height
    return beside, below, other[3] <= box[1] or (not below and other[2] <= box[0])


def _fold_line(line: Sequence[Word]) -> _Line:
    """Fold a line character by character: one may become several."""
    folded = [
        (character, (word, at))
        for word in line
        for at, printed in enumerate(word.text)
        for character in fold(printed)
    ]
    return _Line("".join(each for each, _ in folded), tuple(origin for _, origin in folded))


def fold(text: str) -> str:
    """Return a text without what does not matter: case, spaces and the kind of a tick."""
    folded = unicodedata.normalize("NFKC", text).translate(_MARKS).casefold()
    return "".join(folded.split())


def _tokens(text: str) -> list[_Token]:
    """Return the words of a text; those that are but punctuation only if there are no others."""
    tokens = [folded for word in text.split() if (folded := fold(word))]
    bare = [stripped for token in tokens if (stripped := _strip(token)) is not None]
    return bare or [_Token(token) for token in tokens]


def _strip(token: str) -> _Token | None:
    inside = [at for at, character in enumerate(token) if character.isalnum()]
    if not inside:
        return None
    first, last = inside[0], inside[-1] + 1
    return _Token(token[first:last], first, len(token) - last)
