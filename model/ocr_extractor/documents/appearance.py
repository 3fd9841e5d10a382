"""What a page looks like, in a few numbers that tell nothing of its text: for its trace."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

GRID = (6, 8)
"""Columns and rows of the cells whose ink is measured."""

_CELL = 24  # pixels that are looked at along a side of a cell: 0.3 ms a page
_SAMPLES = (GRID[0] * _CELL, GRID[1] * _CELL)
_LINES = 12
# Of white; a page with less between its paper and its darkest hundredth is blank.
_FAINT = 0.04


def appearance(image: Image.Image) -> dict[str, Any]:
    """Measure a page; the time does not grow with its pixels.

    Args:
        image: The upright page, mode "RGB" or "L".

    Returns:
        `contrast`: from its darkest hundredth to its paper, the median, [0, 1] of white;
        `sharpness`: the mean step between neighbours on a line, weighted by its size, as a share
        of the contrast: near 1 where ink ends from one pixel to the next;
        `ink`: the share of its pixels that are nearer to the ink than to the paper, [0, 1];
        `layout`: the same of each cell of `GRID`, per mille, row by row.
    """
    grey = _greys(image, _SAMPLES)
    below = np.cumsum(grey.histogram()) / (_SAMPLES[0] * _SAMPLES[1])
    dark, paper = (int(level) for level in np.searchsorted(below, (0.01, 0.5)))
    contrast = (paper - dark) / 255
    inked = np.asarray(grey) < (paper + dark) / 2 if contrast >= _FAINT else np.zeros(_SAMPLES)
    columns, rows = GRID
    cells = inked.reshape(rows, _CELL, columns, _CELL).mean(axis=(1, 3))
    return {
        "contrast": round(contrast, 3),
        "sharpness": round(_sharpness(image, contrast), 3),
        "ink": round(float(inked.mean()), 4),
        "layout": [round(1000 * share) for share in cells.ravel().tolist()],
    }


def _greys(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the pixels that stand on a grid over the page."""
    return image.resize(size, Image.Resampling.NEAREST).convert("L")


def _sharpness(image: Image.Image, contrast: float) -> float:
    lines = np.asarray(_greys(image, (image.width, _LINES)), dtype=np.float32)
    steps = np.abs(np.diff(lines, axis=1)).ravel()
    if contrast < _FAINT or not steps.any():
        return 0.0
    return min(1.0, float(steps @ steps / steps.sum()) / (255 * contrast))
