"""A page that records its words and strokes; its picture is drawn only when somebody asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from PIL import Image, ImageDraw

from data.forms import Box
from data.generator.typefaces import font

Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)

_EM = 100
"""px at which widths are measured; they grow with the size."""

_LARGE = 2.0
"""Scale from which text is drawn at its size."""

_ASCENT, _DESCENT = 0.78, 0.22
"""What an OCR's box of a text line has above and below the baseline, em."""


@dataclass(frozen=True)
class Look:
    """How a text is printed.

    Attributes:
        face: See `typefaces.font`.
        size: em, px of the page.
        colour: RGB.
        leading: From baseline to baseline, em.
    """

    face: str
    size: float
    colour: Colour = BLACK
    leading: float = 1.25


@dataclass(frozen=True)
class DrawnWord:
    """A word as it is printed.

    Attributes:
        text: Never empty and without spaces.
        box: px of the page; all words of a line are equally high, as an OCR gives them.
        underlined: Whether a ruled line runs below it.
        walled: Whether an upright ruled line stands close on its left.
    """

    text: str
    box: Box
    underlined: bool = False
    walled: bool = False


@dataclass(frozen=True)
class Place:
    """Where a value is printed; a value may have several places.

    Attributes:
        page: From 1.
        text: As it is printed there, its lines joined by a space.
        words: Indices of the page's words.
        box: px, around these words.
    """

    page: int
    text: str
    words: tuple[int, ...]
    box: Box


@dataclass(frozen=True)
class _Ink:
    """A word to be drawn: the left end of its baseline."""

    x: float
    y: float
    text: str
    look: Look


@dataclass(frozen=True)
class _Shape:
    """A line (two corners and a width) or a filled box (width 0)."""

    kind: str
    corners: tuple[float, float, float, float]
    width: float
    colour: Colour


@lru_cache(maxsize=200_000)
def _advance(text: str, face: str) -> float:
    return font(face, _EM).getlength(text) / _EM


def _space(face: str) -> float:
    # TeX's typewriter has no space; all its characters are equally wide.
    return _advance(" ", face) or _advance("0", face)


def width_of(text: str, look: Look) -> float:
    """Return the width of a line of text, px."""
    words = text.split(" ")
    wide = sum(_advance(word, look.face) for word in words)
    return look.size * (wide + _space(look.face) * (len(words) - 1))


def wrap(text: str, look: Look, width: float) -> list[str]:
    """Break a text into lines of at most `width` px; a longer word stands alone."""
    lines: list[str] = []
    for word in text.split():
        if lines and width_of(f"{lines[-1]} {word}", look) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


class Canvas:
    """One page of (width, height) px; values are written under the name of their fact."""

    def __init__(self, number: int, size: tuple[int, int]) -> None:
        self.number, self.size = number, size
        self.places: dict[str, list[Place]] = {}
        self._inks: list[_Ink] = []
        self._shapes: list[_Shape] = []

    def text(
        self,
        at: tuple[float, float],
        lines: str | Sequence[str],
        look: Look,
        fact: str = "",
        *,
        align: float = 0.0,
    ) -> float:
        """Write one line or several; return the right end of the last one, px.

        Args:
            at: The first line's baseline: its left end, its right end or its middle.
            lines: Words are what spaces separate.
            look: Lookface and size.
            fact: The path of the fact whose value this is, "" for none.
            align: Share of the text's width that stands left of `at`: 0, 0.5 or 1.
        """
        texts = [lines] if isinstance(lines, str) else lines
        first, x, space = len(self._inks), at[0], _space(look.face)
        for row, line in enumerate(texts):
            x = at[0] - (align * width_of(line, look) if align else 0)
            for word in line.split(" "):
                if word:
                    y = at[1] + row * look.leading * look.size
                    self._inks.append(_Ink(x, y, word, look))
                    x += look.size * _advance(word, look.face)
                x += look.size * space
            x -= look.size * space
        if fact and len(self._inks) > first:
            words = tuple(range(first, len(self._inks)))
            boxes = [self._box(self._inks[each]) for each in words]
            box = (
                min(each[0] for each in boxes),
                min(each[1] for each in boxes),
                max(each[2] for each in boxes),
                max(each[3] for each in boxes),
            )
            text = " ".join(self._inks[each].text for each in words)
            self.places.setdefault(fact, []).append(Place(self.number, text, words, box))
        return x

    def line(
        self, start: tuple[float, float], end: tuple[float, float], width: float = 1.5
    ) -> None:
        """Draw a ruled line, level or upright."""
        self._shapes.append(_Shape("line", (*start, *end), width, BLACK))

    def dashes(self, x0: float, x1: float, y: float, step: float = 9) -> None:
        """Draw a dashed line, which is none that separates cells."""
        self._shapes.append(_Shape("dashes", (x0, y, x1, step), 1.5, BLACK))

    def fill(self, box: tuple[float, float, float, float], colour: Colour) -> None:
        """Fill a box."""
        self._shapes.append(_Shape("fill", box, 0, colour))

    def disc(self, box: tuple[float, float, float, float], colour: Colour) -> None:
        """Fill an ellipse, as logos have."""
        self._shapes.append(_Shape("disc", box, 0, colour))

    def frame(self, box: tuple[float, float, float, float], width: float = 1.5) -> None:
        """Draw the outline of a box."""
        x0, y0, x1, y1 = box
        for start, end in (
            ((x0, y0), (x1, y0)),
            ((x0, y1), (x1, y1)),
            ((x0, y0), (x0, y1)),
            ((x1, y0), (x1, y1)),
        ):
            self.line(start, end, width)

    @cached_property
    def words(self) -> tuple[DrawnWord, ...]:
        """The words as they were drawn, with the ruled lines at them; ask when all is drawn."""
        corners = [shape.corners for shape in self._shapes if shape.kind == "line"]
        lines = np.array(corners or [(-1.0, -1.0, -1.0, -1.0)])
        is_level = lines[:, 1] == lines[:, 3]
        level, upright = lines[is_level], lines[~is_level]
        words = []
        for ink in self._inks:
            x0, y0, x1, y1 = box = self._box(ink)
            tall, middle = y1 - y0, (y0 + y1) / 2
            covered = np.minimum(level[:, 2], x1) - np.maximum(level[:, 0], x0)
            under = (abs(level[:, 1] - y1) <= 0.35 * tall) & (covered >= 0.6 * (x1 - x0))
            away = x0 - upright[:, 0]
            beside = (upright[:, 1] <= middle) & (middle <= upright[:, 3])
            wall = beside & (away >= 0) & (away <= 2 * tall)
            words.append(DrawnWord(ink.text, box, bool(under.any()), bool(wall.any())))
        return tuple(words)

    def picture(self, scale: float = 1.0) -> Image.Image:
        """Return the page, RGB, `scale` times its size."""
        # Typefaces have rounded widths at small sizes: words would run into each other.
        return self._drawn(scale) if scale >= _LARGE else self._drawn(2 * scale).reduce(2)

    def _drawn(self, scale: float) -> Image.Image:
        size = (round(self.size[0] * scale), round(self.size[1] * scale))
        image = Image.new("RGB", size, WHITE)
        draw = ImageDraw.Draw(image)
        for shape in self._shapes:
            x0, y0, x1, y1 = (value * scale for value in shape.corners)
            pen = max(1, round(shape.width * scale))
            if shape.kind == "line":
                draw.line((x0, y0, x1, y1), shape.colour, pen)
            elif shape.kind == "fill":
                draw.rectangle((x0, y0, x1, y1), shape.colour)
            elif shape.kind == "disc":
                draw.ellipse((x0, y0, x1, y1), shape.colour)
            else:
                at = x0
                while at < x1:
                    draw.line((at, y0, at + 0.6 * y1, y0), shape.colour, pen)
                    at += y1
        for ink in self._inks:
            face = font(ink.look.face, max(4, round(ink.look.size * scale)))
            baseline = ink.x * scale, ink.y * scale
            draw.text(baseline, ink.text, ink.look.colour, face, anchor="ls")
        return image

    def _box(self, ink: _Ink) -> Box:
        size = ink.look.size
        return (
            int(ink.x),
            int(ink.y - _ASCENT * size),
            int(ink.x + size * _advance(ink.text, ink.look.face)) + 1,
            int(ink.y + _DESCENT * size) + 1,
        )
