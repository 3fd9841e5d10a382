"""Photocopies and scans a sheet: what FUNSD's pages show, boxes moving with their pixels.

FUNSD's images are bilevel scans of about 200 dpi that were reduced to 1000 px: so is the page
here, drawn at twice its size, degraded, made bilevel and averaged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from data.generator.content import chance, choose, pick
from data.generator.geometry import WHITE, Floats, scaled, warped

Pixels = npt.NDArray[np.float32]

_LEVELS = (110, 212)
"""Beyond these the threshold wipes out small print, or drowns it."""


@dataclass(frozen=True)
class Scan:
    """The damage of one scan; px are of the canvas, about 200 dpi.

    Attributes:
        skew: degrees, counter-clockwise.
        shift: (x, y) px that the paper lay off its place.
        spread: Ink spread, standard deviation of the blur, px.
        level: Grey above which the copier sees paper, 0-255: higher is bolder.
        uneven: How much the level changes over the page, 0-255.
        grain: Standard deviation of the noise before the threshold, 0-255.
        specks: Number of black specks.
        streaks: Number of vertical lines of dirt.
        edge: Dark bars along the border.
        holes: Punched at the left.
        fold: Across the page.
        coarse: Resolution lost: 1 none, 2 half.
        paper: Grey of the paper; None makes the page bilevel, as a fax or copier does.
    """

    skew: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    spread: float = 0.6
    level: float = 150.0
    uneven: float = 0.0
    grain: float = 8.0
    specks: int = 0
    streaks: int = 0
    edge: bool = False
    holes: bool = False
    fold: bool = False
    coarse: float = 1.0
    paper: int | None = None


def draw_scan(rng: np.random.Generator) -> Scan:
    """Draw the settings of a scan like FUNSD's: most are good copies, some are bad."""
    kind = choose(rng, "fair|fair|fair|fax|copy|copy|worn|grey")
    skew = float(np.clip(rng.normal(0, 0.5), -2, 2)) if chance(rng, 0.7) else 0.0
    shift = (float(rng.normal(0, 10)), float(rng.normal(0, 10)))
    common = Scan(
        skew=skew,
        shift=shift,
        spread=rng.uniform(0.4, 1.0),
        level=rng.uniform(150, 195),
        uneven=rng.uniform(0, 15),
        grain=rng.uniform(0, 20),
        specks=int(rng.integers(0, 60)),
        edge=chance(rng, 0.35),
        holes=chance(rng, 0.12),
    )
    if kind == "fax":
        specks = int(rng.integers(50, 250))
        return replace(common, coarse=rng.uniform(1.3, 1.8), specks=specks)
    if kind == "copy":
        specks = int(rng.integers(100, 500))
        return replace(common, spread=rng.uniform(1.0, 1.6), specks=specks)
    if kind == "worn":
        grain = rng.uniform(15, 28)
        return replace(common, uneven=rng.uniform(15, 35), grain=grain, streaks=3)
    if kind == "grey":
        return replace(common, paper=int(rng.integers(215, 250)), fold=chance(rng, 0.5))
    return common


def scan(
    image: Image.Image,
    boxes: Floats,
    how: Scan,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[Image.Image, Floats]:
    """Return the ("L") page as scanned, `size` (width, height) px, and its (n, 4) boxes."""
    image, boxes = _laid(image, boxes, how)
    _dirty(image, how, rng)
    if how.coarse > 1:
        small = (round(image.width / how.coarse), round(image.height / how.coarse))
        image = image.resize(small, Image.Resampling.BOX).resize(image.size)
    image = image.filter(ImageFilter.GaussianBlur(how.spread))
    pixels = np.asarray(image, dtype=np.float32)
    pixels = pixels + how.grain * rng.standard_normal(pixels.shape, dtype=np.float32)
    level = (how.level + _field(rng, image.size, how.uneven, (9, 7))).clip(*_LEVELS)
    pixels = _bilevel(pixels, level) if how.paper is None else _grey(pixels, how, rng)
    scanned = Image.fromarray(pixels.clip(0, WHITE).astype(np.uint8))
    _speckle(scanned, how.specks, rng)
    return scaled(scanned, boxes, size)


def _laid(image: Image.Image, boxes: Floats, how: Scan) -> tuple[Image.Image, Floats]:
    """Turn and shift the paper on the glass."""
    cos, sin = math.cos(math.radians(how.skew)), math.sin(math.radians(how.skew))
    centre = np.array(image.size) / 2
    matrix = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
    matrix[:, 2] = centre + how.shift - matrix[:, :2] @ centre
    if how.skew == 0:
        matrix[:, 2] = np.round(matrix[:, 2])
    return warped(image, boxes, matrix, image.size)


def _dirty(image: Image.Image, how: Scan, rng: np.random.Generator) -> None:
    """Draw specks, streaks and holes on the paper or the glass."""
    draw = ImageDraw.Draw(image)
    width, height = image.size
    for _ in range(how.streaks):
        x = int(rng.integers(width))
        for y in range(0, height, 30):
            if chance(rng, 0.35):
                dash = int(rng.integers(8, 30))
                draw.line([(x, y), (x + int(rng.integers(-2, 3)), y + dash)], fill=60, width=2)
    if how.holes:
        for place in (0.12, 0.5, 0.88):
            hole = np.array([13, -17, 47, 17]) + [0, place * height] * 2 + rng.normal(0, 4)
            draw.ellipse(hole.tolist(), fill=0)
            if chance(rng, 0.5):
                draw.ellipse((hole + np.array([9, 0, 9, 0])).tolist(), fill=WHITE)
    if how.edge:
        _edges(draw, image.size, rng)
    if how.fold:
        crease = height * rng.uniform(0.3, 0.7)
        draw.line(
            [(0, crease), (width, crease + rng.normal(0, 6))],
            fill=205,
            width=int(rng.integers(2, 6)),
        )


def _edges(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    """Darken the area outside the paper, along one to three borders."""
    width, height = size
    for side in rng.permutation(4)[: int(rng.integers(1, 4))]:
        depth = float(rng.choice([3, 4, 8, 14, 24]))
        lean = rng.uniform(-6, 6)
        end = rng.uniform(0.5, 1)
        shapes: list[list[tuple[float, float]]] = [
            [(0, 0), (depth, 0), (max(1.0, depth + lean), end * height), (0, end * height)],
            [(0, 0), (0, depth), (end * width, max(1.0, depth + lean)), (end * width, 0)],
            [(width, 0), (width - depth, 0), (width - depth - lean, height), (width, height)],
            [(0, height), (0, height - depth), (width, height - depth - lean), (width, height)],
        ]
        draw.polygon(shapes[side], fill=0)


def _field(
    rng: np.random.Generator, size: tuple[int, int], amplitude: float, knots: tuple[int, int]
) -> Pixels:
    """Return smooth noise, (height, width), of this amplitude; more knots make more clouds."""
    noise = rng.standard_normal(knots, dtype=np.float32)
    field = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    return amplitude * np.asarray(field, dtype=np.float32)


def _bilevel(pixels: Pixels, level: Pixels) -> Pixels:
    return np.where(pixels > level, np.float32(WHITE), np.float32(0))


def _grey(pixels: Pixels, how: Scan, rng: np.random.Generator) -> Pixels:
    """Keep the greys: ink turns grey, paper darkens unevenly."""
    height, width = pixels.shape
    paper = (how.paper or WHITE) + _field(rng, (width, height), 0.3 * how.uneven, (3, 2))
    ink = 45 + _field(rng, (width, height), how.uneven, (9, 7))
    return (ink + (paper - ink) * pixels / WHITE).astype(np.float32)


def _speckle(image: Image.Image, count: int, rng: np.random.Generator) -> None:
    """Drop black specks, thicker in some places, and a third as many white ones."""
    draw = ImageDraw.Draw(image)
    crowd = rng.uniform(0, 1, 2) * image.size
    for place in range(count + count // 3):
        at = rng.uniform(0, 1, 2) * image.size
        if chance(rng, 0.3):
            at = crowd + rng.normal(0, 120, 2)
        radius = pick(rng, (0.5, 0.5, 0.5, 0.5, 0.5, 1, 1, 1.5))
        box = [at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius]
        draw.ellipse(box, fill=0 if place < count else WHITE)
