"""A blank sheet of paper that records the texts written on it and their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageStat

from data.forms import Label
from data.generator.geometry import WHITE, Floats, turned
from data.generator.handwriting import word_width, write_word
from data.generator.typefaces import Type, font

SCALE = 2
"""px of the canvas per px of the page: print and degradation happen at about 200 dpi."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Text:
    """A piece of text that belongs together, as drawn.

    Attributes:
        label: FUNSD's class.
        words: In reading order; "" for unreadable ink.
        boxes: (words, 4) px of the canvas.
    """

    label: Label
    words: tuple[str, ...]
    boxes: Floats


class Sheet:
    """Draws in px of the page; `texts` and `links` (indices of texts) are the ground truth."""

    def __init__(self, size: tuple[float, float], rng: np.random.Generator) -> None:
        self.width, self.height = size
        self.image = Image.new("L", (round(size[0] * SCALE), round(size[1] * SCALE)), WHITE)
        self.texts: list[Text] = []
        self.links: list[tuple[int, int]] = []
        self._draw = ImageDraw.Draw(self.image)
        self._rng = rng

    def write(
        self, at: Point, lines: str | Sequence[str], look: Type, label: Label, leading: float = 0
    ) -> int:
        """Write one text and return its index.

        Args:
            at: Left end of the first line's baseline.
            lines: One line, or several.
            look: Typeface, size and ink.
            label: FUNSD's class.
            leading: From baseline to baseline, px; 0 takes 1.15 em.
        """
        texts = [lines] if isinstance(lines, str) else list(lines)
        words: list[str] = []
        boxes: list[tuple[float, ...]] = []
        for row, text in enumerate(texts):
            y = at[1] + row * (leading or 1.15 * look.size)
            for x, word in _places(at[0], text, look):
                words.append(word)
                boxes.append(self._word((x, y), word, look))
        return self._add(Text(label, tuple(words), np.array(boxes)))

    def write_turned(
        self, centre: Point, lines: Sequence[str], look: Type, label: Label, degrees: float
    ) -> int:
        """Write centred lines at an angle (counter-clockwise) and return the text's index."""
        widths = [text_width(line, look) for line in lines]
        size = (max(widths) + 2 * look.size, (1.3 * len(lines) + 1) * look.size)
        scrap = Sheet(size, self._rng)
        for row, (line, width) in enumerate(zip(lines, widths, strict=True)):
            scrap.write(((size[0] - width) / 2, (1.3 * row + 1.4) * look.size), line, look, label)
        words = tuple(word for text in scrap.texts for word in text.words)
        image, boxes = turned(
            scrap.image, np.concatenate([text.boxes for text in scrap.texts]), degrees
        )
        corner = self._stick(image, centre)
        return self._add(Text(label, words, boxes + np.tile(corner, 2)))

    def _stick(self, image: Image.Image, centre: Point) -> tuple[int, int]:
        """Lay an ("L") image of canvas px over the sheet; return its corner, canvas px."""
        x = round(centre[0] * SCALE - image.width / 2)
        y = round(centre[1] * SCALE - image.height / 2)
        under = Image.new("L", image.size, WHITE)
        under.paste(self.image, (-x, -y))
        self.image.paste(ImageChops.darker(under, image), (x, y))
        return x, y

    def scribble(self, strokes: Sequence[Sequence[Point]], width: float, label: Label) -> int:
        """Draw unreadable pen strokes; return the index of the text ("")."""
        points = np.array([point for stroke in strokes for point in stroke]) * SCALE
        for stroke in strokes:
            self.line(stroke, width)
        box = np.concatenate([points.min(axis=0) - SCALE, points.max(axis=0) + SCALE])
        return self._add(Text(label, ("",), box[None, :]))

    def sketch(self, at: Point, text: str, look: Type) -> None:
        """Draw characters that are part of the form, not text, from the left of a baseline."""
        self._word(at, text, look)

    def line(self, points: Sequence[Point], width: float = 1.0, grey: int = 0) -> None:
        """Draw a line through points, px wide."""
        canvas = [(x * SCALE, y * SCALE) for x, y in points]
        self._draw.line(canvas, fill=grey, width=max(1, round(width * SCALE)), joint="curve")

    def dots(self, start: Point, end: float, step: float) -> None:
        """Draw a dotted leader from a point on the baseline to x = `end`."""
        for x in np.arange(start[0], end, step):
            self._draw.ellipse(
                [x * SCALE, (start[1] - 1) * SCALE, (x + 1) * SCALE, start[1] * SCALE], fill=0
            )

    def frame(self, box: Sequence[float], width: float = 1.0) -> None:
        """Draw the outline of a box."""
        corners = [value * SCALE for value in box]
        self._draw.rectangle(corners, outline=0, width=max(1, round(width * SCALE)))

    def fill(self, box: Sequence[float], grey: int = 0) -> None:
        """Fill a box."""
        self._draw.rectangle([value * SCALE for value in box], fill=grey)

    def ink(self, centre: Point, size: tuple[float, float]) -> float:
        """Return the mean darkness, [0, 1], of an area of (width, height) px."""
        corners = [(centre[i] + side * size[i] / 2) * SCALE for side in (-1, 1) for i in (0, 1)]
        area = self.image.crop((int(corners[0]), int(corners[1]), int(corners[2]), int(corners[3])))
        return 1 - ImageStat.Stat(area).mean[0] / WHITE

    def link(self, source: int, target: int) -> None:
        """Record a link between two texts."""
        self.links.append((source, target))

    def _add(self, text: Text) -> int:
        self.texts.append(text)
        return len(self.texts) - 1

    def _word(self, at: Point, word: str, look: Type) -> tuple[float, ...]:
        """Draw a word and return its box, px of the canvas."""
        x, y = at[0] * SCALE, at[1] * SCALE
        if look.hand:
            return write_word(self.image, (x, y), word, look.size * SCALE, self._rng)
        face = font(look.face, round(look.size * SCALE))
        if look.wobble:
            pen = x
            for character in word:
                dx, dy = self._rng.normal(0, look.wobble * look.size * SCALE, 2)
                self._draw.text((pen + dx / 2, y + dy), character, look.grey, face, anchor="ls")
                pen += face.getlength(character)
        else:
            self._draw.text((x, y), word, look.grey, face, anchor="ls")
        left, top, right, bottom = face.getbbox(word, anchor="ls")
        em = look.size * SCALE
        # People draw a dash's box as tall as a letter's.
        top, bottom = min(top, -0.5 * em), max(bottom, 0)
        return x + left - SCALE, y + top - SCALE, x + right + SCALE, y + bottom + SCALE


def _places(x: float, text: str, look: Type) -> list[tuple[float, str]]:
    """Return (left end, word) for the words of a line; each blank is one space."""
    places = []
    space = _space(look)
    for word in text.split(" "):
        if word:
            places.append((x, word))
            x += _word_width(word, look)
        x += space
    return places


def _space(look: Type) -> float:
    if look.hand:
        return 0.45 * look.size
    face = font(look.face, round(look.size * SCALE))
    # TeX's fonts have no space.
    return face.getlength(" ") / SCALE or look.size / 3


def _word_width(word: str, look: Type) -> float:
    if look.hand:
        return word_width(word, look.size)
    return font(look.face, round(look.size * SCALE)).getlength(word) / SCALE


def text_width(text: str, look: Type) -> float:
    """Return the width of a line, px of the page."""
    places = _places(0, text, look)
    return places[-1][0] + _word_width(places[-1][1], look) if places else 0.0


def wrapped(text: str, look: Type, width: float, first: float | None = None) -> list[str]:
    """Break a text into lines.

    Args:
        text: Words.
        look: Typeface and size.
        width: Of a line, px; a longer word stands alone.
        first: Width of the first line; None: like the others.
    """
    lines = [""]
    for word in text.split():
        room = first if first is not None and len(lines) == 1 else width
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or text_width(longer, look) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
