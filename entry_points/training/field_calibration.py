"""Chooses how the scores of trees become confidences, from documents whose values are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from entry_points.scoring.counts import Numbers
from entry_points.scoring.fields import FieldTruth
from entry_points.training.field_lessons import Lesson
from ocr_extractor.engines.local.fields.ranker import CELL, Calibration, Curve, curve_of
from ocr_extractor.engines.local.learned.columns import Floats
from ocr_extractor.fields.raw_tree import scalars
from ocr_extractor.fields.schema import Schema

Scored = tuple[Lesson, Floats]
"""A lesson with the scores of its candidates, by trees that have not seen it."""

_SHARPNESS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3)
_ABSENT = (0.15, 0.25, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.5)

_SLOPE, _SLOPE_OF_CELLS, _SHIFT, _OWN_SHIFT = 0.25, 1.0, 0.5, 0.5
"""How far a user's documents are expected to be from the general curves, as standard deviations: of
the slope from 1, of the shift of all fields from 0, and of each field's own shift."""


@dataclass(frozen=True)
class Judged:
    """A value that was read.

    Attributes:
        path: Of its leaf in the schema, `items[].amount`.
        kind: Of its curve, see `curve_of`.
        confidence: As it was read, [0, 1].
        right: Whether it is the true one.
    """

    path: str
    kind: str
    confidence: float
    right: bool


def fit_odds(scored: Iterable[Scored], absent: float = 1.0) -> Calibration:
    """Choose how scores become odds among candidates.

    Args:
        scored: Lessons; those whose truth is not among the candidates tell nothing.
        absent: What an absent value counts, of 1, where more are absent than users' documents have.
    """
    known = [each for each in scored if each[0].right.any()]

    def loss(calibration: Calibration) -> float:
        total = 0.0
        for lesson, scores in known:
            odds = calibration.odds(scores)[lesson.right].sum()
            total -= (absent if lesson.right[-1] else 1.0) * float(np.log(max(odds, 1e-6)))
        return total

    sharp = min((Calibration(each) for each in _SHARPNESS), key=loss)
    return min((replace(sharp, absent=each) for each in _ABSENT), key=loss)


def judged(schema: Schema, truth: FieldTruth, row: Mapping[str, Any]) -> list[Judged]:
    """Return what was read on a document: a row of the output."""
    kinds = {leaf.path: curve_of(leaf.field) for leaf in scalars(schema)}
    return [
        Judged(path, kinds.get(path, CELL), confidence, right)
        for path, confidence, right in truth.judged_leaves(row)
    ]


def fit_curves(values: Sequence[Judged]) -> dict[str, Curve]:
    """Fit a curve to the many values of each kind but cells, which were read without one."""
    curves = {}
    for kind in sorted({each.kind for each in values} - {CELL}):
        of = [each for each in values if each.kind == kind]
        terms, right = Curve.terms(_confidences(of)), _right(of)

        def loss(weights: Numbers, terms: Numbers = terms, right: Numbers = right) -> float:
            return _log_loss(terms @ weights, right)

        # A curve that falls would turn the order of the values around.
        found = minimize(loss, [1.0, 1.0, 0.0], bounds=[(0, None), (0, None), (None, None)])
        curves[kind] = Curve(*found.x.round(4).tolist())
    return curves


def adapt(general: Mapping[str, Curve], values: Sequence[Judged]) -> dict[str, Curve]:
    """Fit the general curves to a user's few values, which were read with them: one for each path.

    Platt's scaling: the logits get a slope and a shift, and each field a shift of its own. All have
    a normal prior, so that it takes evidence to leave the general curves. Cells have their own
    slope, of which less is known: their evidence was never a probability.
    """
    cells = [each for each in values if each.kind == CELL]
    others = [each for each in values if each.kind != CELL]
    return _adapted(general, others, _SLOPE) | _adapted(general, cells, _SLOPE_OF_CELLS)


def _adapted(
    general: Mapping[str, Curve], values: Sequence[Judged], spread_of_slope: float
) -> dict[str, Curve]:
    kinds = {each.path: each.kind for each in values}
    paths = sorted(kinds)
    logits, right = Curve.terms(_confidences(values))[:, :2].sum(axis=1), _right(values)
    of = np.array([paths.index(each.path) for each in values], np.intp)
    spread = np.array([spread_of_slope, _SHIFT, *(_OWN_SHIFT for _ in paths)])
    start = np.array([1.0, 0.0, *(0.0 for _ in paths)])

    def loss(weights: Numbers) -> float:
        slope, shift, own = weights[0], weights[1], weights[2:]
        away = float((((weights - start) / spread) ** 2).sum() / 2)
        return _log_loss(slope * logits + shift + own[of], right) + away

    bounds = [(0, None), *((None, None) for _ in start[1:])]
    slope, shift, *own = minimize(loss, start, bounds=bounds).x.tolist()
    return {
        path: general.get(kinds[path], Curve()).scaled(slope, shift + each)
        for path, each in zip(paths, own, strict=True)
    }


def _confidences(values: Sequence[Judged]) -> Numbers:
    return np.array([each.confidence for each in values], np.float64)


def _right(values: Sequence[Judged]) -> Numbers:
    return np.array([each.right for each in values], np.float64)


def _log_loss(logits: Numbers, right: Numbers) -> float:
    return float(np.logaddexp(0, np.where(right > 0, -logits, logits)).sum())
