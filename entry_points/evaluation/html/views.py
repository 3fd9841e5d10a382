"""One form in the report: its pages, and every pair or field with its outcome."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image
from rapidfuzz.distance import Levenshtein

from data.forms import Box, Form
from entry_points.evaluation.reading import Reading
from entry_points.evaluation.results import FormResult
from entry_points.scoring.alignment import Alignment, align
from entry_points.scoring.forms import Truth, stated_pairs

# A FUNSD page keeps its size. In grey at this quality it takes 44 KB (every fifth training page);
# JPEG takes 65 KB and PNG 71 KB.
_LONGEST_SIDE = 1000  # px
_QUALITY = 60

# Two texts that share less than this are shown as different as a whole: single letters that
# happen to agree would only be noise.
_RELATED = 0.4

Kind = Literal["misread", "invalid", "missed", "invented", "blank", "null", "right"]
SHOWN: Mapping[str, Sequence[Kind]] = {
    "pairs": ("misread", "missed", "invented", "blank", "right"),
    "values": ("misread", "invalid", "missed", "invented", "null", "right"),
}
"""The kinds of rows that a report distinguishes, by the unit of the score."""


@dataclass(frozen=True, slots=True)
class DiffPart:
    """A part of a text, never empty, and whether the other text differs there."""

    text: str
    differs: bool


@dataclass(frozen=True)
class Text:
    """A question and its answer, cut where they differ from their counterpart."""

    question: tuple[DiffPart, ...]
    answer: tuple[DiffPart, ...]


@dataclass(frozen=True)
class Mark:
    """A box, px of the upright page, of a true text or of one that was read; pages count from 1."""

    side: Literal["true", "read"]
    role: Literal["question", "answer"]
    page: int
    box: Box


@dataclass(frozen=True)
class Row:
    """A pair or field of the form, of the output, or of both.

    Attributes:
        kind: Its outcome.
        true: Its annotation, None if it has none.
        read: Its reading, None if it was not read.
        marks: The boxes of both.
        confidence: The engine's, [0, 1]; None when it gave none.
        note: Further remarks; "" for none.
    """

    kind: Kind
    true: Text | None
    read: Text | None
    marks: tuple[Mark, ...]
    confidence: float | None = None
    note: str = ""


@dataclass(frozen=True)
class PageView:
    """A page of the report: its number from 1, its upright size, px, and a picture as data URI."""

    number: int
    width: int
    height: int
    image: str


@dataclass(frozen=True)
class FormView:
    """One form of the report.

    Attributes:
        result: Its numbers.
        error: What is wrong and what to do about it; "" when it was read.
        trace: Address of its trace, "" when there is none.
        pages: Its pages.
        rows: Its pairs: those of the annotation in reading order, then invented ones, then
            blank fields. Or its fields: the scalars, the cells of tables, the tables.
    """

    result: FormResult
    error: str
    trace: str
    pages: Sequence[PageView]
    rows: Sequence[Row]


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


def form_rows(form: Form, truth: Truth, reading: Reading) -> list[Row]:
    """Set the pairs that were read beside the true ones; a failed form has missed everything."""
    failed = reading.outputs["error_code"] is not None
    pairs = [] if failed else list(reading.outputs["pairs"])
    return list(_Rows(form, truth, pairs).all())


class _Rows:
    """Builds the rows of one form."""

    def __init__(self, form: Form, truth: Truth, pairs: Sequence[Mapping[str, Any]]) -> None:
        self._true = form.pairs()
        self._blanks = form.blank_questions()
        self._truth, self._pairs = truth, pairs
        self._stated = stated_pairs(pairs)
        self._found = align(truth, self._stated)

    def all(self) -> Iterator[Row]:
        found = self._found
        kinds: dict[int, tuple[Kind, int]] = {row: ("right", read) for row, read in found.right}
        kinds |= {row: ("misread", read) for row, read in found.misread}
        for position in range(len(self._true)):
            if position in kinds:
                yield self._both(position, *kinds[position])
            else:
                text = self._truth.pairs[position]
                yield Row("missed", _text(*text), None, self._true_marks(position))
        yield from self._invented()
        yield from self._blank_fields()

    def _both(self, position: int, kind: Kind, read: int) -> Row:
        question, answer = self._truth.pairs[position]
        true_question, read_question = marked(question, self._stated[read][0])
        true_answer, read_answer = marked(answer, self._stated[read][1])
        return Row(
            kind,
            Text(true_question, true_answer),
            Text(read_question, read_answer),
            (*self._true_marks(position), *_read_marks(self._pairs[read])),
            self._pairs[read]["confidence"],
            _note(self._found, read),
        )

    def _invented(self) -> Iterator[Row]:
        filled = {read: blank for blank, read in self._found.filled}
        for read in self._found.invented:
            blank = filled.get(read)
            true = None if blank is None else _text(self._truth.blanks[blank], "")
            marks = () if blank is None else self._blank_marks(blank)
            yield Row(
                "invented",
                true,
                _text(*self._stated[read]),
                (*marks, *_read_marks(self._pairs[read])),
                self._pairs[read]["confidence"],
                _note(self._found, read),
            )

    def _blank_fields(self) -> Iterator[Row]:
        kept = dict(self._found.kept_blank)
        filled = {blank for blank, _ in self._found.filled}
        for blank, question in enumerate(self._truth.blanks):
            if blank in filled:
                continue
            marks, read = self._blank_marks(blank), None
            if blank in kept:
                ours, theirs = marked(question, self._stated[kept[blank]][0])
                true, read = Text(ours, ()), Text(theirs, ())
                marks += _read_marks(self._pairs[kept[blank]])
            else:
                true = _text(question, "")
            yield Row("blank", true, read, marks)
        settled = set(kept.values())
        for read_at, (question, answer) in enumerate(self._stated):
            if not answer.strip() and read_at not in settled:
                marks = _read_marks(self._pairs[read_at])
                yield Row("blank", None, _text(question, ""), marks, note="no such blank field")

    def _true_marks(self, position: int) -> tuple[Mark, ...]:
        pair = self._true[position]
        marks = (Mark("true", "question", pair.page, pair.question_box),)
        if pair.answer_box is None:
            return marks
        return (*marks, Mark("true", "answer", pair.page, pair.answer_box))

    def _blank_marks(self, blank: int) -> tuple[Mark, ...]:
        entity = self._blanks[blank]
        return (Mark("true", "question", entity.page, entity.box),)


def _text(question: str, answer: str) -> Text:
    return Text(plain(question), plain(answer))


def _read_marks(pair: Mapping[str, Any]) -> tuple[Mark, ...]:
    roles: tuple[Literal["question", "answer"], ...] = ("question", "answer")
    return tuple(
        Mark("read", role, pair["page"], tuple(pair[f"{role}_box"]))
        for role in roles
        if pair[f"{role}_box"] is not None
    )


def _note(found: Alignment, read: int) -> str:
    notes = (
        ("the answer is nowhere on the page", read in found.hallucinated),
        ("given once too often", read in found.repeated),
    )
    return "; ".join(text for text, holds in notes if holds)


def page_views(pages: Sequence[Image.Image]) -> list[PageView]:
    """Shrink the upright pages of a document, in their order, to pictures for the report."""
    return [
        PageView(number, page.width, page.height, _data_uri(page))
        for number, page in enumerate(pages, start=1)
    ]


def _data_uri(page: Image.Image) -> str:
    small = page.convert("L")
    small.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=_QUALITY, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
