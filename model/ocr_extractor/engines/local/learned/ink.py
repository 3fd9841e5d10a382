"""Features from a page's pixels: ruled lines, and how dark and thick the ink of a text is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from ocr_extractor.ocr.ruled_lines import find_masks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from ocr_extractor.contract import Box
    from ocr_extractor.engines.local.learned.columns import Values
    from ocr_extractor.ocr.words import Word

INK = ("density", "thickness", "greyness")

_MOST_LINES = 5_000
"""Ruled lines of one direction that count, the largest ones: a pattern can have a million, and each
is compared with each text of the page."""

_REACH_SIDEWAYS = 0.3
_REACH_UP_AND_DOWN = 0.4
"""How far a line may run into the boxes that it separates, in text heights."""


@dataclass(frozen=True)
class Ink:
    """The ruled lines of a page, px, and the darkness of its text.

    Attributes:
        level: (lines, 3): x of the left end, y, x of the right end.
        upright: (lines, 3): x, y of the upper end, y of the lower end.
        sums: Integral images of the text's pixels, of those that are left when its strokes lose a
            pixel, and of its grey values.
    """

    level: Values
    upright: Values
    sums: tuple[Values, Values, Values]

    def of(self, box: Box) -> tuple[float, float, float]:
        """Return the (density, thickness, greyness), each in [0, 1], of the text in a box."""
        x0, y0, x1, y1 = box
        pixels, core, grey = (
            float(each[y1, x1] - each[y0, x1] - each[y1, x0] + each[y0, x0]) for each in self.sums
        )
        ink = max(1.0, pixels)
        return pixels / ((x1 - x0) * (y1 - y0)), core / ink, grey / ink / 255

    def level_between(self, upper: Values, lower: Values, at: Values, height: float) -> Values:
        """Count the level lines from y = `upper` to y = `lower` that cross x = `at`."""
        top = np.minimum(upper, lower)[:, None] - _REACH_UP_AND_DOWN * height
        foot = np.maximum(upper, lower)[:, None] + _REACH_UP_AND_DOWN * height
        x0, y, x1 = self.level.T
        return _count((y >= top) & (y <= foot) & (x0 <= at[:, None]) & (x1 >= at[:, None]))

    def upright_between(self, left: Values, right: Values, at: Values, height: float) -> Values:
        """Count the upright lines from x = `left` to x = `right` that cross y = `at`."""
        start = np.minimum(left, right)[:, None] - _REACH_SIDEWAYS * height
        end = np.maximum(left, right)[:, None] + _REACH_SIDEWAYS * height
        x, y0, y1 = self.upright.T
        return _count((x >= start) & (x <= end) & (y0 <= at[:, None]) & (y1 >= at[:, None]))


def find_ink(words: Sequence[Word], image: Image.Image) -> Ink:
    """Look at the pixels of a page with at least one word."""
    masks = find_masks(words, image)
    text = masks.text()
    core = cv2.erode(text, np.ones((2, 2), np.uint8))
    grey = np.where(text > 0, np.asarray(image.convert("L")), 0).astype(np.float32)
    sums = (
        cv2.integral((text // 255).astype(np.uint8)),
        cv2.integral((core // 255).astype(np.uint8)),
        cv2.integral(grey),
    )
    # A scan breaks lines: what is 4 px apart is one.
    x0, y0, width, height = _segments(cv2.dilate(masks.level, np.ones((1, 5), np.uint8)))
    level = np.column_stack([x0, y0 + height / 2, x0 + width])
    x0, y0, width, height = _segments(cv2.dilate(masks.upright, np.ones((5, 1), np.uint8)))
    upright = np.column_stack([x0 + width / 2, y0, y0 + height])
    return Ink(level, upright, sums)  # type: ignore[arg-type]  # OpenCV's arrays are untyped


def _segments(mask: cv2.typing.MatLike) -> Values:
    """Return (4, parts): left, top, width and height of each connected part, px."""
    _, _, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    largest = np.argsort(-boxes[1:, cv2.CC_STAT_AREA], kind="stable")[:_MOST_LINES]
    return boxes[1 + np.sort(largest), :4].T.astype(np.float64)


def _count(marked: NDArray[np.bool_]) -> Values:
    return np.asarray(marked.sum(axis=1), np.float64)
