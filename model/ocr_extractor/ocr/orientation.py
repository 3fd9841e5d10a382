"""A page's orientation (sheet, quarter turns, skew), and the mapping from upright px to its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, cos, radians, sin
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from ocr_extractor.contract import Box, Pair
    from ocr_extractor.ocr.photograph import Sheet

    Array = np.ndarray[Any, np.dtype[np.float64]]

_TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


@dataclass(frozen=True)
class Orientation:
    """How the text of a page is turned.

    Attributes:
        size: Width and height of the page as given, of a photograph those of the flat sheet, px.
        quarters: Quarter turns counterclockwise that make its text upright, 0 to 3.
        skew: Angle by which its lines then fall to the right, degrees.
        sheet: Where the page is in a photograph; None for a page that is not photographed.
    """

    size: tuple[int, int]
    quarters: int = 0
    skew: float = 0.0
    sheet: Sheet | None = None

    @property
    def is_as_given(self) -> bool:
        """Whether the upright page is the page as given."""
        return not (self.quarters or self.skew or self.sheet)

    @property
    def turned_size(self) -> tuple[int, int]:
        """Width and height of the page after its quarter turns, px."""
        return (self.size[1], self.size[0]) if self.quarters % 2 else self.size

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the upright page, px; a level page keeps its size."""
        if not self.skew:
            return self.turned_size
        across, down = abs(cos(radians(self.skew))), abs(sin(radians(self.skew)))
        width, height = self.turned_size
        return ceil(width * across + height * down), ceil(width * down + height * across)

    def turn(self, page: Image.Image) -> Image.Image:
        """Return the page after its quarter turns."""
        turn = _TURNS[self.quarters]
        return page if turn is None else page.transpose(turn)

    def straighten(self, page: Image.Image) -> Image.Image:
        """Return the upright page; px outside the given page are white."""
        if not self.skew:
            return self.turn(page)
        return self.turn(page).transform(
            self.upright_size,
            Image.Transform.AFFINE,
            tuple(self._levelled_to_turned()[:2].ravel()),
            Image.Resampling.BICUBIC,
            fillcolor="white",
        )

    def to_upright(self, points: Array) -> Array:
        """Return the places on the upright page of points, (..., 2) px, of the turned page."""
        import numpy as np

        if not self.skew:
            return points
        matrix = np.linalg.inv(self._levelled_to_turned()).astype(np.float64)
        return _move(matrix, points)

    def pairs_as_given(self, pairs: Iterable[Pair]) -> tuple[Pair, ...]:
        """Return the upright page's pairs with the boxes around theirs on the page as given."""
        if self.is_as_given:
            return tuple(pairs)
        return tuple(
            replace(
                pair,
                question_box=self.box_as_given(pair.question_box),
                answer_box=self.box_as_given(pair.answer_box),
            )
            for pair in pairs
        )

    def box_as_given(self, box: Box | None) -> Box | None:
        """Return the box around one of the upright page's on the page as given, px."""
        import numpy as np

        if box is None or self.is_as_given:
            return box
        x0, y0, x1, y1 = box
        corners = np.array([(x0, y0), (x1, y0), (x0, y1), (x1, y1)], dtype=np.float64)
        corners = _move(self._turned_to_given() @ self._levelled_to_turned(), corners)
        if self.sheet is not None:
            return box_within(self.sheet.to_photograph(corners), self.sheet.photograph_size)
        return box_within(corners, self.size)

    def _levelled_to_turned(self) -> Array:
        """Return the affine matrix, (3, 3), from the upright page to the turned one."""
        import numpy as np

        across, down = cos(radians(self.skew)), sin(radians(self.skew))
        matrix = np.array([[across, -down, 0.0], [down, across, 0.0], [0.0, 0.0, 1.0]])
        centre = np.array(self.upright_size) / 2
        matrix[:2, 2] = np.array(self.turned_size) / 2 - matrix[:2, :2] @ centre
        return matrix

    def _turned_to_given(self) -> Array:
        """Return the affine matrix, (3, 3), from the turned page to the one that was given."""
        import numpy as np

        width, height = self.size
        rows = (
            ((1, 0, 0), (0, 1, 0)),
            ((0, -1, width), (1, 0, 0)),
            ((-1, 0, width), (0, -1, height)),
            ((0, 1, 0), (-1, 0, height)),
        )[self.quarters]
        return np.array([*rows, (0, 0, 1)], dtype=np.float64)


def _move(matrix: Array, points: Array) -> Array:
    moved: Array = points @ matrix[:2, :2].T + matrix[:2, 2]
    return moved


def box_within(points: Array, size: tuple[int, int]) -> Box:
    """Return the box around points, (n, 2) px, within the page and at least 1 px wide and high."""
    low, high = points.min(axis=0), points.max(axis=0)
    (x0, x1), (y0, y1) = (
        _within(*ends) for ends in zip(low.tolist(), high.tolist(), size, strict=True)
    )
    return x0, y0, x1, y1


def _within(start: float, end: float, limit: int) -> tuple[int, int]:
    first = min(max(round(start), 0), limit - 1)
    return first, max(min(round(end), limit), first + 1)
