"""Confidences from which values need no review: thresholds at which a precision holds.

A threshold holds a precision when the exact binomial bound says so (Clopper and Pearson 1934: of n
accepted values of which w are wrong, the one-sided 95 % lower bound of the share that is right).
Many thresholds that are tried on the same forms would find one that holds by luck. So they are
tried in an order that is fixed before anything is known of what is right, the most confident
values first, and the first that fails ends the search: whatever the number of thresholds, one that
does not hold is taken with a probability of at most 5 % (fixed-sequence testing: Bauer 1991,
Multiple testing in clinical trials; for thresholds, Angelopoulos et al. 2021,
https://arxiv.org/abs/2110.01052).

What is counted must be independent, which cells of one document are not: of each column one cell a
document counts, drawn at random.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import beta

from data.field_schema import pattern
from entry_points.scoring.fields import FieldTruth
from entry_points.scoring.scores import is_failed

LEVEL = 0.95

# The number of thresholds that are tried: one at each 20th of the values.
_STEPS = 20
_SEED = 20260101

Judged = tuple[float, bool]
"""(confidence in [0, 1], whether it is right)."""


@dataclass(frozen=True)
class Acceptance:
    """What needs no person.

    Attributes:
        precision: The promise: this share of what is accepted is right, in [0, 1].
        fields: The least confidence by the path of each field that has one for which it holds.
        document: The same of whole documents, whose confidence is that of their least confident
            leaf; None where there is none.
        shares: By the path of each field, the share of all its leaves that are accepted, in [0, 1];
            one without a confidence is not.
        document_share: The share of the documents.
        examples: How many values each field was judged by, by path.
    """

    precision: float
    fields: Mapping[str, float]
    document: float | None
    shares: Mapping[str, float]
    document_share: float
    examples: Mapping[str, int]

    @property
    def share(self) -> float:
        """The share of all values, every field counted alike, that need no person."""
        return sum(self.shares.values()) / len(self.shares) if self.shares else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "precision": self.precision,
            "level": LEVEL,
            "accept_at": dict(self.fields),
            "accepted_share": dict(self.shares),
            "examples": dict(self.examples),
            "document": {"accept_at": self.document, "accepted_share": self.document_share},
        }


def lower_bound(right: int, of: int) -> float:
    """Return the one-sided 95 % lower bound of a share (Clopper and Pearson), in [0, 1]."""
    return float(beta.ppf(1 - LEVEL, right, of - right + 1)) if right else 0.0


def least_examples(precision: float) -> int:
    """Return how many values, all of them right, show that a precision holds."""
    return math.ceil(math.log(1 - LEVEL) / math.log(precision)) if precision else 1


def threshold(judged: Sequence[Judged], precision: float) -> float | None:
    """Return the least confidence from which on a precision, in [0, 1), holds; None if none does.

    The examples are independent of each other.
    """
    confidences = np.array([confidence for confidence, _ in judged])
    right = np.array([each for _, each in judged], dtype=bool)
    ranked = np.sort(confidences)[::-1]
    ranks = {math.ceil(len(judged) * step / _STEPS) for step in range(1, _STEPS + 1)} - {0}
    found = None
    for least in sorted({float(ranked[rank - 1]) for rank in ranks}, reverse=True):
        accepted = confidences >= least
        if (of := int(accepted.sum())) < least_examples(precision):
            continue  # too few to show it, whatever they are
        if lower_bound(int(right[accepted].sum()), of) < precision:
            break
        found = least
    return found


def find_acceptance(
    truths: Mapping[str, FieldTruth],
    outputs: Mapping[str, Mapping[str, Any]],
    precision: float,
) -> Acceptance:
    """Find the confidences from which on values, and documents, need no person.

    A share of `precision`, in [0, 1), of what is accepted shall be right: for each field by itself,
    and for documents by themselves.
    """
    rng = random.Random(_SEED)  # noqa: S311
    paths = next(iter(truths.values())).schema.leaves
    fields: dict[str, list[Judged]] = {path: [] for path in paths}
    leaves: dict[str, list[float | None]] = {path: [] for path in paths}
    documents: list[Judged] = []
    for doc_id, truth in truths.items():
        found = truth.judged_leaves(outputs[doc_id])
        for path in paths:
            of_path = [(confidence, right) for name, confidence, right in found if name == path]
            leaves[path] += _confidences(outputs[doc_id], path)
            if of_path:
                fields[path].append(rng.choice(of_path))
        if (confidence := truth.document_confidence(outputs[doc_id])) is not None:
            documents.append((confidence, truth.score(outputs[doc_id]).all_right))
    found_at = {path: threshold(judged, precision) for path, judged in fields.items()}
    accept_at = {path: least for path, least in found_at.items() if least is not None}
    at = threshold(documents, precision)
    return Acceptance(
        precision=precision,
        fields=accept_at,
        document=at,
        shares={path: _share(leaves[path], accept_at.get(path)) for path in paths},
        document_share=_share([each for each, _ in documents], at, len(truths)),
        examples={path: len(judged) for path, judged in fields.items()},
    )


def _confidences(outputs: Mapping[str, Any], path: str) -> list[float | None]:
    """Return the confidence of each leaf of one path; a failed document has one that has none."""
    if is_failed(outputs, "values"):
        return [None]
    leaves = outputs["fields"] or ()
    return [leaf["confidence"] for leaf in leaves if pattern(leaf["path"]) == path]


def _share(
    confidences: Sequence[float | None], least: float | None, of: int | None = None
) -> float:
    """Return the share of values that are accepted, of those given or of a total `of`."""
    whole = len(confidences) if of is None else of
    if least is None or not whole:
        return 0.0
    return sum(each is not None and each >= least for each in confidences) / whole
