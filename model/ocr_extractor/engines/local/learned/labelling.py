"""Features of a segment and its surroundings, for the model that labels it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ocr_extractor.engines.local.learned.columns import Columns, Floats, Values, prefixed, taken
from ocr_extractor.engines.local.learned.geometry import NOWHERE, SIDES
from ocr_extractor.engines.local.learned.page_features import (
    STYLE,
    PageFeatures,
    labelled,
    of_others,
    rule_columns,
)

_SEEN_FROM_BESIDE = (
    *("ruled", "line begins", "line ends", "ends a label", "words", "kind", "walled"),
    *("length", "digits", "letters", "capitals"),
)
_FAR = 30.0


def segment_columns(features: PageFeatures, text: Floats) -> Columns:
    """Describe each segment and its neighbours, for the model that labels it.

    Args:
        features: n segments.
        text: (n, labels) what their texts alone make of them.
    """
    geometry, own = features.geometry, features.own
    x0, y0, x1, y1 = geometry.box.T
    width, foot = x1.max(), y1.max()
    columns: Columns = {
        "x": x0 / width,
        "y": y0 / foot,
        "right end": x1 / width,
        "width": (x1 - x0) / geometry.height,
        "off the middle": abs((x0 + x1) / 2 - width / 2) / width,
        **own,
        **labelled("text", text),
        **rule_columns(features),
    }
    for side in SIDES:
        nearest = geometry.nearest[side]
        columns |= {f"{side} gap": geometry.gaps[side]}
        columns |= prefixed(side, taken({name: own[name] for name in _SEEN_FROM_BESIDE}, nearest))
        there = nearest >= 0
        for name in STYLE:
            columns[f"{side} {name} step"] = np.where(there, own[name][nearest] - own[name], 0)
        columns |= labelled(f"{side} text", of_others(text, nearest))
        columns |= prefixed(side, taken(rule_columns(features), nearest))
    return columns | _page_columns(features) | _wall_columns(features)


def _page_columns(features: PageFeatures) -> Columns:
    """Describe what stands aligned with each segment, and the page as a whole."""
    x0, _, x1, _ = features.geometry.box.T
    near = 0.6 * features.geometry.height
    at_left = (abs(x0[:, None] - x0) < near).astype(np.float64)
    at_right = (abs(x1[:, None] - x1) < near).astype(np.float64)
    on_row = (features.geometry.row > 0.5).astype(np.float64)
    before = on_row * (x0 < x0[:, None])
    label, ruled = features.own["ends a label"], features.own["ruled"]
    number = (features.own["digits"] > 0.4).astype(np.float64)
    return {
        "aligned left": at_left.sum(axis=1),
        "aligned left labels": at_left @ label,
        "aligned left numbers": at_left @ number,
        "aligned left ruled": at_left @ ruled,
        "aligned right": at_right.sum(axis=1),
        "on its row": on_row.sum(axis=1),
        "before it": before.sum(axis=1),
        "labels on its row": on_row @ label,
        "labels before it": before @ label,
        "numbers on its row": on_row @ number,
        "labels of the page": np.full(features.size, label.mean()),
        "ruled of the page": np.full(features.size, ruled.mean()),
        "segments": np.full(features.size, float(features.size)),
    }


def _wall_columns(features: PageFeatures) -> Columns:
    """Return how far the nearest ruled line is on each side, in text heights."""
    x0, y0, x1, y1 = features.geometry.box.T
    start, y, end = features.ink.level.T
    x, top, foot = features.ink.upright.T
    middle, centre = ((x0 + x1) / 2)[:, None], ((y0 + y1) / 2)[:, None]
    across = (start <= middle) & (end >= middle)
    along = (top <= centre) & (foot >= centre)
    height = features.geometry.height

    def nearest(reached: NDArray[np.bool_], distance: Values) -> Values:
        apart = np.where(reached & (distance > -0.4 * height), distance, NOWHERE)
        return np.asarray(np.minimum(apart.min(axis=1, initial=NOWHERE) / height, _FAR))

    return {
        "line below": nearest(across, y - y1[:, None]),
        "line above": nearest(across, y0[:, None] - y),
        "wall right": nearest(along, x - x1[:, None]),
        "wall left": nearest(along, x0[:, None] - x),
    }
