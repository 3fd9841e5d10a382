"""Annotated forms, and the rules that turn entities and links into the true pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in px, origin top-left, end exclusive."""

Label = Literal["question", "answer", "header", "other"]
LABELS: tuple[Label, ...] = get_args(Label)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of an entity; its text may be empty."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class Entity:
    """FUNSD's unit: a piece of text that belongs together.

    Attributes:
        id: The annotation's own number, unique on its page.
        label: What the text is on the form.
        text: As annotated; empty where nobody could read it.
        box: Where it stands, px of the upright page.
        words: Its words, in the annotation's order.
        page: From 1.
    """

    id: int
    label: Label
    text: str
    box: Box
    words: tuple[Word, ...] = ()
    page: int = 1


Link = tuple[Entity, Entity]
"""(from, to), as in "this question is answered by that answer"."""


@dataclass(frozen=True, slots=True)
class TruePair:
    """One question of a form with the answer that was filled in.

    Attributes:
        question: The question's text without space at its ends; never empty.
        answer: Its answers' texts, joined by one space in reading order; never empty.
        page: The page the question stands on, from 1.
        question_box: px of the upright page.
        answer_box: Smallest box around its answers on `page`; None when all are on other pages.
    """

    question: str
    answer: str
    page: int
    question_box: Box
    answer_box: Box | None


class Document(Protocol):
    """A document whose truth is known, whatever kind of truth that is."""

    @property
    def form_id(self) -> str:
        """The truth file's name without its suffix."""

    @property
    def image_path(self) -> Path:
        """The document."""

    @property
    def truth_paths(self) -> tuple[Path, ...]:
        """The files that its truth was read from."""

    def expectations(self) -> dict[str, Any]:
        """Return the truth as JSON values, as an evaluation record holds it."""


@dataclass(frozen=True)
class Form:
    """One document whose entities and links are annotated.

    Attributes:
        form_id: The annotation's file name without its suffix.
        image_path: The document.
        annotation_path: The JSON file that the entities were read from.
        entities: In the annotation's order, page by page.
        links: Each once; none from an entity to itself or to an unknown one.
    """

    form_id: str
    image_path: Path
    annotation_path: Path
    entities: tuple[Entity, ...]
    links: tuple[Link, ...]

    @property
    def truth_paths(self) -> tuple[Path, ...]:
        """The files that its truth was read from."""
        return (self.annotation_path,)

    def expectations(self) -> dict[str, Any]:
        """Return its pairs as JSON values."""
        pairs = [{"question": pair.question, "answer": pair.answer} for pair in self.pairs()]
        return {"pairs": pairs}

    def answers(self) -> dict[Entity, list[Entity]]:
        """Return each answered question with its linked answers, both in reading order."""
        linked: dict[Entity, list[Entity]] = {}
        for source, target in self.links:
            if source.label == "question" and target.label == "answer":
                linked.setdefault(source, []).append(target)
        return {question: reading_order(linked[question]) for question in reading_order(linked)}

    def pairs(self) -> tuple[TruePair, ...]:
        """Return the pairs, one a question, in reading order of the questions.

        Questions of the same text stay apart. A question without text, or whose answers have
        none, makes no pair: there is no text that an engine could find.
        """
        pairs = []
        for question, answers in self.answers().items():
            question_text = question.text.strip()
            answer_text = " ".join(filter(None, (answer.text.strip() for answer in answers)))
            if question_text and answer_text:
                boxes = [answer.box for answer in answers if answer.page == question.page]
                answer_box = _union(boxes) if boxes else None
                pairs.append(
                    TruePair(question_text, answer_text, question.page, question.box, answer_box)
                )
        return tuple(pairs)

    def blank_questions(self) -> tuple[Entity, ...]:
        """Return the questions that have text and no linked answer, in reading order.

        A question whose answer is linked but has no text (a signature, often) is not blank.
        """
        answered = self.answers()
        return tuple(
            reading_order(
                entity
                for entity in self.entities
                if entity.label == "question" and entity.text.strip() and entity not in answered
            )
        )


def reading_order(entities: Iterable[Entity]) -> list[Entity]:
    """Sort entities page by page, line by line, left to right.

    An entity joins a line if it begins above the middle of the first row of words of that line's
    topmost entity: the boxes of one line on a scan differ by a few px in height.
    """
    lines: list[list[Entity]] = []
    for entity in sorted(entities, key=lambda e: (e.page, e.box[1], e.box[0], e.id)):
        top = lines[-1][0] if lines else None
        if top and top.page == entity.page and entity.box[1] < _middle_of_first_row(top):
            lines[-1].append(entity)
        else:
            lines.append([entity])
    return [entity for line in lines for entity in sorted(line, key=lambda e: e.box[0])]


def _middle_of_first_row(entity: Entity) -> float:
    """Return y, px; an entity of several lines is taller than its row of words."""
    boxes = [word.box for word in entity.words] or [entity.box]
    return entity.box[1] + max(bottom - top for _, top, _, bottom in boxes) / 2


def _union(boxes: list[Box]) -> Box:
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)
