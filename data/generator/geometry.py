"""Moves boxes together with their pixels."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float64]

WHITE = 255


def turned(image: Image.Image, boxes: Floats, degrees: float) -> tuple[Image.Image, Floats]:
    """Rotate an ("L") image counter-clockwise about its centre; the canvas grows to hold it.

    Args:
        image: What stands in the boxes.
        boxes: (n, 4) px: x0, y0, x1, y1.
        degrees: Any angle.

    Returns:
        The image and the smallest upright boxes around the turned ones.
    """
    width, height = image.size
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    new_width = math.ceil(abs(width * cos) + abs(height * sin) - 1e-6)
    new_height = math.ceil(abs(width * sin) + abs(height * cos) - 1e-6)
    matrix = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
    matrix[:, 2] = (new_width / 2, new_height / 2) - matrix[:, :2] @ (width / 2, height / 2)
    return warped(image, boxes, matrix, (new_width, new_height))


def warped(
    image: Image.Image, boxes: Floats, matrix: Floats, size: tuple[int, int]
) -> tuple[Image.Image, Floats]:
    """Apply an affine map to an ("L") image and its boxes.

    Args:
        image: What stands in the boxes.
        boxes: (n, 4) px.
        matrix: (2, 3): (x, y) of the image goes to matrix @ (x, y, 1).
        size: (width, height) of the result, px; what the image does not cover is white.
    """
    inverse = np.linalg.inv(np.vstack([matrix, [0.0, 0.0, 1.0]]))
    moved = image.transform(
        size,
        Image.Transform.AFFINE,
        tuple(inverse[:2].ravel()),
        Image.Resampling.BICUBIC,
        fillcolor=WHITE,
    )
    corners = boxes[:, [[0, 1], [2, 1], [0, 3], [2, 3]]] @ matrix[:, :2].T + matrix[:, 2]
    return moved, np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def scaled(image: Image.Image, boxes: Floats, size: tuple[int, int]) -> tuple[Image.Image, Floats]:
    """Resize an image to (width, height) px, averaging, and its (n, 4) boxes."""
    factors = np.array(size) / np.array(image.size)
    return image.resize(size, Image.Resampling.BOX), boxes * np.tile(factors, 2)
