"""Metrics that others have published, so that our figures can be compared with theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from entry_points.scoring.matching import best_assignment, similarities

THRESHOLD = 0.5
"""The threshold of ANLS: a text less similar than this (exclusive) scores 0."""
_NOT_KEY = re.compile(r"[^\w\s-]")


def anls(truth: Sequence[tuple[str, str]], predicted: Sequence[tuple[str, str]]) -> float:
    """Score predicted (question, answer) pairs against the true ones; their order does not matter.

    This is ANLS* (Peer et al. 2024, https://arxiv.org/abs/2402.03848) of a list of records
    {question, answer}. Every record has two texts, so its general tree comes down to: the best
    one-to-one assignment's sum of (question + answer similarity) / 2, over the longer list's
    length. Texts are compared lower-cased and with whitespace collapsed, as the paper's own
    implementation does, not with `normalise`: the figure is for comparison with others'.

    Returns:
        A score in [0, 1]; 1 for two empty lists.
    """
    if not truth and not predicted:
        return 1.0
    weights = (_leaves(truth, predicted, side=0) + _leaves(truth, predicted, side=1)) / 2
    total = sum(float(weights[cell]) for cell in best_assignment(weights))
    return total / max(len(truth), len(predicted))


def _leaves(
    truth: Sequence[tuple[str, str]], predicted: Sequence[tuple[str, str]], side: int
) -> NDArray[np.float64]:
    scores = similarities([_fold(p[side]) for p in truth], [_fold(p[side]) for p in predicted])
    scores[scores < THRESHOLD] = 0.0
    return scores


def _fold(text: str) -> str:
    return " ".join(text.lower().split())


def key_value_accuracy(
    links: Iterable[tuple[str, str]], predicted: Iterable[tuple[str, str]]
) -> float:
    """Return the share of true keys whose value was predicted to the character.

    This is the metric of MLflow's OCR blog post (https://mlflow.org/blog/mlflow-prompt-evaluate,
    2025). It is strict and loses information: both sides are dicts keyed by question, so only the
    last counts of repeated questions and of a question's several answers; the answer must be the
    same to the character; invented pairs cost nothing. Use `pair_f1` to judge a model.

    Args:
        links: (question, answer) texts of each annotated question -> answer link, in the order
            of the annotation file: an answer in three parts is three links.
        predicted: (question, answer) as the model gave them, "" for a blank answer.

    Returns:
        A score in [0, 1]; 0 for a form without a link, as in the post.
    """
    true_values = _by_key(links)
    if not true_values:
        return 0.0
    values = _by_key(predicted)
    return sum(values.get(key) == value for key, value in true_values.items()) / len(true_values)


def _by_key(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    # Two dicts as in the post: where several raw questions share a cleaned key, the question
    # that was first seen last wins, which is not always the last pair.
    return {_NOT_KEY.sub("", question).upper(): answer for question, answer in dict(pairs).items()}
