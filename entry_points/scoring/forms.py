"""The score of one form's pairs, and of a set of forms, computed from additive counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
from rapidfuzz.distance import Levenshtein

from entry_points.scoring.alignment import Alignment, FormTexts, TextPair, align
from entry_points.scoring.counts import COUNTS, Counts, Numbers, shares
from entry_points.scoring.matching import normalise
from entry_points.scoring.mistakes import Mistakes
from entry_points.scoring.published_metrics import anls, key_value_accuracy
from entry_points.scoring.scores import is_failed, is_unparsed

_MEANS = ("anls", "key_value_accuracy", "coverage", "parse_failure_rate")


@dataclass(frozen=True, slots=True)
class Truth(FormTexts):
    """The true texts of a form, against which readings are scored."""

    def score(self, outputs: Mapping[str, Any] | None) -> FormScore:
        """Score one row of the model's output.

        A predicted pair without an answer says that a field was left blank. It is not a pair, so
        only `blank_correct` and `key_value_accuracy` (whose post knows no missing answers) use it.

        Args:
            outputs: The row as JSON values; only `pairs` and `error_code` are used. None if there
                is no row because the model raised.

        Returns:
            The score. A failed form (no row, an `error_code`, or no list of pairs) misses all its
            true pairs and scores 0 in everything, also when it has no true pair.
        """
        if outputs is None or is_failed(outputs, "pairs"):
            unparsed = int(is_unparsed(outputs))
            counts = Counts(len(self.pairs), blanks=len(self.blanks), failed=1, unparsed=unparsed)
            missed = Mistakes(missed=tuple(question for question, _ in self.pairs))
            return FormScore(counts, 0.0, 0.0, missed)
        stated = stated_pairs(outputs["pairs"])
        predicted = [(question, answer) for question, answer in stated if answer.strip()]
        found = align(self, stated)
        return FormScore(
            counts=_count(self, stated, predicted, found),
            anls=anls(self.pairs, predicted),
            key_value_accuracy=key_value_accuracy(self.links, stated),
            mistakes=Mistakes.of(self, stated, found),
        )

    def stated(self) -> Sequence[tuple[str, str | None]]:
        """Return the pairs."""
        return self.pairs

    def judged(self, outputs: Mapping[str, Any]) -> list[tuple[float, bool]]:
        """Return the confidence of each predicted pair, and whether it is right.

        Pairs without an answer, which say that a field is blank, are left out.
        """
        if is_failed(outputs, "pairs"):
            return []
        pairs = outputs["pairs"]
        right = {number for _, number in align(self, stated_pairs(pairs)).right}
        return [
            (pair["confidence"], number in right)
            for number, pair in enumerate(pairs)
            if pair["confidence"] is not None and (pair["answer"] or "").strip()
        ]


@dataclass(frozen=True, slots=True)
class FormScore:
    """How well one form was read.

    Attributes:
        counts: Pairs matched, missed and invented.
        anls: ANLS* in [0, 1].
        key_value_accuracy: The blog post's metric in [0, 1].
        mistakes: What was misread, missed and invented; none in a score that was stored.
    """

    MAIN: ClassVar[str] = "pair_f1"
    UNIT: ClassVar[str] = "pairs"
    PRINTED: ClassVar[tuple[str, ...]] = ("pair_f1", "pair_f1_exact", "coverage")
    COMPARED: ClassVar[tuple[str, ...]] = (
        "pair_precision",
        "pair_recall",
        "blank_correct",
        "blank_invented",
        "blank_honesty",
        "hallucination_rate",
        "coverage",
    )
    HONESTY: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "blank_correct": "it calls fewer blank fields blank",
            # Of the fields that are mentioned: what finds nothing invents nothing either.
            "blank_honesty": "it is less honest about blank fields",
        }
    )

    counts: Counts
    anls: float
    key_value_accuracy: float
    mistakes: Mistakes = field(default_factory=Mistakes)

    @property
    def failed(self) -> bool:
        """Whether the form could not be read."""
        return bool(self.counts.failed)

    @property
    def true(self) -> int:
        """How many pairs there are to find."""
        return self.counts.true

    @property
    def right(self) -> int:
        """How many of these were found."""
        return self.counts.fuzzy

    @property
    def predicted(self) -> int:
        """How many pairs were read."""
        return self.counts.predicted

    @property
    def gated(self) -> tuple[str, ...]:
        """The metrics that stand for the whole; precision and recall may be traded."""
        return ("pair_f1", "pair_f1_exact", "question_f1", "anls")

    @property
    def fates(self) -> dict[str, int]:
        """How many pairs became what, while the score has its mistakes."""
        return {
            "right": self.right,
            "misread": len(self.mistakes.misread),
            "missed": len(self.mistakes.missed),
            "invented": len(self.mistakes.invented),
        }

    def metrics(self) -> dict[str, float]:
        """Return the form's metrics by name; `coverage` is 0 for a failed form."""
        return {
            **self.counts.metrics(),
            "anls": self.anls,
            "key_value_accuracy": self.key_value_accuracy,
            "coverage": 1.0 - self.counts.failed,
            "parse_failure_rate": float(self.counts.unparsed),
        }

    def to_row(self) -> dict[str, Any]:
        """Return it as flat JSON values, by column."""
        means = {"anls": self.anls, "key_value_accuracy": self.key_value_accuracy}
        return {**asdict(self.counts), **means}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Build it from what `to_row` returned."""
        counts = Counts(**{name: row[name] for name in COUNTS})
        return cls(counts, anls=row["anls"], key_value_accuracy=row["key_value_accuracy"])

    @classmethod
    def mean(cls, scores: Sequence[Self]) -> Self:
        """Return the mean of one form's scores; its counts need not be whole."""
        rows = [score.to_row() for score in scores]
        return cls.from_row({name: sum(row[name] for row in rows) / len(rows) for name in rows[0]})

    @classmethod
    def weighted(cls, scores: Collection[Self], weights: Numbers) -> dict[str, Numbers]:
        """Return the metrics of many splits, each holding every form some number of times.

        Precision, recall and F1 come from the counts summed over the forms (micro);
        `pair_f1_macro`, `anls` and `key_value_accuracy` are means over the forms, a form without
        true and predicted pairs having a pair_f1 of 1; `coverage` is the share of forms that did
        not fail and `parse_failure_rate` of those whose LLM's answer could not be used.
        """

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


def stated_pairs(pairs: Iterable[Mapping[str, Any]]) -> list[TextPair]:
    """Return the (question, answer) texts of an output's pairs, "" for a blank answer."""
    return [(pair["question"], pair["answer"] or "") for pair in pairs]


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
