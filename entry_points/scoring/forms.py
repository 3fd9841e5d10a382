"""One form's score, and a split's: counts that add up, and the metrics they make."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from entry_points.scoring.anls import anls
from entry_points.scoring.counts import COUNTS, Counts, shares
from entry_points.scoring.key_value_accuracy import key_value_accuracy
from entry_points.scoring.matching import (
    FUZZY_SIMILARITY,
    best_matches,
    normalise,
    similarities,
)
from entry_points.scoring.mistakes import Mistakes, find_mistakes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from data.forms import Entity, Form
    from entry_points.scoring.counts import Numbers

TextPair = tuple[str, str]
"""(question, answer), both as they stand on the form or in the output."""

_ANSWERING = ("question", "answer")
_MEANS = ("anls", "key_value_accuracy", "coverage")


@dataclass(frozen=True, slots=True)
class Truth:
    """What a form says, as its annotation has it.

    Attributes:
        pairs: The pairs to find, in reading order, duplicates kept.
        links: The two texts of each question -> answer link, words joined by one space, by
            question in the annotation's order: `key_value_accuracy` alone is measured on them.
    """

    pairs: tuple[TextPair, ...]
    links: tuple[TextPair, ...]

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
        """Return the form's metrics by name, in [0, 1]; `coverage` is 0 for a failed form."""
        return {
            **self.counts.metrics(),
            "anls": self.anls,
            "key_value_accuracy": self.key_value_accuracy,
            "coverage": 1.0 - self.counts.failed,
        }


def score_form(truth: Truth, outputs: Mapping[str, Any] | None) -> FormScore:
    """Score one row of the model's output.

    A predicted pair without an answer says that a field was left blank: it is a statement about
    the form but no pair, so no metric but `key_value_accuracy` (whose post had no such thing as
    a missing answer) looks at it, `question_f1` included.

    Args:
        truth: The form's true pairs.
        outputs: The row as JSON values, of which `pairs` and `error_code` are read; None when
            there is no row because the model raised.

    Returns:
        The score. A failed form (no row, an `error_code`, or no list of pairs) misses all its
        true pairs and scores 0 in everything, also when it has no true pair.
    """
    if outputs is None or outputs.get("error_code") or outputs.get("pairs") is None:
        missed = Mistakes(missed=tuple(question for question, _ in truth.pairs))
        return FormScore(Counts(true=len(truth.pairs), failed=1), 0.0, 0.0, missed)
    stated = [(pair["question"], pair["answer"] or "") for pair in outputs["pairs"]]
    predicted = [(question, answer) for question, answer in stated if answer.strip()]
    counts, mistakes = _compare(truth.pairs, predicted)
    return FormScore(
        counts=counts,
        anls=anls(truth.pairs, predicted),
        key_value_accuracy=key_value_accuracy(truth.links, stated),
        mistakes=mistakes,
    )


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
    pairs having a pair_f1 of 1; `coverage` is the share of forms that did not fail.

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


def _compare(truth: Sequence[TextPair], predicted: Sequence[TextPair]) -> tuple[Counts, Mistakes]:
    true_texts = [(normalise(question), normalise(answer)) for question, answer in truth]
    texts = [(normalise(question), normalise(answer)) for question, answer in predicted]
    questions = similarities([q for q, _ in true_texts], [q for q, _ in texts])
    answers = similarities([a for _, a in true_texts], [a for _, a in texts])
    same_question = questions >= FUZZY_SIMILARITY
    same_pair = same_question & (answers >= FUZZY_SIMILARITY)
    # The most similar of equally many, so that the mistakes name the line that was missed and
    # not its neighbour.
    matches = best_matches(same_pair, (questions + answers) / 2)
    counts = Counts(
        true=len(truth),
        predicted=len(predicted),
        fuzzy=len(matches),
        exact=_common(true_texts, texts),
        nospace=_common(map(_without_spaces, true_texts), map(_without_spaces, texts)),
        questions=len(best_matches(same_question, questions)),
    )
    return counts, find_mistakes(truth, predicted, (questions, answers), matches)


def _common(left: Iterable[TextPair], right: Iterable[TextPair]) -> int:
    """Count the pairs that both sides have, a repeated one as often as both repeat it."""
    return (Counter(left) & Counter(right)).total()


def _without_spaces(pair: TextPair) -> TextPair:
    return pair[0].replace(" ", ""), pair[1].replace(" ", "")
