"""ANLS*, the edit-distance score of document understanding papers, on lists of pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entry_points.scoring.matching import best_assignment, similarities

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

THRESHOLD = 0.5
"""ANLS's own: a text less similar than this (exclusive) is a different text and scores 0."""


def anls(truth: Sequence[tuple[str, str]], predicted: Sequence[tuple[str, str]]) -> float:
    """Score predicted (question, answer) pairs against the true ones, order aside.

    ANLS* (Peer et al. 2024, https://arxiv.org/abs/2402.03848) of a list of records
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
