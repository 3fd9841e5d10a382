"""The true texts of a form, with which every metric compares a reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from data.forms import Entity, Form, reading_order
from entry_points.scoring.matching import page_text

TextPair = tuple[str, str]
"""(question, answer), as on the form or in the output."""

_ANSWERING = ("question", "answer")


@dataclass(frozen=True, slots=True)
class FormTexts:
    """The true texts of a form, from its annotation.

    Attributes:
        pairs: The pairs to find, in reading order, duplicates kept.
        links: The two texts of each question -> answer link, words joined by one space, by
            question in the annotation's order: `key_value_accuracy` alone is measured on them.
        blanks: The questions that have no linked answer, in reading order: fields left blank.
        page: All words of the document as `page_text` returns them; None if they are not known:
            then no answer counts as hallucinated.
    """

    pairs: tuple[TextPair, ...]
    links: tuple[TextPair, ...]
    blanks: tuple[str, ...] = ()
    page: str | None = None

    @classmethod
    def of(cls, form: Form) -> Self:
        """Take the texts out of an annotated form."""
        position = {entity: index for index, entity in enumerate(form.entities)}
        links = sorted(
            (link for link in form.links if (link[0].label, link[1].label) == _ANSWERING),
            key=lambda link: position[link[0]],
        )
        return cls(
            pairs=tuple((pair.question, pair.answer) for pair in form.pairs()),
            links=tuple((_words(question), _words(answer)) for question, answer in links),
            blanks=tuple(question.text.strip() for question in form.blank_questions()),
            page=page_text(" ".join(map(_words, reading_order(form.entities)))),
        )


def _words(entity: Entity) -> str:
    return " ".join(word.text for word in entity.words)
