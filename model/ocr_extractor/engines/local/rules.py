"""Segments to pairs by their positions: geometric rules, tuned on FUNSD's training split."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from ocr_extractor.contract import Pair
from ocr_extractor.engines.local.options import option_rows, pair_of
from ocr_extractor.ocr.neighbours import (
    Neighbours,
    gap_below,
    gap_beside,
    in_reading_order,
    overlap_sideways,
    share_column,
)
from ocr_extractor.ocr.segments import Segment, find_segments
from ocr_extractor.ocr.text_shapes import announces_value, has_digits, is_label, is_tick, is_value
from ocr_extractor.ocr.words import Word

# Distances are in text heights of the question's line, as the OCR boxes it (about 1.4 times
# the height of a capital).
_REACH_AFTER_COLON = 14.0
_REACH_TO_VALUE = 10.0
_REACH_TO_TEXT = 5.0
_REACH_TO_CELL = 14.0
_REACH_OF_TICK = 2.5
_REACH_BELOW = 0.4
_REACH_IN_CELL = 2.0
_ROW_OF_COLUMN = 2.0

_ROOM_AFTER_TEXT = 7.0
"""A text that answers a label without a colon ends its row: of 333 candidates with a nearer
right neighbour, 11 were right."""

_ROOM_ABOVE_LABEL = 0.15
_LINE_SPACING = 0.6
_LINE_INDENT = 1.5
_LINE_HEIGHT_RATIO = 0.65
_WRAPPED_LINE_WORDS = 4
_ENTRY_TYPE_RATIO = 1.15
"""Text close below a label is an entry, not a part of the label, if it is this much larger."""


def link_by_rules(words: Sequence[Word], page: int) -> tuple[Pair, ...]:
    """Find the pairs of a page, in reading order of their questions, without confidence."""
    answers = apply_rules(words)
    return tuple(
        pair_of(question, answers[question], page) for question in in_reading_order(answers)
    )


def apply_rules(words: Sequence[Word]) -> dict[Segment, list[Segment]]:
    """Return the questions that the rules find, each with its answer in reading order."""
    return _Rules(find_segments(words)).apply()


class _Rules:
    """The rules in the order of use; a segment belongs to the first rule that uses it."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = [each for each in segments if _is_legible(each)]
        self._near = Neighbours(self._segments)
        self._questions = {each for each in self._segments if announces_value(each.text)}
        self._used: set[Segment] = set()
        self._answers: dict[Segment, list[Segment]] = {}

    def apply(self) -> dict[Segment, list[Segment]]:
        """Return each question with its answer's segments in reading order."""
        self._choose_options()
        self._read_after_colons()
        self._read_ticks()
        self._read_ruled()
        self._read_beside()
        self._read_cells()
        for question, answer in self._answers.items():
            if len(answer) == 1 and not question.mark:
                answer.extend(self._following_lines(answer[0], question))
        self._read_below_colons()
        self._read_columns()
        self._read_below()
        return self._answers

    def _is_free(self, segment: Segment) -> bool:
        return segment not in self._used and segment not in self._questions

    def _is_free_label(self, segment: Segment) -> bool:
        return self._is_free(segment) and is_label(segment.text)

    def _link(self, question: Segment, answer: list[Segment]) -> None:
        self._answers.setdefault(question, []).extend(answer)
        self._questions.add(question)
        self._used.update((question, *answer))

    def _choose_options(self) -> None:
        """`Married: [x] Yes [ ] No` answers Yes; a ticked box with no such label is an `x`."""
        for left, options in option_rows(self._near):
            self._used.update(options)
            chosen = [option for option in options if option.ticked]
            if len(options) > 1 and left is not None and is_label(left.text):
                if chosen:
                    self._link(left, chosen)
                continue
            for option in chosen:
                if option.words != option.mark:
                    self._link(option, [Segment(option.mark)])

    def _read_after_colons(self) -> None:
        for question in self._segments:
            if question not in self._questions or question in self._used:
                continue
            answer = self._near.next(question, _REACH_AFTER_COLON)
            if answer is not None and self._is_free(answer):
                self._link(question, [answer])

    def _read_ticks(self) -> None:
        """`X Approved`, read as two segments."""
        for tick in self._left_to_right():
            if not self._is_free(tick) or not is_tick(tick.text):
                continue
            option = self._near.right(tick)
            if option is None or gap_beside(tick, option) > _REACH_OF_TICK:
                continue
            if self._is_free_label(option):
                self._link(option, [tick])

    def _read_ruled(self) -> None:
        """`Sample No. 5031` in one piece: the label ends where the ruled line begins."""
        for segment in self._segments:
            label = tuple(takewhile(lambda word: not word.underlined, segment.words))
            answer = segment.words[len(label) :]
            if not (label and answer and self._is_free(segment)):
                continue
            if all(word.underlined for word in answer):
                question = Segment(label)
                if is_label(question.text) and not has_digits(question.text):
                    self._used.add(segment)
                    self._link(question, [Segment(answer)])

    def _read_beside(self) -> None:
        """Labels without a colon, answered on their row."""
        labels = [
            each
            for each in self._left_to_right()
            if self._is_free_label(each) and not each.underlined
        ]
        for label in labels:
            if not self._is_free(label):
                continue
            answer = self._near.next(label, _REACH_TO_VALUE)
            if answer is None or not self._is_free(answer):
                continue
            if is_value(answer.text):
                self._link(label, self._cells_from(answer))
            elif gap_beside(label, answer) <= _REACH_TO_TEXT and (
                answer.underlined or self._stands_alone(label, answer)
            ):
                self._link(label, [answer])

    def _stands_alone(self, label: Segment, answer: Segment) -> bool:
        right = self._near.right(answer)
        if right is not None and gap_beside(answer, right) < _ROOM_AFTER_TEXT:
            return False
        return not self._near.has_text_above(label, _ROOM_ABOVE_LABEL)

    def _cells_from(self, value: Segment) -> list[Segment]:
        """Return the values of a table row from `value` on."""
        cells = [value]
        while (cell := self._near.next(cells[-1], _REACH_TO_CELL)) is not None:
            if not self._is_free(cell) or not is_value(cell.text):
                break
            cells.append(cell)
        return cells

    def _read_cells(self) -> None:
        """Boxed forms: a label at the left wall of its cell, the entry at the cell's foot."""
        for label in self._segments:
            if label not in self._used and is_label(label.text) and label.words[0].walled:
                entry = self._below_in_column(label, _REACH_IN_CELL)
                if entry is not None and self._is_entry_of(label, entry):
                    self._link(label, [entry])

    def _is_entry_of(self, label: Segment, entry: Segment) -> bool:
        apart = gap_below(label, entry) >= 0 or entry.height > _ENTRY_TYPE_RATIO * label.height
        return apart and self._is_free(entry) and entry.underlined and not label.underlined

    def _following_lines(self, answer: Segment, question: Segment) -> list[Segment]:
        """Return the lines below that carry the answer on, and take them."""
        lines = [answer]

        def continues(line: Segment) -> bool:
            above = lines[-1]
            if not self._is_free(line) or self._is_answer_of_free_label(line):
                return False
            if not _LINE_HEIGHT_RATIO < line.height / above.height < 1 / _LINE_HEIGHT_RATIO:
                return False
            if abs(line.box[0] - answer.box[0]) <= _LINE_INDENT * answer.height:
                return True
            return self._wraps(line, answer, question)

        while (line := self._near.below(lines[-1], _LINE_SPACING, continues)) is not None:
            self._used.add(line)
            lines.append(line)
        return lines[1:]

    def _wraps(self, line: Segment, answer: Segment, question: Segment) -> bool:
        """Running text may go on at the left edge, below the question."""
        return (
            question.box[0] - question.height <= line.box[0] < answer.box[0]
            and overlap_sideways(line.box, answer.box)
            and min(len(line.words), len(answer.words)) >= _WRAPPED_LINE_WORDS
            and self._near.right(line) is None
        )

    def _is_answer_of_free_label(self, segment: Segment) -> bool:
        left = self._near.left(segment)
        return (
            left is not None
            and left not in self._used
            and is_label(left.text)
            and gap_beside(left, segment) <= _REACH_TO_CELL
        )

    def _read_below_colons(self) -> None:
        for question in self._segments:
            if question in self._questions and question not in self._used:
                answer = self._below_in_column(question, _REACH_BELOW)
                if answer is not None and self._is_free(answer):
                    self._link(question, [answer])
                    self._answers[question] += self._following_lines(answer, question)

    def _below_in_column(self, segment: Segment, reach: float) -> Segment | None:
        return self._near.below(segment, reach, lambda other: share_column(segment.box, other.box))

    def _read_columns(self) -> None:
        """A caption over two or more values."""
        for caption in self._segments:
            if self._is_free_label(caption):
                column = self._column_below(caption)
                if len(column) > 1:
                    self._link(caption, column)

    def _column_below(self, caption: Segment) -> list[Segment]:
        """Return the values below, each right below the last; a row may have read them, too."""
        column: list[Segment] = []

        def is_cell(segment: Segment) -> bool:
            return segment not in self._questions and share_column(caption.box, segment.box)

        lowest = caption
        while (cell := self._near.below(lowest, _ROW_OF_COLUMN, is_cell)) is not None:
            if not is_value(cell.text):
                break
            column.append(cell)
            lowest = cell
        return column

    def _read_below(self) -> None:
        """A label without a colon over a single value."""
        for label in self._segments:
            if not self._is_free_label(label):
                continue
            answer = self._below_in_column(label, _REACH_BELOW)
            if answer is not None and self._is_free(answer) and is_value(answer.text):
                self._link(label, [answer])

    def _left_to_right(self) -> list[Segment]:
        return sorted(self._segments, key=lambda segment: segment.box[0])


def _is_legible(segment: Segment) -> bool:
    return any(character.isalnum() for character in segment.text) or is_tick(segment.text)
