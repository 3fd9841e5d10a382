"""Features of a candidate, for the model that ranks candidates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ocr_extractor.engines.local.learned.columns import prefixed, taken
from ocr_extractor.engines.local.learned.page_features import labelled
from ocr_extractor.engines.local.learned.shape import shape_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.engines.local.learned.candidates import Bonds, Group, PairCandidate
    from ocr_extractor.engines.local.learned.columns import Columns, Floats, Values, Whole
    from ocr_extractor.engines.local.learned.page_features import PageFeatures

_SOURCES = ("rules", "cut by rules", "linked", "joined")


@dataclass(frozen=True)
class Side:
    """The questions, or the answers, of n candidates; most of them are of several candidates.

    Attributes:
        groups: The different ones, m.
        number: (n,) which of them is each candidate's.
        size: Segments of the page.
    """

    groups: list[Group]
    number: Whole
    size: int

    @classmethod
    def of(cls, groups: Sequence[Group], size: int) -> Side:
        """Number the groups of a page of `size` segments."""
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        return cls([*numbers], np.array([numbers[group] for group in groups], np.intp), size)

    @cached_property
    def each(self) -> NDArray[np.bool_]:
        """(m, size): which segments each group has."""
        has = np.zeros((len(self.groups), self.size), bool)
        for row, group in zip(has, self.groups, strict=True):
            row[list(group)] = True
        return has

    @cached_property
    def has(self) -> NDArray[np.bool_]:
        """(n, size): which segments each candidate's group has."""
        return self.each[self.number]

    @cached_property
    def segments(self) -> Whole:
        """(n,) how many segments that is."""
        return np.asarray(self.has.sum(axis=1))


def sides(candidates: Sequence[PairCandidate], size: int) -> tuple[Side, Side]:
    """Return the questions and the answers of some candidates of a page of `size` segments."""
    questions, answers = (
        [each.question for each in candidates],
        [each.answer for each in candidates],
    )
    return Side.of(questions, size), Side.of(answers, size)


def candidate_columns(
    features: PageFeatures,
    text: Floats,
    labels: Floats,
    bond: Bonds,
    candidates: Sequence[PairCandidate],
) -> Columns:
    """Describe candidates, at least one.

    Args:
        features: n segments.
        text: (n, labels) what their texts alone make of them.
        labels: (n, labels) what they probably are.
        bond: Their links and joins.
        candidates: Groups of these segments.
    """
    question, answer = sides(candidates, features.size)
    named = {"question": question, "answer": answer}
    columns = _link_columns(bond.links, question, answer)
    for name, side in named.items():
        columns |= prefixed(name, taken(_cohesion(bond.joins, side), side.number))
    for name, side in named.items():
        columns |= labelled(name, _means(side, labels)[side.number])
    columns["least question"] = _least(question, labels[:, 0])[question.number]
    columns["least answer"] = _least(answer, labels[:, 1])[answer.number]
    for name, side in named.items():
        by_text = _means(side, text)[side.number]
        columns[f"{name}: question by text"] = by_text[:, 0]
        columns[f"{name}: answer by text"] = by_text[:, 1]
    columns |= _steps(features, candidates)
    for name, side in named.items():
        columns |= prefixed(name, taken(_edges(features, side), side.number))
    return columns | _context(features, candidates)


def _link_columns(links: Values, question: Side, answer: Side) -> Columns:
    """Describe how strongly the segments of questions and answers are linked."""
    asks, answers = question.has, answer.has
    # The strongest link from any segment of the question, to any segment of the answer, and back.
    given = np.array([links[list(g)].max(axis=0) for g in question.groups])[question.number]
    taken_by = np.array([links[:, list(g)].max(axis=1) for g in answer.groups])[answer.number]
    back = np.array([links[list(g)].max(axis=0) for g in answer.groups])[answer.number]
    rest = ~(asks | answers)
    rival = np.zeros(given.shape)
    for row, others, segments in zip(rival, rest, answers, strict=True):
        row[segments] = links[np.ix_(others, segments)].max(axis=0, initial=0.0)
    return {
        "weakest link": np.where(answers, given, 1).min(axis=1),
        "mean link": (given * answers).sum(axis=1) / answer.segments,
        "strongest link": (given * answers).max(axis=1),
        "least linked of the question": np.where(asks, taken_by, 1).min(axis=1),
        "mean of all links": ((asks @ links) * answers).sum(axis=1)
        / (question.segments * answer.segments),
        "strongest link left out": (given * rest).max(axis=1),
        "strongest rival": rival.max(axis=1),
        "mean rival": rival.sum(axis=1) / answer.segments,
        "least lead over a rival": np.where(answers, given - rival, 1).min(axis=1),
        "question answers": (links.max(axis=0) * asks).max(axis=1),
        "answer is answered": (links.max(axis=1) * answers).max(axis=1),
        "linked backwards": (back * asks).max(axis=1),
    }


def _cohesion(joins: Values, side: Side) -> Columns:
    """Tell how well each group hangs together, and how strongly something else hangs on it."""
    least, mean = np.ones(len(side.groups)), np.ones(len(side.groups))
    for number, group in enumerate(side.groups):
        if len(group) > 1:
            inner = joins[np.ix_(list(group), list(group))]
            least[number] = inner.max(axis=1).min()
            mean[number] = inner.sum() / (len(group) * (len(group) - 1))
    strongest = np.array([joins[list(group)].max(axis=0) for group in side.groups])
    return {
        "segments": side.each.sum(axis=1).astype(np.float64),
        "least joined": least,
        "mean join": mean,
        "join left out": (strongest * ~side.each).max(axis=1),
    }


def _means(side: Side, probabilities: Floats) -> Values:
    sums = side.each @ probabilities.astype(np.float64)
    return np.asarray(sums / side.each.sum(axis=1)[:, None])


def _least(side: Side, values: Floats | Values) -> Values:
    return np.asarray(np.where(side.each, values.astype(np.float64), 1).min(axis=1))


def _edges(features: PageFeatures, side: Side) -> Columns:
    ruled = side.each @ features.own["ruled"] / side.each.sum(axis=1)
    return {
        "least cut before": _least(side, features.own["cut before"]),
        "least cut after": _least(side, features.own["cut after"]),
        "ruled": ruled,
    }


def _steps(features: PageFeatures, candidates: Sequence[PairCandidate]) -> Columns:
    height = features.geometry.height
    _, _, right, foot = features.geometry.box.max(axis=0)
    boxes = np.array([each.boxes for each in candidates], np.float64)
    (qx0, qy0, qx1, qy1), (ax0, ay0, ax1, ay1) = boxes.transpose(1, 2, 0)
    return {
        "gap beside": (ax0 - qx1) / height,
        "gap under": (ay0 - qy1) / height,
        "left ends": (ax0 - qx0) / height,
        "tops": (ay0 - qy0) / height,
        "question width": (qx1 - qx0) / height,
        "question height": (qy1 - qy0) / height,
        "answer width": (ax1 - ax0) / height,
        "answer height": (ay1 - ay0) / height,
        "x": qx0 / right,
        "y": qy0 / foot,
    }


def _context(features: PageFeatures, candidates: Sequence[PairCandidate]) -> Columns:
    """Describe where candidates come from, how many there are, and what they say."""
    by_rules = [each for each in candidates if "rules" in each.sources]
    rule_questions = {each.question for each in by_rules}
    rule_answers = {each.answer for each in by_rules}
    of_question = Counter(each.question for each in candidates)
    of_answer = Counter(each.answer for each in candidates)

    def column(values: list[float]) -> Values:
        return np.array(values, np.float64)

    questions, answers = zip(*(each.texts for each in candidates), strict=True)
    return {
        **{f"from {s}": column([s in each.sources for each in candidates]) for s in _SOURCES},
        "rules: question": column([each.question in rule_questions for each in candidates]),
        "rules: answer": column([each.answer in rule_answers for each in candidates]),
        "answers to its question": column([of_question[each.question] for each in candidates]),
        "questions to its answer": column([of_answer[each.answer] for each in candidates]),
        "segments of the page": np.full(len(candidates), float(features.size)),
        "labels of the page": np.full(len(candidates), features.own["ends a label"].mean()),
        "words of the question": column([len(each.split()) for each in questions]),
        "words of the answer": column([len(each.split()) for each in answers]),
        **prefixed("question", shape_columns(questions)),
        **prefixed("answer", shape_columns(answers)),
    }
