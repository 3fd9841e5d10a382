"""Finds the ruled lines of a form in its pixels, and the words on or beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cv2.typing import MatLike as Mask
    from PIL import Image

    from ocr_extractor.ocr.words import Word

_MIN_LENGTH = 2.0
"""In median word heights: longer than any stroke of running text."""

_BAND = 0.35
"""How far above or below the foot of a word's box the line may run, in word heights."""

_MIN_COVER = 0.6
"""The part of the word's width that the line has to run below."""

_WALL_DISTANCE = 2.0
"""Largest distance of an upright line from the left side of a word's box, in word heights."""

_MIN_WALL_COVER = 0.8
"""The part of the word's height that the upright line has to cover."""


@dataclass(frozen=True)
class Masks:
    """What is ink on a page; (height, width) uint8 arrays, 255 where the ink is.

    Attributes:
        ink: All of it.
        level: Its level lines.
        upright: Its upright lines.
    """

    ink: Mask
    level: Mask
    upright: Mask

    def text(self) -> Mask:
        """Return the ink without the ruled lines."""
        import cv2

        return cv2.bitwise_and(self.ink, cv2.bitwise_not(cv2.bitwise_or(self.level, self.upright)))


def find_masks(words: Sequence[Word], image: Image.Image) -> Masks:
    """Separate the ruled lines of a page from its text.

    Args:
        words: The words of the page, at least one: lines are longer than they are high.
        image: The page they were read from.
    """
    import cv2
    import numpy as np

    length = max(2, round(_MIN_LENGTH * median(word.box[3] - word.box[1] for word in words)))
    grey = np.asarray(image.convert("L"))
    _, ink = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    level = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, length), np.uint8))
    upright = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((length, 1), np.uint8))
    return Masks(ink, level, upright)


def mark_ruled(words: Sequence[Word], image: Image.Image) -> list[Word]:
    """Return the words with `underlined` and `walled` set where ruled lines stand.

    On FUNSD's training split 51 % of the words of answers are underlined and 16 % of the words
    of questions. Skew up to about 2 degrees does no harm: a slanted line falls into steps that
    are each long enough.
    """
    if not words:
        return []
    masks = find_masks(words, image)
    level, upright = masks.level, masks.upright

    def is_underlined(word: Word) -> bool:
        x0, y0, x1, y1 = word.box
        reach = _BAND * (y1 - y0)
        band = level[max(0, int(y1 - reach)) : int(y1 + reach) + 1, x0:x1]
        return float(band.any(axis=0).mean()) >= _MIN_COVER

    def is_walled(word: Word) -> bool:
        x0, y0, _, y1 = word.box
        band = upright[y0:y1, max(0, x0 - int(_WALL_DISTANCE * (y1 - y0))) : x0 + 1]
        return float(band.any(axis=1).mean()) >= _MIN_WALL_COVER

    return [replace(word, underlined=is_underlined(word), walled=is_walled(word)) for word in words]
