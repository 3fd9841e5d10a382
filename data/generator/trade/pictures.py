"""Makes pictures of drawn pages: as a program prints them, scanned, or photographed."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from data.generator.geometry import Floats
from data.generator.scan import draw_scan, scan
from data.generator.trade.canvas import Canvas

Taken = Literal["clean", "scan", "photo"]

_KNOTS = (13, 17)
"""Columns and rows of the mesh that bends a photographed page."""

_Pixels = npt.NDArray[np.float32]


def take(page: Canvas, how: Taken, rng: np.random.Generator) -> tuple[Image.Image, Floats]:
    """Return a page's picture, and the box of each of its words in it.

    Args:
        page: As drawn.
        how: "clean" is the page itself, RGB; "scan" is grey or bilevel, turned a little; "photo"
            is RGB, lies on a table, and is bent, shaded and seen from aside.
        rng: What decides.

    Returns:
        The picture, and (words, 4) px of it.
    """
    boxes = np.array([word.box for word in page.words], dtype=np.float64).reshape(-1, 4)
    if how == "clean":
        return page.picture(), boxes
    if how == "photo":
        return _photograph(page.picture(rng.uniform(0.9, 1.3)), page, boxes, rng)
    image = page.picture(2.0).convert("L")
    return scan(image, 2 * boxes, draw_scan(rng), page.size, rng)


def _photograph(
    paper: Image.Image, page: Canvas, boxes: Floats, rng: np.random.Generator
) -> tuple[Image.Image, Floats]:
    size = (
        round(paper.width * rng.uniform(1.05, 1.5)),
        round(paper.height * rng.uniform(1.03, 1.2)),
    )
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * paper.size
    lean = rng.normal(0, 0.02, (4, 2)) * paper.size
    angle = np.radians(rng.normal(0, 2.5))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array(paper.size) / 2
    seen = (corners + lean - middle) @ turn.T * rng.uniform(0.9, 1) + np.array(size) / 2
    there = _homography(corners, seen)
    bends = rng.normal(0, 0.0035 * paper.width, (_KNOTS[1], _KNOTS[0], 2))
    bends = _smooth(bends)
    image = _bent(_worn(paper, rng), there, bends, size, rng)
    scale = paper.width / page.size[0]
    points = (scale * boxes[:, [[0, 1], [2, 1], [0, 3], [2, 3]]]).reshape(-1, 2)
    moved = _mapped(points, there)
    for _ in range(4):  # A bend is told at the place where it is seen.
        moved = _mapped(points - _at(bends, moved, size), there)
    moved = moved.reshape(-1, 4, 2)
    found = np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)
    return image, found.clip(0, np.tile(size, 2))


def _homography(start: Floats, end: Floats) -> Floats:
    """Return the (3, 3) map that takes four points to four others."""
    rows = []
    for (x, y), (u, v) in zip(start, end, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    found = np.linalg.solve(np.array(rows), end.reshape(-1))
    return np.append(found, 1.0).reshape(3, 3)


def _mapped(points: Floats, matrix: Floats) -> Floats:
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(moved[:, :2] / moved[:, 2:])


def _smooth(field: Floats) -> Floats:
    for axis in (0, 1):
        field = (np.roll(field, 1, axis) + 2 * field + np.roll(field, -1, axis)) / 3
    return field


def _at(bends: Floats, points: Floats, size: tuple[int, int]) -> Floats:
    """Return how far the paper is bent at points of the picture, px of the paper."""
    places = (points / size * (np.array(_KNOTS) - 1)).clip(0, np.array(_KNOTS) - 1.001)
    left, top = places.astype(int).T
    x, y = (places - places.astype(int)).T[:, :, None]
    upper = bends[top, left] * (1 - x) + bends[top, left + 1] * x
    lower = bends[top + 1, left] * (1 - x) + bends[top + 1, left + 1] * x
    return np.asarray(upper * (1 - y) + lower * y)


def _bent(
    paper: Image.Image,
    there: Floats,
    bends: Floats,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Image.Image:
    """Lay the paper on a table, bent and seen from aside, and let light fall on it."""
    back = np.asarray(np.linalg.inv(there), dtype=np.float64)
    xs = np.linspace(0, size[0], _KNOTS[0]).round().astype(int)
    ys = np.linspace(0, size[1], _KNOTS[1]).round().astype(int)
    knots = np.array([[(x, y) for x in xs] for y in ys], dtype=np.float64)
    source = _mapped(knots.reshape(-1, 2), back).reshape(knots.shape) + bends
    mesh = []
    for row in range(_KNOTS[1] - 1):
        for column in range(_KNOTS[0] - 1):
            box = (xs[column], ys[row], xs[column + 1], ys[row + 1])
            quad = [
                source[row + down, column + over] for over, down in ((0, 0), (0, 1), (1, 1), (1, 0))
            ]
            mesh.append((tuple(map(int, box)), tuple(np.concatenate(quad).tolist())))
    alpha = Image.new("L", paper.size, 255)
    method, smooth = Image.Transform.MESH, Image.Resampling.BICUBIC
    seen = paper.transform(size, method, mesh, smooth)
    covered = alpha.transform(size, method, mesh, Image.Resampling.BILINEAR)
    table = Image.new("RGB", size, tuple(rng.integers(40, 190, 3).tolist()))
    table.paste(seen, mask=covered)
    light = 1 + _clouds(rng, size, 0.12, (3, 3)) + _clouds(rng, size, 0.03, (25, 17))
    pixels = np.asarray(table, dtype=np.float32) * light.clip(0.45, 1.15)[:, :, None]
    pixels += rng.normal(0, rng.uniform(1, 6), pixels.shape[:2])[:, :, None]
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.9)))


def _worn(paper: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Fade the ink, tint the paper and crease it."""
    pixels = np.asarray(paper, dtype=np.float32)
    ink = rng.uniform(20, 120)
    tint = rng.uniform(225, 250) - rng.uniform(0, 14, 3)
    pixels = (ink + (tint - ink) * pixels / 255).astype(np.float32)
    height, width = pixels.shape[:2]
    shade = np.ones((height, width), np.float32)
    for _ in range(int(rng.integers(0, 4))):
        across = rng.random() < 0.75
        length = height if across else width
        away = np.arange(length) - rng.uniform(0.15, 0.85) * length
        deep = rng.uniform(0.05, 0.2)
        fold = 1 - deep * np.exp(-np.abs(away) / (0.03 * length)) * np.where(away < 0, 1, -0.3)
        shade *= (fold[:, None] if across else fold[None, :]).astype(np.float32)
    pixels *= shade[:, :, None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _clouds(
    rng: np.random.Generator, size: tuple[int, int], amplitude: float, knots: tuple[int, int]
) -> _Pixels:
    """Return smooth noise, (height, width)."""
    noise = Image.fromarray(rng.standard_normal(knots).astype(np.float32))
    field = noise.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(amplitude * np.asarray(field, dtype=np.float32))
