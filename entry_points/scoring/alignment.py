"""The true texts of a form, and the outcome of every pair, blank field and predicted pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from data.forms import Entity, Form, reading_order
from entry_points.scoring.matching import (
    FUZZY_SIMILARITY,
    GROUNDED_SIMILARITY,
    best_matches,
    grounding,
    normalise,
    page_text,
    similarities,
)

TextPair = tuple[str, str]
"""(question, answer), as on the form or in the output."""

_ANSWERING = ("question", "answer")

Match = tuple[int, int]
"""(position in the truth, position among the predicted pairs)."""


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


@dataclass(frozen=True, slots=True)
class Alignment:
    """The outcome of every pair, by its position in the truth or in the output.

    Every true pair is right, misread or missed; every predicted pair with an answer is right,
    misread or invented.

    Attributes:
        right: Pairs whose question and answer both match; as many as possible.
        misread: Others whose question matches, the least similar answer first.
        missed: The other true pairs.
        invented: The other predicted pairs that have an answer.
        questions: How many questions match, whatever their answers.
        kept_blank: Blank fields reported as blank; the first position is in `FormTexts.blanks`.
        filled: Blank fields that were given one of the invented answers.
        hallucinated: Predicted pairs whose answer is not on the page.
        repeated: Invented pairs that repeat another pair.
    """

    right: tuple[Match, ...]
    misread: tuple[Match, ...]
    missed: tuple[int, ...]
    invented: tuple[int, ...]
    questions: int
    kept_blank: tuple[Match, ...]
    filled: tuple[Match, ...]
    hallucinated: tuple[int, ...]
    repeated: tuple[int, ...]


def align(truth: FormTexts, stated: Sequence[TextPair]) -> Alignment:
    """Match the true pairs and blank fields of a form with pairs as read, "" for a blank answer."""
    answered = [number for number, (_, answer) in enumerate(stated) if answer.strip()]
    pairs = [_normalised(pair) for pair in truth.pairs]
    read = [_normalised(stated[number]) for number in answered]
    questions = similarities([q for q, _ in pairs], [q for q, _ in read])
    answers = similarities([a for _, a in pairs], [a for _, a in read])
    same_question = questions >= FUZZY_SIMILARITY
    # Of matchings of equal size, take the most similar one: then the mistakes name the missed line
    # and not its neighbour.
    right = best_matches(same_question & (answers >= FUZZY_SIMILARITY), (questions + answers) / 2)
    rest = same_question.copy()
    for row, column in right:
        rest[row, :] = rest[:, column] = False
    misread = sorted(best_matches(rest, answers), key=lambda cell: answers[cell])
    seen = (*right, *misread)
    seen_true, seen_read = {row for row, _ in seen}, {column for _, column in seen}
    invented = [number for i, number in enumerate(answered) if i not in seen_read]
    kept, filled = _blank_fields(truth, stated, invented)
    return Alignment(
        right=tuple((row, answered[column]) for row, column in right),
        misread=tuple((row, answered[column]) for row, column in misread),
        missed=tuple(row for row in range(len(pairs)) if row not in seen_true),
        invented=tuple(invented),
        questions=len(best_matches(same_question, questions)),
        kept_blank=kept,
        filled=filled,
        hallucinated=_hallucinated(truth, stated, answered),
        repeated=_repeated(invented, dict(zip(answered, read, strict=True))),
    )


def _blank_fields(
    truth: FormTexts, stated: Sequence[TextPair], invented: Sequence[int]
) -> tuple[tuple[Match, ...], tuple[Match, ...]]:
    """Match the blank fields with reported blanks, then the others with invented pairs."""
    called_blank = [number for number, (_, answer) in enumerate(stated) if not answer.strip()]
    kept = _same_questions(truth, range(len(truth.blanks)), stated, called_blank)
    settled = {row for row, _ in kept}
    open_fields = [row for row in range(len(truth.blanks)) if row not in settled]
    return kept, _same_questions(truth, open_fields, stated, invented)


def _same_questions(
    truth: FormTexts, fields: Sequence[int], stated: Sequence[TextPair], numbers: Sequence[int]
) -> tuple[Match, ...]:
    alike = similarities(
        [normalise(truth.blanks[row]) for row in fields],
        [normalise(stated[number][0]) for number in numbers],
    )
    matches = best_matches(alike >= FUZZY_SIMILARITY, alike)
    return tuple((fields[row], numbers[column]) for row, column in matches)


def _hallucinated(
    truth: FormTexts, stated: Sequence[TextPair], answered: Sequence[int]
) -> tuple[int, ...]:
    if truth.page is None:
        return ()
    return tuple(
        number
        for number in answered
        if grounding(stated[number][1], truth.page) < GROUNDED_SIMILARITY
    )


def _repeated(invented: Sequence[int], read: dict[int, TextPair]) -> tuple[int, ...]:
    seen = {pair for number, pair in read.items() if number not in invented}
    found = []
    for number in invented:
        if read[number] in seen:
            found.append(number)
        seen.add(read[number])
    return tuple(found)


def _normalised(pair: TextPair) -> TextPair:
    return normalise(pair[0]), normalise(pair[1])
