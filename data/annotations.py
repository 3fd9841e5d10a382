"""Writes pairs as annotations in FUNSD layout, for `data.funsd` to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data.forms import Box, Label


@dataclass(frozen=True)
class LabelledPair:
    """A question of a form with its answer, as a person has confirmed it.

    Attributes:
        question: Its text; not empty.
        answer: What was filled in; None for a field that was left blank.
        page: The page both stand on, from 1.
        question_box: px of the upright page; None when unknown.
        answer_box: The same.
    """

    question: str
    answer: str | None
    page: int = 1
    question_box: Box | None = None
    answer_box: Box | None = None


def to_annotation(pairs: Sequence[LabelledPair], page_count: int) -> dict[str, Any]:
    """Return a form's annotation: an entity for each question and answer, linked.

    The position of a word in its entity is not known, so each word has the box of its entity. A
    text without a box gets one of 1 px at the left edge, in the order of the pairs.

    Args:
        pairs: In reading order, duplicates kept.
        page_count: The document's pages; one makes a flat list of entities, more a list of pages.
    """
    pages: list[list[dict[str, Any]]] = [[] for _ in range(page_count)]
    count = 0
    for row, pair in enumerate(pairs):
        nowhere = (0, row, 1, row + 1)
        page = pages[pair.page - 1]
        question = _entity(count, "question", pair.question, pair.question_box or nowhere)
        page.append(question)
        count += 1
        if pair.answer is not None:
            answer = _entity(count, "answer", pair.answer, pair.answer_box or nowhere)
            answer["linking"] = question["linking"] = [[question["id"], answer["id"]]]
            page.append(answer)
            count += 1
    return {"form": pages if page_count > 1 else pages[0]}


def _entity(number: int, label: Label, text: str, box: Box) -> dict[str, Any]:
    words = [{"text": word, "box": list(box)} for word in text.split()]
    return {
        "id": number,
        "label": label,
        "text": text,
        "box": list(box),
        "words": words,
        "linking": [],
    }
