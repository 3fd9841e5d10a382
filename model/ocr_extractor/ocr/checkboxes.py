"""Checkboxes from pixels: the boxes and circles of a page's options become words."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from ocr_extractor.ocr.neighbours import share_row
from ocr_extractor.ocr.ruled_lines import find_masks
from ocr_extractor.ocr.words import Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from cv2.typing import MatLike
    from PIL import Image

    from ocr_extractor.contract import Box

    Mask = np.ndarray[Any, np.dtype[np.uint8]]
    Flags = np.ndarray[Any, np.dtype[np.bool_]]

TICKED, EMPTY = "☑", "☐"

_LOOKALIKES = frozenset("XxOo0Q口日曰田回四区凶囚因困固国图圆囗□■☐☑☒○◯●◎⊙√✓✔")
"""The characters that RapidOCR reads for the box of an option."""

_LOOSE = frozenset("[](){}|_-.,:;~\"'")
"""The characters that RapidOCR reads for the sides of a box."""

_SIDES = (0.4, 2.0)
"""Least and greatest side of a box, in median word heights."""

_MIN_SIDE = 7
"""Smallest box that can be recognised, px."""

_MAX_STRETCH = 1.7
_RIM, _CORNER = 0.17, 0.12
"""Parts of the width and height: how far a side may be from straight, and a corner from sharp."""

_MIN_COVER, _MIN_MEAN_COVER = 0.5, 0.7
"""Least part of a side that has ink: of each side, and on average. Scans break lines."""

_MEAN_COVER_OF_LETTER = 0.93
"""The average for a box that was read as a letter: an `O` has 0.8."""

_DISC = (0.7, 0.85)
"""A circle covers 0.785 of the square around it."""

_MARGIN = (3, 0.2)
"""The edge of a box that does not count as its inside: px at least, or part of width and height."""

_TICKED = 0.1
"""Ink inside a ticked box: most of FUNSD's empty boxes have none, the ticked ones 0.11 or more."""

_SOLID = 0.8
"""Ink inside a box that was filled in, and of bullets and logos."""

_MAX_OUTLINES = 12
"""Most outlines of a box with its mark, inside and outside; shading has dozens."""

_ALIKE = 1.25
"""Ratio up to which boxes are of one size. A circle, or a filled box, needs others like it that are
not all filled."""

_MOST_PIECES, _MOST_SHAPES = 20_000, 600
"""Pieces of ink of a box's size, and boxes, above which a page is a pattern without options."""

_REACH_RIGHT, _REACH_LEFT = 2.5, 1.5
"""Largest distance of the text of an option from its box, in median word heights."""


def mark_checkboxes(words: Sequence[Word], image: Image.Image) -> list[Word]:
    """Add a word, `TICKED` or `EMPTY`, for every box or circle to tick on an upright page.

    Returns:
        The words with each mark in its option's line, without text that was read for a box.
    """
    if not words:
        return []
    height = median(word.box[3] - word.box[1] for word in words)
    marked = list(words)
    for shape in _find_shapes(words, image, height):
        marked = [rest for word in marked for rest in _without_lookalike(word, shape.box)]
        _insert(marked, shape, height)
    return marked


@dataclass(frozen=True)
class _Shape:
    """A box or circle.

    Attributes:
        box: Its outer edge, px.
        fill: The part of its inside that has ink.
        is_round: Whether it is a circle.
    """

    box: Box
    fill: float
    is_round: bool

    def is_like(self, other: _Shape) -> bool:
        """Tell whether both are of one kind and size."""
        sides = [shape.box[2] - shape.box[0] for shape in (self, other)]
        return self.is_round == other.is_round and max(sides) <= _ALIKE * min(sides)


def _find_shapes(words: Sequence[Word], image: Image.Image, height: float) -> list[_Shape]:
    import cv2
    import numpy as np

    ink = _text_ink(words, image)
    _, _, pieces, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    x, y, width, tall = pieces[1:, :4].T
    low, high = max(_SIDES[0] * height, _MIN_SIDE), _SIDES[1] * height
    fits = (np.minimum(width, tall) >= low) & (np.maximum(width, tall) <= high)
    fits &= np.maximum(width, tall) <= _MAX_STRETCH * np.minimum(width, tall)
    boxes = np.column_stack([x, y, x + width, y + tall])[fits]
    if len(boxes) > _MOST_PIECES:
        return []
    around = _Characters(words)
    found = [
        shape
        for box in map(tuple, boxes.tolist())
        if (shape := _shape(box, ink[box[1] : box[3], box[0] : box[2]], around)) is not None
    ]
    if len(found) > _MOST_SHAPES:
        return []
    return [
        shape
        for shape in found
        if not (shape.is_round or shape.fill > _SOLID) or _is_one_of_several(shape, found)
    ]


def _is_one_of_several(shape: _Shape, shapes: Sequence[_Shape]) -> bool:
    """Tell whether there are others like it, and some of them are empty."""
    alike = [other for other in shapes if shape.is_like(other)]
    return len(alike) > 1 and any(other.fill < _TICKED for other in alike)


def _text_ink(words: Sequence[Word], image: Image.Image) -> Mask:
    """Return the ink of the page without its ruled lines, with gaps of 1 px closed."""
    import cv2
    import numpy as np

    ink = find_masks(words, image).text()
    small = np.ones((2, 2), np.uint8)  # not by OpenCV, which would move the ink by 1 px
    return np.asarray(cv2.erode(cv2.dilate(ink, small, anchor=(0, 0)), small, anchor=(1, 1)), "u1")


class _Characters:
    """The texts of the OCR by place: text is evidence against a box."""

    def __init__(self, words: Sequence[Word]) -> None:
        import numpy as np

        rows = [
            (*word.part(at, at + 1).box, _is_text(word.text, at), character.isascii())
            for word in words
            for at, character in enumerate(word.text)
            if character not in _LOOSE
        ]
        table = np.array(rows, np.float64).reshape(-1, 6)
        self._boxes, self._text, self._letter = table[:, :4], table[:, 4] > 0, table[:, 5] > 0

    def around(self, box: Box) -> tuple[bool, bool]:
        """Tell whether text was read there, and whether it was only one letter."""
        x0, y0, x1, y1 = self._boxes.T
        middle, inset = (box[1] + box[3]) / 2, (box[2] - box[0]) / 4
        in_row = (y0 <= middle) & (middle < y1)
        there = in_row & (x0 < box[2] - inset) & (x1 > box[0] + inset)
        return bool((there & self._text).any()), bool((there & self._letter).any())


def _is_text(word: str, at: int) -> bool:
    """Tell whether a word's character cannot be a box."""
    return word[at] not in _LOOKALIKES or 0 < at < len(word) - 1


def _shape(box: Box, ink: Mask, around: _Characters) -> _Shape | None:
    """Check a connected piece of ink; None if it is not a box or circle."""
    import cv2

    is_text, is_letter = around.around(box)
    if is_text:
        return None
    outlines, _ = cv2.findContours(ink, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    if len(outlines) > _MAX_OUTLINES:
        return None
    tall, width = ink.shape
    down, across = (max(_MARGIN[0], round(_MARGIN[1] * side)) for side in ink.shape)
    fill = float((ink[down : tall - down, across : width - across] > 0).mean())
    if _is_square(ink > 0, strictly=is_letter):
        return _Shape(box, fill, is_round=False)
    return _Shape(box, fill, is_round=True) if not is_letter and _is_disc(ink, outlines) else None


def _is_square(dark: Flags, *, strictly: bool) -> bool:
    """Tell whether there is ink along all four sides and in the corners."""
    tall, wide = (max(2, round(_RIM * side)) for side in dark.shape)
    sides = (dark[:tall].any(0), dark[-tall:].any(0), dark[:, :wide].any(1), dark[:, -wide:].any(1))
    covers = [float(side.mean()) for side in sides]
    tall, wide = (max(2, round(_CORNER * side)) for side in dark.shape)
    rows, columns = (slice(tall), slice(-tall, None)), (slice(wide), slice(-wide, None))
    corners = sum(bool(dark[row, column].any()) for row in rows for column in columns)
    least = _MEAN_COVER_OF_LETTER if strictly else _MIN_MEAN_COVER
    return min(covers) >= _MIN_COVER and fmean(covers) >= least and corners >= 3 + strictly


def _is_disc(ink: Mask, outlines: Sequence[MatLike]) -> bool:
    """Tell whether the longest of the ink's outlines is a circle."""
    import cv2

    if max(ink.shape) > _ALIKE * min(ink.shape):
        return False
    # An outline runs through the middles of its px.
    area = max(cv2.contourArea(each) + cv2.arcLength(each, True) / 2 + 1 for each in outlines)
    return _DISC[0] <= area / ink.size <= _DISC[1]


def _without_lookalike(word: Word, box: Box) -> Iterator[Word]:
    """Yield the rest of a word without the characters that were read for a box."""
    x0, y0, x1, y1 = word.box
    if x1 < box[0] or x0 >= box[2] or y1 < box[1] or y0 >= box[3]:
        yield word
        return
    start, end = 0, len(word.text)
    while start < end and _covers(box, word.part(start, start + 1).box):
        start += 1
    while start < end and _covers(box, word.part(end - 1, end).box):
        end -= 1
    if start < end:
        yield word.part(start, end) if (start, end) != (0, len(word.text)) else word


def _covers(box: Box, character: Box) -> bool:
    """Tell whether a box holds the middle of a character."""
    across, down = character[0] + character[2], character[1] + character[3]
    return 2 * box[0] <= across < 2 * box[2] and 2 * box[1] <= down < 2 * box[3]


def _insert(words: list[Word], shape: _Shape, height: float) -> None:
    """Put a mark before the text on its right, else behind the text on its left."""
    box = shape.box
    row = [at for at, word in enumerate(words) if share_row(word.box, box)]
    right = [at for at in row if words[at].box[0] >= box[0] and words[at].box[2] >= box[2]]
    left = [at for at in row if words[at].box[0] <= box[0] and words[at].box[2] <= box[2]]
    following = min(right, key=lambda at: words[at].box[0], default=None)
    before = max(left, key=lambda at: words[at].box[2], default=None)
    text = TICKED if shape.fill >= _TICKED else EMPTY
    if following is not None and words[following].box[0] - box[2] <= _REACH_RIGHT * height:
        words.insert(following, Word(text, box, words[following].line))
    elif before is not None and box[0] - words[before].box[2] <= _REACH_LEFT * height:
        words.insert(before + 1, Word(text, box, words[before].line))
    else:
        words.append(Word(text, box, 1 + max((word.line for word in words), default=0)))
