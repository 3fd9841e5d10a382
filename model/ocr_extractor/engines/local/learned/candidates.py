"""Segments to candidates: all texts of a page that could be a question with its answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ocr_extractor.contract import Box
from ocr_extractor.engines.local.learned.columns import Floats, Values, Whole
from ocr_extractor.engines.local.learned.geometry import reading_order
from ocr_extractor.engines.local.learned.page_features import PageFeatures
from ocr_extractor.ocr.words import union

Group = frozenset[int]
"""Numbers of segments that make up one question or one answer."""

_JOIN_AT = 0.1
_LINK_AT = 0.04
_LINK_LEVELS = (0.04, 0.08, 0.15, 0.3, 0.5, 0.7)
_JOIN_LEVELS = (0.3, 0.6)
_MOST_IN_GROUP, _MOST_IN_QUESTION, _MOST_IN_ANSWER = 12, 6, 25
_BEST_ANSWERS = 3
_GROUPS_OF_ANSWER = 6


@dataclass(frozen=True)
class PairCandidate:
    """A question with an answer that may belong to it.

    Attributes:
        question: Its segments.
        answer: Its segments.
        texts: (question, answer).
        boxes: Where these stand, px.
        sources: What proposed it: "rules", "cut by rules", "linked", "joined" or "group".
    """

    question: Group
    answer: Group
    texts: tuple[str, str]
    boxes: tuple[Box, Box]
    sources: frozenset[str]


@dataclass(frozen=True)
class Bonds:
    """The probabilities of the models for each two of n segments.

    Attributes:
        links: (n, n) probability that the second segment answers the first one.
        joins: (n, n) probability that both are of one question or one answer; symmetric.
    """

    links: Values
    joins: Values


def bonds(size: int, pairs: Whole, links: Floats, joins: Floats) -> Bonds:
    """Lay the probabilities of some `pairs` of `size` segments out as matrices."""
    first, second = pairs.T
    link, join = np.zeros((size, size)), np.zeros((size, size))
    link[first, second] = links
    join[first, second] = joins
    return Bonds(link, np.maximum(join, join.T))


def find_candidates(
    features: PageFeatures, bond: Bonds, rules: Sequence[PairCandidate]
) -> list[PairCandidate]:
    """Propose pairs, generously: a model ranks them later.

    Every group of segments that can be joined may be a question. Its answers are all segments that
    are linked to it strongly enough, for several levels of enough, with and without what is joined
    to these; and the groups of the segments that are linked best. What the geometric rules found
    is a candidate, too: "cut by rules" unless its texts are those of whole segments.
    """
    sources: dict[tuple[Group, Group], set[str]] = {}
    recut: list[PairCandidate] = []
    for rule in rules:
        if not rule.question or not rule.answer:
            continue
        if rule.texts == _texts(features, rule.question, rule.answer):
            sources[rule.question, rule.answer] = {"rules"}
        else:
            recut.append(rule)
    groups = _groups(bond.joins)
    for question in groups:
        if len(question) <= _MOST_IN_QUESTION:
            for source, answer in _answers(bond.links, question, groups):
                if answer and not answer & question:
                    sources.setdefault((question, answer), set()).add(source)
    return recut + [
        PairCandidate(
            question,
            answer,
            _texts(features, question, answer),
            (_box(features, question), _box(features, answer)),
            frozenset(found),
        )
        for (question, answer), found in sources.items()
    ]


def _texts(features: PageFeatures, question: Group, answer: Group) -> tuple[str, str]:
    return _text(features, question), _text(features, answer)


def _text(features: PageFeatures, group: Group) -> str:
    ordered = reading_order(sorted(group), features.geometry.box)
    return " ".join(features.segments[number].text for number in ordered)


def _box(features: PageFeatures, group: Group) -> Box:
    return union(features.segments[number].box for number in group)


def _groups(joins: Values) -> dict[Group, float]:
    """Join segments, the likeliest first, and return every group on the way with its likelihood."""
    group_of = [frozenset([number]) for number in range(len(joins))]
    groups = dict.fromkeys(group_of, 1.0)
    first, second = np.nonzero(np.triu(joins, 1) > _JOIN_AT)
    for place in np.argsort(-joins[first, second], kind="stable"):
        one, other = group_of[first[place]], group_of[second[place]]
        if one is not other:
            joined = one | other
            for number in joined:
                group_of[number] = joined
            if len(joined) <= _MOST_IN_GROUP:
                groups[joined] = float(joins[first[place], second[place]])
    return groups


def _answers(
    links: Values, question: Group, groups: dict[Group, float]
) -> Iterator[tuple[str, Group]]:
    strength = links[sorted(question)].max(axis=0)
    strength[sorted(question)] = 0
    best = np.argsort(-strength, kind="stable")[:_BEST_ANSWERS].tolist()
    if strength[best[0]] < _LINK_AT:
        return
    linkeds = [frozenset(np.flatnonzero(strength > level).tolist()) for level in _LINK_LEVELS]
    for linked in dict.fromkeys(linkeds):
        if not linked or len(linked) > _MOST_IN_ANSWER:
            continue
        yield "linked", linked
        for likely in _JOIN_LEVELS:
            joined = (g for g, likelihood in groups.items() if likelihood >= likely and g & linked)
            yield "joined", linked.union(*joined) - question
    for number in best:
        if strength[number] >= _LINK_AT:
            around = [group for group in groups if number in group]
            yield from (("group", group - question) for group in around[:_GROUPS_OF_ANSWER])


def select(
    candidates: Sequence[PairCandidate], probabilities: Sequence[float], least: float
) -> list[int]:
    """Choose candidates that can all be true, the likeliest first.

    Returns:
        Their numbers. None is less likely than `least`, and no segment is in two of them.
    """
    chosen: list[int] = []
    used: set[int] = set()
    for number in sorted(range(len(candidates)), key=lambda each: -probabilities[each]):
        candidate = candidates[number]
        segments = candidate.question | candidate.answer
        if probabilities[number] >= least and not segments & used:
            used |= segments
            chosen.append(number)
    return chosen
