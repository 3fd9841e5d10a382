"""Writes by hand: the pen paths of `pen.toml`, no two letters quite alike."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from data.generator.content import chance

_UNIT = 0.088
"""Grid step of the pen paths, em."""
_GAP = 1.7
"""Between letters, grid steps."""
_CAPITAL = 8
"""Height of a capital, grid steps."""
_NIB = 0.08
"""Width of a line, em."""
_SLANT = 0.22
_UNSTEADY = 0.28
"""Standard deviation of a point, grid steps."""

Point = tuple[float, float]
_Path = npt.NDArray[np.float64]


def word_width(word: str, size: float) -> float:
    """Return the width of a word at an em `size`, in the unit of `size`."""
    return sum(_glyph_width(character) for character in word) * _UNIT * size


def write_word(
    image: Image.Image, at: Point, word: str, size: float, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Write a word on an ("L") image and return the box of its ink, px.

    Args:
        image: Drawn on in place.
        at: Left end of the baseline, px.
        word: Characters of `pen.toml`.
        size: em, px.
        rng: The hand.

    Raises:
        KeyError: The pen does not know a character.
    """
    draw = ImageDraw.Draw(image)
    unit = _UNIT * size
    slant = _SLANT + rng.normal(0, 0.04)
    rise = rng.normal(0, 0.02)
    width = max(2, round(_NIB * size))
    pen = 0.0
    ink = []
    for character in word:
        for stroke in _glyphs()[character]:
            shaky = smooth(stroke + rng.normal(0, _UNSTEADY, stroke.shape))
            x = pen + shaky[:, 0] + slant * shaky[:, 1]
            y = shaky[:, 1] + rise * x
            points = np.stack([at[0] + x * unit, at[1] - y * unit], axis=1)
            draw.line([(px, py) for px, py in points], fill=0, width=width, joint="curve")
            ink.append(points)
        pen += _glyph_width(character)
    every = np.concatenate(ink)
    (x0, y0), (x1, y1) = every.min(axis=0) - 2, every.max(axis=0) + 2
    return float(x0), float(y0), float(x1), float(y1)


def signature(at: Point, size: float, rng: np.random.Generator) -> list[list[Point]]:
    """Return the strokes of an unreadable signature: initials that end in a wave.

    Args:
        at: Left end of its baseline.
        size: Height of its capitals, in the unit of `at`.
        rng: The hand.
    """
    strokes: list[_Path] = []
    x = 0.0
    for initial in rng.permutation(list("ABCDEFGHJKLMNPRSTW"))[: int(rng.integers(1, 4))]:
        letter = [stroke / _CAPITAL + (x, 0) for stroke in _glyphs()[str(initial)]]
        x += 0.9 * _glyph_width(str(initial)) / _CAPITAL
        strokes.extend(stroke + rng.normal(0, 0.05, stroke.shape) for stroke in letter)
        if chance(rng, 0.75):
            wave = _wave(rng, x)
            strokes.append(wave)
            x = float(wave[-1, 0]) + 0.15
    if chance(rng, 0.3):
        strokes.append(np.array([(0.2, -0.25), (0.6 * x, -0.15), (1.1 * x, -0.05)]))
    slant = rng.uniform(0.15, 0.5)
    return [
        [(at[0] + (px + slant * py) * size, at[1] - py * size) for px, py in smooth(stroke)]
        for stroke in strokes
    ]


def _wave(rng: np.random.Generator, start: float) -> _Path:
    """Return letters that have run together: up and down, with a tail."""
    count = int(rng.integers(3, 9))
    steps = start + np.cumsum(rng.uniform(0.1, 0.3, count))
    heights = np.where(np.arange(count) % 2 == 0, rng.uniform(0.2, 0.5, count), 0.03)
    tall = rng.random(count) < 0.15
    heights += tall * rng.uniform(0.3, 0.6, count) - rng.uniform(0, 0.06, count)
    tail = (steps[-1] + rng.uniform(0.2, 1.2), rng.uniform(-0.1, 0.35))
    return np.array([(start - 0.1, 0.1), *zip(steps, heights, strict=True), tail])


def smooth(path: Sequence[Point] | _Path) -> _Path:
    """Round the corners of a chain of points, (n, 2), by cutting them twice (Chaikin)."""
    points = np.asarray(path, dtype=float)
    for _ in range(2):
        before, after = points[:-1], points[1:]
        cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1)
        points = np.concatenate([points[:1], cut.reshape(-1, 2), points[-1:]])
    return points


def _glyph_width(character: str) -> float:
    return float(max(stroke[:, 0].max() for stroke in _glyphs()[character])) + _GAP


@cache
def _glyphs() -> dict[str, list[_Path]]:
    raw = tomllib.loads(Path(__file__).with_name("pen.toml").read_text(encoding="utf-8"))
    return {
        character: [
            np.array(
                [(int(stroke[i]), ord(stroke[i + 1]) - ord("e")) for i in range(0, len(stroke), 2)],
                dtype=float,
            )
            for stroke in paths.split()
        ]
        for character, paths in raw.items()
    }
