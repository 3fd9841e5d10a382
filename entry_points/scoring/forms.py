"""The score of one form and of a set of forms, computed from additive counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from data.forms import reading_order
from entry_points.scoring.alignment import align
from entry_points.scoring.anls import anls
from entry_points.scoring.counts import COUNTS, Counts, shares
from entry_points.scoring.grounding import page_text
from entry_points.scoring.key_value_accuracy import key_value_accuracy
from entry_points.scoring.matching import normalise
from entry_points.scoring.mistakes import Mistakes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from data.forms import Entity, Form
    from entry_points.scoring.alignment import Alignment
    from entry_points.scoring.counts import Numbers

TextPair = tuple[str, str]
"""(question, answer), both as they stand on the form or in the output."""

_ANSWERING = ("question", "answer")
_MEANS = ("anls", "key_value_accuracy", "coverage", "parse_failure_rate")

PARSE_FAILURES = frozenset(
    {
        "completion_cut_off",
        "degenerate_completion",
        "empty_completion",
        "invalid_completion",
        "not_a_completion",
    }
)
"""The extractor's error codes for an LLM's answer that could not be used."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a form says, as its annotation has it.

    Attributes:
        pairs: The pairs to find, in reading order, duplicates kept.
        links: The two texts of each question -> answer link, words joined by one space, by
            question in the annotation's order: `key_value_accuracy` alone is measured on them.
        blanks: The questions that have no linked answer, in reading order: fields left blank.
        page: All words of the document as `page_text` returns them; None when they are not known,
            and then no answer counts as hallucinated.
    """

    pairs: tuple[TextPair, ...]
    links: tuple[TextPair, ...]
    blanks: tuple[str, ...] = ()
    page: str | None = None

    @classmethod
    def of(cls, form: Form) -> Truth:
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


@dataclass(frozen=True, slots=True)
class FormScore:
    """How well one form was read.

    Attributes:
        counts: Pairs matched, missed and invented.
        anls: ANLS* in [0, 1].
        key_value_accuracy: The blog post's metric in [0, 1].
        mistakes: What was misread, missed and invented; none in a score that was stored.
    """

    counts: Counts
    anls: float
    key_value_accuracy: float
    mistakes: Mistakes = field(default_factory=Mistakes)

    def metrics(self) -> dict[str, float]:
        """Return the form's metrics by name; `coverage` is 0 for a failed form."""
        return {
            **self.counts.metrics(),
            "anls": self.anls,
            "key_value_accuracy": self.key_value_accuracy,
            "coverage": 1.0 - self.counts.failed,
            "parse_failure_rate": float(self.counts.unparsed),
        }


def score_form(truth: Truth, outputs: Mapping[str, Any] | None) -> FormScore:
    """Score one row of the model's output.

    A predicted pair without an answer says that a field was left blank: it is a statement about
    the form but no pair, so no metric looks at it, `question_f1` included, but `blank_correct` and
    `key_value_accuracy` (whose post had no such thing as a missing answer).

    Args:
        truth: The form's true pairs.
        outputs: The row as JSON values, of which `pairs` and `error_code` are read; None when
            there is no row because the model raised.

    Returns:
        The score. A failed form (no row, an `error_code`, or no list of pairs) misses all its
        true pairs and scores 0 in everything, also when it has no true pair.
    """
    if outputs is None or outputs.get("error_code") or outputs.get("pairs") is None:
        unparsed = int((outputs or {}).get("error_code") in PARSE_FAILURES)
        counts = Counts(len(truth.pairs), blanks=len(truth.blanks), failed=1, unparsed=unparsed)
        missed = Mistakes(missed=tuple(question for question, _ in truth.pairs))
        return FormScore(counts, 0.0, 0.0, missed)
    stated = stated_pairs(outputs["pairs"])
    predicted = [(question, answer) for question, answer in stated if answer.strip()]
    found = align(truth, stated)
    return FormScore(
        counts=_count(truth, stated, predicted, found),
        anls=anls(truth.pairs, predicted),
        key_value_accuracy=key_value_accuracy(truth.links, stated),
        mistakes=Mistakes.of(truth, stated, found),
    )


def stated_pairs(pairs: Iterable[Mapping[str, Any]]) -> list[TextPair]:
    """Return the (question, answer) texts of an output's pairs, "" for a blank answer."""
    return [(pair["question"], pair["answer"] or "") for pair in pairs]


def score_forms(
    truths: Mapping[str, Truth], outputs: Mapping[str, Mapping[str, Any] | None]
) -> dict[str, FormScore]:
    """Score every form that has a truth; one without a row in `outputs` failed.

    Args:
        truths: By doc_id.
        outputs: The model's rows by doc_id.

    Returns:
        The scores by doc_id, in the order of `truths`.

    Raises:
        ValueError: A row has no truth: the rows and the truths are of different datasets.
    """
    if strangers := sorted(outputs.keys() - truths.keys()):
        raise ValueError(
            f"{len(strangers)} document(s) without a truth, the first is {strangers[0][:80]!r}: "
            "score the rows against the dataset they were read from."
        )
    return {doc_id: score_form(truth, outputs.get(doc_id)) for doc_id, truth in truths.items()}


def aggregate(scores: Collection[FormScore]) -> dict[str, float]:
    """Return a split's headline metrics.

    Precision, recall and F1 come from the counts summed over the forms (micro); `pair_f1_macro`,
    `anls` and `key_value_accuracy` are means over the forms, a form without true and predicted
    pairs having a pair_f1 of 1; `coverage` is the share of forms that did not fail and
    `parse_failure_rate` of those whose LLM's answer could not be used.

    Raises:
        ValueError: There is no form: a split without forms has no score.
    """
    once = np.ones((1, len(scores)))
    return {name: float(value[0]) for name, value in weighted(scores, once).items()}


def weighted(scores: Collection[FormScore], weights: Numbers) -> dict[str, Numbers]:
    """Return the headline metrics of many splits, each holding every form some number of times.

    Args:
        scores: The forms' scores.
        weights: (splits, forms), how often each form is in each split; rows sum to the same.

    Returns:
        (splits,) values by metric, as `aggregate` defines them.

    Raises:
        ValueError: There is no form: a split without forms has no score.
    """
    if not scores:
        raise ValueError("No form was scored: a split without forms has no score.")

    def total(values: Iterable[float]) -> Numbers:
        return weights @ np.fromiter(values, np.float64, len(scores))

    forms = [score.metrics() for score in scores]
    sums = {name: total(getattr(each.counts, name) for each in scores) for name in COUNTS}
    size = weights.sum(axis=1)
    return {
        **shares(sums),
        "pair_f1_macro": total(form["pair_f1"] for form in forms) / size,
        **{name: total(form[name] for form in forms) / size for name in _MEANS},
    }


def _words(entity: Entity) -> str:
    return " ".join(word.text for word in entity.words)


def _count(
    truth: Truth, stated: Sequence[TextPair], predicted: Sequence[TextPair], found: Alignment
) -> Counts:
    true_texts = [(normalise(question), normalise(answer)) for question, answer in truth.pairs]
    texts = [(normalise(question), normalise(answer)) for question, answer in predicted]
    read = [
        (_one_line(stated[number][1]), _one_line(truth.pairs[row][1]))
        for row, number in (*found.right, *found.misread)
    ]
    return Counts(
        true=len(truth.pairs),
        predicted=len(predicted),
        fuzzy=len(found.right),
        exact=_common(true_texts, texts),
        nospace=_common(map(_without_spaces, true_texts), map(_without_spaces, texts)),
        questions=found.questions,
        blanks=len(truth.blanks),
        blank_correct=len(found.kept_blank),
        blank_invented=len(found.filled),
        hallucinated=len(found.hallucinated),
        repeated=len(found.repeated),
        answer_characters=sum(len(true) for _, true in read),
        answer_errors=sum(Levenshtein.distance(*texts) for texts in read),
    )


def _common(left: Iterable[TextPair], right: Iterable[TextPair]) -> int:
    """Count the pairs that both sides have, a repeated one as often as both repeat it."""
    return (Counter(left) & Counter(right)).total()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _without_spaces(pair: TextPair) -> TextPair:
    return pair[0].replace(" ", ""), pair[1].replace(" ", "")
