"""Features of two segments, for the models that link and join them."""

from __future__ import annotations

import numpy as np

from ocr_extractor.engines.local.learned.columns import (
    Columns,
    Floats,
    Values,
    Whole,
    prefixed,
    taken,
)
from ocr_extractor.engines.local.learned.geometry import NOWHERE, ranks
from ocr_extractor.engines.local.learned.page_features import (
    ANSWERED_BY,
    SAME_ANSWER,
    SAME_QUESTION,
    STYLE,
    PageFeatures,
    labelled,
    of_others,
    rule_columns,
)

_SEEN_IN_PAIRS = (
    *("ends a label", "has a colon", "words", "ruled", "kind", "mark", "walled"),
    *("cut before", "cut after", "length", "digits", "letters", "capitals"),
    *("begins with a capital", "begins with a digit", "begins with a small letter"),
    *("begins with a bracket", "ends in a stop", "is a tick"),
)
_FAR = 30.0
_REACH = 60.0
_NEAREST_QUESTIONS, _NEAREST_ANSWERS = 7, 4
_ALONG_ROW, _DOWN_COLUMN = 5, 7


def near_pairs(features: PageFeatures) -> tuple[Whole, Columns]:
    """Find the ordered pairs of segments that are near enough to belong together.

    Returns:
        (pairs, 2) numbers of segments, and how near they are.
    """
    geometry = features.geometry
    x0, y0, x1, y1 = geometry.box.T
    height = geometry.height

    def apart(start: Values, end: Values) -> Values:
        gap = np.maximum(start[None] - end[:, None], start[:, None] - end[None])
        return np.asarray(np.maximum(0, gap) / height)

    # A question stands left of its answer or above it.
    distance = apart(x0, x1) + 2.5 * apart(y0, y1)
    distance += np.where(x0[None] < x0[:, None] - 2 * height, 4, 0)
    distance += np.where(y1[None] < y0[:, None] + 0.2 * height, 12, 0)
    np.fill_diagonal(distance, NOWHERE)
    beside, under = geometry.beside, geometry.under
    orders = {
        "questions nearer": ranks(distance, 0),
        "answers nearer": ranks(distance, 1),
        "beside, from the left": np.where(beside < NOWHERE, ranks(beside, 1), _FAR),
        "beside, from the right": np.where(beside < NOWHERE, ranks(beside, 0), _FAR),
        "under, from above": np.where(under < NOWHERE, ranks(under, 1), _FAR),
        "under, from below": np.where(under < NOWHERE, ranks(under, 0), _FAR),
    }
    near = (orders["questions nearer"] < _NEAREST_QUESTIONS) | (
        orders["answers nearer"] < _NEAREST_ANSWERS
    )
    near |= orders["beside, from the right"] < _ALONG_ROW
    near |= orders["under, from below"] < _DOWN_COLUMN
    near = ((distance < _REACH) & near) | (features.rules > 0)
    pairs = np.argwhere(near)
    first, second = pairs.T
    columns = {"distance": distance} | {k: v.astype(np.float64) for k, v in orders.items()}
    return pairs, {name: values[first, second] for name, values in columns.items()}


def pair_columns(
    features: PageFeatures, labels: Floats, pairs: Whole, nearness: Columns
) -> Columns:
    """Describe pairs of segments, for the models that link and join them.

    Args:
        features: n segments.
        labels: (n, labels) probabilities.
        pairs: As of `near_pairs`.
        nearness: As of `near_pairs`.
    """
    geometry, own = features.geometry, features.own
    first, second = pairs.T
    style = {name: own[name] for name in STYLE}
    seen = {name: own[name] for name in _SEEN_IN_PAIRS}
    nearest = geometry.nearest
    columns: Columns = {
        **_step_columns(features, first, second),
        **nearness,
        **_between_columns(features, labels, first, second),
        **{f"{name} step": values[second] - values[first] for name, values in style.items()},
        **{f"{name} apart": abs(values[second] - values[first]) for name, values in style.items()},
        **prefixed("first", taken(style | seen, first)),
        **prefixed("second", taken(style | seen, second)),
        **labelled("first", labels[first]),
        **labelled("second", labels[second]),
        **labelled("left of second", of_others(labels, nearest["left"][second])),
        **labelled("above second", of_others(labels, nearest["above"][second])),
        **labelled("right of first", of_others(labels, nearest["right"][first])),
        **labelled("below first", of_others(labels, nearest["below"][first])),
        "gap left of second": geometry.gaps["left"][second],
        "gap above second": geometry.gaps["above"][second],
    }
    said = features.rules
    rules = rule_columns(features)
    return columns | {
        "rules: linked": (said[first, second] == ANSWERED_BY).astype(np.float64),
        "rules: linked backwards": (said[second, first] == ANSWERED_BY).astype(np.float64),
        "rules: one question": (said[first, second] == SAME_QUESTION).astype(np.float64),
        "rules: one answer": (said[first, second] == SAME_ANSWER).astype(np.float64),
        **prefixed("first", taken(rules, first)),
        **prefixed("second", taken(rules, second)),
    }


def _step_columns(features: PageFeatures, first: Whole, second: Whole) -> Columns:
    geometry = features.geometry
    x0, y0, x1, y1 = geometry.box.T / geometry.height
    atoms = [segment.atoms for segment in features.segments]
    start = np.array([of[0].word.line for of in atoms])
    return {
        "gap beside": x0[second] - x1[first],
        "gap under": y0[second] - y1[first],
        "left ends": x0[second] - x0[first],
        "tops": y0[second] - y0[first],
        "right ends": x1[second] - x1[first],
        "middles": ((x0 + x1)[second] - (x0 + x1)[first]) / 2,
        "share a row": geometry.row[first, second],
        "share a column": np.maximum(-5, geometry.column[first, second]),
        "height ratio": geometry.heights[second] / geometry.heights[first],
        "same line": (start[first] == start[second]).astype(np.float64),
        "x of first": x0[first] / x1.max(),
        "y of first": y0[first] / y1.max(),
        "segments": np.full(len(first), float(features.size)),
    }


def _between_columns(
    features: PageFeatures, labels: Floats, first: Whole, second: Whole
) -> Columns:
    """Describe the segments and the ruled lines between two segments."""
    geometry = features.geometry
    x0, y0, x1, y1 = geometry.box.T
    height = geometry.height
    is_right = x0[second] >= x0[first]
    start = np.where(is_right, x1[first], x1[second])
    end = np.where(is_right, x0[second], x0[first])
    on_row = (geometry.row[first] > 0.4) & (x0 >= start[:, None] - 2) & (x1 <= end[:, None] + 2)
    in_column = (geometry.column[first] > 0.2) | (geometry.column[second] > 0.2)
    in_column &= y0 >= y1[first][:, None] - 0.3 * height
    in_column &= y1 <= y0[second][:, None] + 0.3 * height
    between = np.where((geometry.row[first, second] > 0.4)[:, None], on_row, in_column)
    pairs = np.arange(len(first))
    between[pairs, first] = between[pairs, second] = False
    shared_x = _middle_of_shared(x0, x1, first, second)
    shared_y = _middle_of_shared(y0, y1, first, second)
    nearest = geometry.nearest
    return {
        "upright lines": features.ink.upright_between(start, end, shared_y, height),
        "level lines": features.ink.level_between(y1[first], y0[second], shared_x, height),
        "between": between.sum(axis=1).astype(np.float64),
        "questions between": between @ labels[:, 0].astype(np.float64),
        "answers between": between @ labels[:, 1].astype(np.float64),
        "next on the right": (nearest["right"][first] == second).astype(np.float64),
        "next on the left": (nearest["left"][second] == first).astype(np.float64),
        "next below": (nearest["below"][first] == second).astype(np.float64),
        "next above": (nearest["above"][second] == first).astype(np.float64),
    }


def _middle_of_shared(start: Values, end: Values, first: Whole, second: Whole) -> Values:
    """Return the middle of what two intervals share; that of the second one when they are apart."""
    low, high = np.maximum(start[first], start[second]), np.minimum(end[first], end[second])
    middle = (start[second] + end[second]) / 2
    return np.asarray(np.where(high > low, (low + high) / 2, middle))
