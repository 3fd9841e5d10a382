"""Grounds an LLM's pairs: finds their texts among the words that the OCR read on the page."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from rapidfuzz import fuzz

from ocr_extractor.engines.local.words import union

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ocr_extractor.contract import Box, Pair
    from ocr_extractor.engines.local.words import Word

_FOUND = 0.55
"""Score from which a text counts as found. On FUNSD's training split 0.70 finds 93.6 % of the true
answers and flags all invented ones, 0.50 finds 97.1 % and flags 95.2 %."""

_MIN_SIMILARITY = 65.0
"""Of a word to what stands on the page, [0, 100]; words of one or two characters must be equal."""

_CUT_COST = 1.0
"""Characters lost by a match that begins or ends inside a word: `12` is not what `3124` says."""

_STEP_COST = 0.2
"""Characters lost per line height, or skipped character, between two words of a text."""

_MAX_STEP_COST = 10.0

_BEAM = 24
"""Alignments of a text kept from word to word; a single word keeps all its places up to `_PLACES`,
for many an `X` of a page is another field's."""

_PLACES = 60
_CHOICES = 8
"""Alignments of a text that are tried together with those of the pair's other text."""

_HEIGHT_TRIM = 0.1
"""The OCR's boxes are higher than the text by this part on both sides, against FUNSD's."""

# Scores lost by an answer that does not stand right beside or below its question.
_APART_COST = 0.01  # a line height
_DIAGONAL_COST = 0.5
_BEFORE_COST = 0.3
_MAX_APART_COST = 1.0


def ground(pairs: Sequence[Pair], words: Sequence[Word]) -> tuple[Pair, ...]:
    """Give pairs the boxes of the words that they quote.

    Spacing does not matter, OCR errors cost score. The pairs with the best alignments choose
    first, and no word is used twice, but for what is found nowhere else: a table's cell answers
    its row and its column.

    Args:
        pairs: What an LLM said of a page.
        words: What the OCR read on it.

    Returns:
        The pairs in their order, with `grounded`, boxes, and as confidence how well question and
        answer agree with the page: the answer's score in [0, 1], halved where the question is not
        found. 0 when the answer is not on the page.
    """
    index = _PageIndex(words)
    placed: dict[int, tuple[_Finding, _Finding]] = {}
    # Complete pairs before halves, unused words before used ones.
    for halves, reuse in product((False, True), repeat=2):
        left = [number for number in range(len(pairs)) if number not in placed]
        choices = [
            (score, number, both)
            for number in left
            for score, both in _choices(pairs[number], index, reuse=reuse)
        ]
        for _, number, both in sorted(choices, key=lambda choice: -choice[0]):
            complete = all(finding.places for finding in both) or pairs[number].answer is None
            if number in placed or not (complete or halves):
                continue
            if reuse or index.is_free(both):
                placed[number] = both
                index.use(both)
    nothing = (_NOT_FOUND, _NOT_FOUND)
    return tuple(_grounded(pair, *placed.get(number, nothing)) for number, pair in enumerate(pairs))


def _grounded(pair: Pair, question: _Finding, answer: _Finding) -> Pair:
    blank = pair.answer is None
    score = question.score if blank else answer.score * (1 + question.score) / 2
    return replace(
        pair,
        question_box=question.box,
        answer_box=answer.box,
        grounded=bool(question.places if blank else answer.places),
        confidence=min(max(score, 0.0), 1.0),
    )


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


@dataclass(frozen=True, eq=False)
class _Place:
    """Characters [start, end) of a line that match a word of a text, `gain` of its characters."""

    line: _Line
    start: int
    end: int
    gain: float
    box: Box

    def characters(self) -> Iterator[tuple[int, int]]:
        """Yield a key for each character."""
        return ((id(self.line), position) for position in range(self.start, self.end))


@dataclass(frozen=True, eq=False)
class _Finding:
    """Where a text stands; `score`, at most 1, is the part of it that is there."""

    score: float
    places: tuple[_Place, ...]

    @property
    def box(self) -> Box | None:
        """The box around its words, px; None when it is nowhere."""
        if not self.places:
            return None
        x0, y0, x1, y1 = union(place.box for place in self.places)
        trim = round(_HEIGHT_TRIM * max(place.box[3] - place.box[1] for place in self.places))
        return x0, y0 + trim, x1, y1 - trim


_NOT_FOUND = _Finding(0.0, ())


class _PageIndex:
    """The page's lines, and which of their characters are used."""

    def __init__(self, words: Sequence[Word]) -> None:
        lines: dict[int, list[Word]] = {}
        for word in words:
            lines.setdefault(word.line, []).append(word)
        self._lines = [_fold_line(line) for line in lines.values()]
        self._places: dict[str, list[_Place]] = {}
        self._used: set[tuple[int, int]] = set()

    def use(self, findings: Iterable[_Finding]) -> None:
        """Mark what the findings cover as used."""
        self._used.update(key for each in findings for p in each.places for key in p.characters())

    def is_free(self, findings: Iterable[_Finding]) -> bool:
        """Tell whether nothing that the findings cover is used."""
        return all(self._is_free(place) for each in findings for place in each.places)

    def _is_free(self, place: _Place) -> bool:
        return self._used.isdisjoint(place.characters())

    def find(self, text: str, *, reuse: bool) -> list[_Finding]:
        """Return the best alignments of a text that count as found, best first.

        A beam search over the words of the text: each is put at one of its places, at a cost for
        the step from the one before, or left out.
        """
        tokens = _fold_tokens(text)
        length = sum(map(len, tokens))
        single = len(tokens) == 1
        states: list[tuple[float, tuple[_Place, ...]]] = [(0.0, ())]
        for token in tokens:
            longer = []
            for place in self._places_of(token):
                if reuse or self._is_free(place):
                    score, places = max(
                        ((score - _step_cost(places, place), places) for score, places in states),
                        key=lambda state: state[0],
                    )
                    longer.append((score + place.gain, (*places, place)))
            states = sorted([*states, *longer], key=lambda state: -state[0])
            del states[_PLACES if single else _BEAM :]
        found = [_Finding(score / length, places) for score, places in states if places]
        return [each for each in found if each.score >= _FOUND][: _PLACES if single else _CHOICES]

    def _places_of(self, token: str) -> list[_Place]:
        if token not in self._places:
            self._places[token] = [
                place for line in self._lines for place in _places_in_line(token, line)
            ]
        return self._places[token]


def _places_in_line(token: str, line: _Line) -> Iterator[_Place]:
    """Yield all places that equal the token, else the one most like it."""
    start = line.text.find(token)
    if start < 0 and len(token) > 2:
        alike = fuzz.partial_ratio_alignment(token, line.text, score_cutoff=_MIN_SIMILARITY)
        if alike is not None and len(token) <= len(line.text):
            yield _place(line, alike.dest_start, alike.dest_end, len(token), alike.score / 100)
    while start >= 0:
        yield _place(line, start, start + len(token), len(token), 1.0)
        start = line.text.find(token, start + 1)


def _place(line: _Line, start: int, end: int, length: int, similarity: float) -> _Place:
    # Squared: of three letters two agree by chance all over a page.
    gain = length * similarity**2 - line.cut_cost(start) - line.cut_cost(end)
    box = union(word.part(at, at + 1).box for word, at in line.words[start:end])
    return _Place(line, start, end, gain, box)


def _step_cost(places: tuple[_Place, ...], place: _Place) -> float:
    """Return the characters lost on the way from the last place to the next."""
    if not places:
        return 0.0
    last = places[-1]
    if last.line is not place.line:
        return min(_MAX_STEP_COST, _STEP_COST * sum(_gaps(last.box, place.box)))
    if place.start < last.end:
        return float("inf")
    if place.start == last.end:  # the cut inside a glued word is none
        return -2 * place.line.cut_cost(place.start)
    skipped = sum(map(str.isalnum, place.line.text[last.end : place.start]))
    return min(_MAX_STEP_COST, _STEP_COST * skipped)


def _gaps(box: Box, other: Box) -> tuple[float, float, float]:
    """Return the white space sideways and up or down, and 2 for going back, in line heights."""
    height = max(1, box[3] - box[1])
    beside = max(0, other[0] - box[2], box[0] - other[2]) / height
    below = max(0, other[1] - box[3], box[1] - other[3]) / height
    back = other[3] <= box[1] or (not below and other[2] <= box[0])
    return beside, below, 2.0 * back


def _choices(
    pair: Pair, index: _PageIndex, *, reuse: bool
) -> Iterator[tuple[float, tuple[_Finding, _Finding]]]:
    """Yield (score, (question, answer)) for all ways to place a pair or one half of it."""
    questions = index.find(pair.question, reuse=reuse)
    answers = index.find(pair.answer, reuse=reuse) if pair.answer else []
    for question, answer in product(questions or [_NOT_FOUND], answers or [_NOT_FOUND]):
        if question.box is None or answer.box is None:
            yield question.score + answer.score, (question, answer)
        elif not _overlap(question, answer):
            beside, below, back = _gaps(question.box, answer.box)
            cost = _APART_COST * (beside + below)
            cost += _DIAGONAL_COST * bool(beside and below > 0.5) + _BEFORE_COST * bool(back)
            yield question.score + answer.score - min(cost, _MAX_APART_COST), (question, answer)


def _overlap(one: _Finding, other: _Finding) -> bool:
    taken = {key for place in one.places for key in place.characters()}
    return any(not taken.isdisjoint(place.characters()) for place in other.places)


def _fold_line(line: Sequence[Word]) -> _Line:
    """Fold a line character by character: one may become several."""
    folded = [
        (character, (word, at))
        for word in line
        for at, printed in enumerate(word.text)
        for character in _fold(printed)
    ]
    return _Line("".join(each for each, _ in folded), tuple(origin for _, origin in folded))


def _fold(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _fold_tokens(text: str) -> list[str]:
    """Return the words of a text, folded; punctuation at their ends is what OCR loses first."""
    tokens = [folded for word in text.split() if (folded := _fold(word))]
    bare = [stripped for token in tokens if (stripped := _strip(token))]
    return bare or tokens


def _strip(token: str) -> str:
    inside = [at for at, character in enumerate(token) if character.isalnum()]
    return token[inside[0] : inside[-1] + 1] if inside else ""
