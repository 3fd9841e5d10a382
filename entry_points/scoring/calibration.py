"""Calibration of an engine's confidences: how well they predict which pairs are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from entry_points.scoring.counts import Numbers
from entry_points.scoring.scores import DocumentTruth

_BINS = 10


def judge_confidences(
    truths: Mapping[str, DocumentTruth[Any]], outputs: Mapping[str, Mapping[str, Any]]
) -> Numbers:
    """Tell whether each predicted pair or value that has a confidence is right.

    Returns:
        (2, pairs): the confidences in [0, 1], and 1 for each pair that is right, else 0.
    """
    judged = [each for doc_id, row in outputs.items() for each in truths[doc_id].judged(row)]
    return np.array(judged, dtype=np.float64).reshape(-1, 2).T


@dataclass(frozen=True)
class Reliability:
    """Predicted pairs in ten bins of equal width by confidence; bins without pairs are left out.

    Attributes:
        confidence: (bins,) mean confidence, [0, 1].
        accuracy: (bins,) share of the pairs that are right, [0, 1].
        pairs: (bins,) how many there are.
    """

    confidence: Numbers
    accuracy: Numbers
    pairs: Numbers

    @property
    def ece(self) -> float:
        """The expected calibration error in [0, 1]; 0 without pairs.

        The bins' |accuracy - confidence|, weighted by their pairs (Guo et al. 2017,
        https://arxiv.org/abs/1706.04599, equation 3).
        """
        off = np.abs(self.accuracy - self.confidence)
        return float(off @ self.pairs / max(1.0, self.pairs.sum()))


def reliability(confidences: Numbers, right: Numbers) -> Reliability:
    """Sort pairs into bins.

    Args:
        confidences: (pairs,) in [0, 1].
        right: (pairs,) 1 for a pair that is right, else 0.
    """
    bins = np.minimum((confidences * _BINS).astype(int), _BINS - 1)
    pairs = np.bincount(bins, minlength=_BINS).astype(np.float64)
    filled = pairs > 0

    def mean(values: Numbers) -> Numbers:
        return np.bincount(bins, values, minlength=_BINS)[filled] / pairs[filled]

    return Reliability(mean(confidences), mean(right), pairs[filled])


def error_left(confidences: Numbers, right: Numbers) -> Numbers:
    """Return the error that remains when a person corrects the least confident pairs.

    Args:
        confidences: (pairs,) in [0, 1], at least one.
        right: (pairs,) 1 for a pair that is right, else 0.

    Returns:
        (pairs + 1,) share of all pairs that are wrong after the first 0, 1, ... were reviewed;
        equal confidences share their errors evenly, so that their order does not matter.
    """
    order = np.argsort(confidences, kind="stable")
    _, group = np.unique(confidences[order], return_inverse=True)
    wrong = 1.0 - right[order]
    evenly = (np.bincount(group, wrong) / np.bincount(group))[group]
    left: Numbers = wrong.sum() - np.concatenate([[0.0], np.cumsum(evenly)])
    return left.clip(0) / len(wrong)
