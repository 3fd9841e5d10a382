"""Options of a question: which of them are ticked, and which question they answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ocr_extractor.contract import Box, Pair
from ocr_extractor.ocr.checkboxes import EMPTY
from ocr_extractor.ocr.neighbours import Neighbours, gap_beside, insert_in_order, share_middle
from ocr_extractor.ocr.segments import Segment, find_segments
from ocr_extractor.ocr.text_shapes import has_letters, is_label
from ocr_extractor.ocr.words import Word, union

_REACH_TO_QUESTION = 14.0
"""Largest distance of a question from its first option, in text heights."""

_CONFIDENCE = 0.5
"""The share of the ticks found on FUNSD's training forms that are annotated as such."""


def choose_options(pairs: Iterable[Pair], words: Sequence[Word], page: int) -> tuple[Pair, ...]:
    """Answer the questions that have options with the ticked ones.

    `Married: [x] Yes [ ] No` is answered by `Yes`, a ticked option without a question by its mark.

    Returns:
        The pairs in reading order. Left out are those that answer with an option, or for one,
        and those that answer with an empty box.
    """
    found = [pair for pair in pairs if set(pair.answer or "") != {EMPTY}]
    for choice in _find_choices(find_segments(words)):
        found = [pair for pair in found if not choice.replaces(pair)]
        for pair in choice.pairs(page):
            insert_in_order(found, pair)
    return tuple(found)


@dataclass(frozen=True)
class _Option:
    """A text with a box to tick, its mark's words and whether it is ticked."""

    text: Segment
    mark: Segment
    ticked: bool


@dataclass(frozen=True)
class _Choice:
    """Options side by side, at least one, and the question that they answer, if there is one."""

    question: Segment | None
    options: tuple[_Option, ...]

    def replaces(self, pair: Pair) -> bool:
        """Tell whether `pairs` replaces a pair about these options."""
        known = self.options if self.question else [each for each in self.options if each.ticked]
        parts = [part.box for option in known for part in (option.text, option.mark)]
        asked = [self.question.box] if self.question else [option.text.box for option in known]
        return _any_shares(pair.answer_box, parts) or _any_shares(pair.question_box, asked)

    def pairs(self, page: int) -> Iterator[Pair]:
        """Yield the pairs of the options; none if no option is ticked."""
        ticked = [option for option in self.options if option.ticked]
        if self.question is None:
            for option in ticked:
                yield pair_of(option.text, [option.mark], page, _CONFIDENCE)
        elif ticked:
            answer = [option.text for option in ticked]
            yield pair_of(self.question, answer, page, _CONFIDENCE)


def _any_shares(box: Box | None, others: Iterable[Box]) -> bool:
    return box is not None and any(share_middle(box, other) for other in others)


def pair_of(
    question: Segment, answer: Sequence[Segment], page: int, confidence: float | None = None
) -> Pair:
    """Return the pair of a question and the segments that answer it, at least one."""
    text, box = " ".join(each.text for each in answer), union(each.box for each in answer)
    return Pair(question.text, text, page, confidence, question.box, box)


def _find_choices(segments: Sequence[Segment]) -> Iterator[_Choice]:
    """Yield the rows of options; a box stands before its text, or behind it in the whole row."""
    near = Neighbours(segments)
    for before, row in option_rows(near):
        left, texts = before, list[Segment | None](row)
        if row[-1].words == row[-1].mark:
            left, texts = near.left(before) if before else None, [before, *row[:-1]]
        options = tuple(
            _Option(text, Segment(each.mark), each.ticked or False)
            for text, each in zip(texts, row, strict=True)
            if text is not None and text.words != text.mark and has_letters(text.text)
        )
        if options:
            yield _Choice(_question_of(options, left), options)


def option_rows(near: Neighbours) -> Iterator[tuple[Segment | None, list[Segment]]]:
    """Yield the options that stand side by side, and the text left of them, if there is one."""
    for first in near.segments:
        left = near.left(first)
        if first.ticked is None or (left is not None and left.ticked is not None):
            continue
        row = [first]
        while (following := near.right(row[-1])) and following.ticked is not None:
            row.append(following)
        yield left, row


def _question_of(options: Sequence[_Option], left: Segment | None) -> Segment | None:
    """Return the text left of two or more options, if it can be their question."""
    if left is None or len(options) < 2 or not is_label(left.text):
        return None
    return left if gap_beside(left, options[0].text) <= _REACH_TO_QUESTION else None
