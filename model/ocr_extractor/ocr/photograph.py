"""Finds the sheet of paper in a photograph, flattens it, and maps its px to the photograph's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from cv2.typing import MatLike

    Array = np.ndarray[Any, np.dtype[np.float64]]

_SIDE = 480
"""px of the longer side of the small copy in which the sheet is looked for."""

_LEAST_SIDE = 60
"""px of the shorter side of the small copy; a narrower picture is no photograph."""

_SIMILAR = 2
"""Largest difference between neighbouring px of the background, for each channel of 8 bits. Light
changes slowly on a table; the edge of a sheet is a step. With 3, the outlines of 2 in 60 drawn
invoices cut words off."""

_AREA = (0.05, 0.95)
"""Least and largest share of the photograph that a sheet covers."""

_STRAIGHT = 0.9
"""How well four straight edges describe the sheet: least intersection over union, [0, 1]."""

_REST = 0.0003
"""Largest share of the photograph that differs from the background and is outside of the sheet. It
could be text, which must not be lost: of a line of 28 characters, 30 px high in 3000 x 4000, it is
0.0006; of 118 drawn photographs it was 0.00015 at most."""

_STEP = 20
"""By how much a sheet is brighter than its surroundings, of 255, along three edges at least: a
letterhead may be a coloured bar."""

_AWAY = 6
"""px of the small copy between an edge and the places where the brightness is compared."""

_LEAN = 2.0
"""Largest ratio of opposite edges."""

_MARGIN = 0.02
"""Part of the longer edge that is kept around the sheet, because paper bends."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """A sheet of paper in a photograph.

    Attributes:
        corners: (4, 2) px of the photograph, clockwise from the top left one.
        photograph_size: Width and height of the photograph, px.
        longest: Largest width or height of the flat page, px.
    """

    corners: Array
    photograph_size: tuple[int, int]
    longest: int

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the flat page, px."""
        width, height = _edges(self.corners)
        margin = 2 * self._margin
        return round(self._scale * width + margin), round(self._scale * height + margin)

    @cached_property
    def _scale(self) -> float:
        """Length of a px of the photograph on the flat page: text is never enlarged."""
        return min(1.0, self.longest / (max(_edges(self.corners)) * (1 + 2 * _MARGIN)))

    @property
    def _margin(self) -> float:
        return _MARGIN * self._scale * max(_edges(self.corners))

    @cached_property
    def _to_photograph(self) -> Array:
        """The homography, (3, 3), from px of the flat page to the photograph's."""
        import cv2
        import numpy as np

        (width, height), margin = self.size, self._margin
        low, right, bottom = margin, width - margin, height - margin
        flat = np.array([(low, low), (right, low), (right, bottom), (low, bottom)], np.float32)
        found = cv2.getPerspectiveTransform(flat, self.corners.astype(np.float32))
        return found.astype(np.float64)

    def flatten(self, photograph: Image.Image) -> Image.Image:
        """Return the sheet as a scanner shows it: without background and perspective."""
        import cv2
        import numpy as np

        # A warp takes single px of its source, so a photograph that is too large is reduced before.
        around = 2 * _MARGIN * max(_edges(self.corners))
        low = np.floor(self.corners.min(axis=0) - around).clip(0)
        high = np.ceil(self.corners.max(axis=0) + around).clip(max=self.photograph_size)
        size = np.ceil((high - low) * self._scale)
        part = photograph.resize(
            (int(size[0]), int(size[1])),
            Image.Resampling.LANCZOS,
            (*low.tolist(), *high.tolist()),
            reducing_gap=2.0,
        )
        across, down = (size / (high - low)).tolist()
        to_part = np.array([[across, 0, -across * low[0]], [0, down, -down * low[1]], [0, 0, 1]])
        flat = cv2.warpPerspective(
            np.asarray(part),
            to_part @ self._to_photograph,
            self.size,
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return Image.fromarray(flat)

    def to_photograph(self, points: Array) -> Array:
        """Return the places in the photograph of points, (n, 2) px, of the flat page."""
        import cv2
        import numpy as np

        return np.asarray(cv2.perspectiveTransform(points[None], self._to_photograph)[0])


def find_sheet(image: Image.Image, longest: int) -> Sheet | None:
    """Return the sheet of paper in a photograph.

    A sheet is one bright quadrilateral on a darker background that changes slowly. Nothing else may
    be on the background, so that no text is lost.

    Args:
        image: The page, mode "RGB" or "L".
        longest: See `Sheet`.

    Returns:
        None for a page that is not such a photograph, as a scan is not.
    """
    import numpy as np

    scale = _SIDE / max(image.size)
    width, height = (round(side * scale) for side in image.size)
    if min(width, height) < _LEAST_SIDE:
        return None
    small = image.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0).convert("RGB")
    pixels = np.asarray(small)
    differs = _differs_from_background(pixels)
    corners = _quadrilateral(differs)
    if corners is None or not _is_sheet(pixels, differs, corners):
        return None
    return Sheet(corners * (np.array(image.size) / (width, height)), image.size, longest)


def _differs_from_background(pixels: MatLike) -> MatLike:
    """Return a mask, (height, width), 255 for px that no path of similar px links to the rim."""
    import cv2
    import numpy as np

    height, width = pixels.shape[:2]
    colours = cv2.cvtColor(cv2.medianBlur(pixels, 5), cv2.COLOR_RGB2LAB)
    filled = np.zeros((height + 2, width + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | (255 << 8)
    step, similar = 8, (_SIMILAR,) * 3
    starts = [(x, y) for x in range(1, width - 1, step) for y in (1, height - 2)]
    starts += [(x, y) for y in range(1, height - 1, step) for x in (1, width - 2)]
    for x, y in starts:
        if not filled[y + 1, x + 1]:
            cv2.floodFill(colours, filled, (x, y), (0, 0, 0), similar, similar, flags)
    return cv2.bitwise_not(filled[1:-1, 1:-1])


def _quadrilateral(differs: MatLike) -> Array | None:
    """Return the corners, (4, 2) px, clockwise from the top left one, of the largest region."""
    import cv2
    import numpy as np

    closed = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
    outlines, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines:
        return None
    hull = cv2.convexHull(max(outlines, key=cv2.contourArea))
    length = cv2.arcLength(hull, closed=True)
    corners = hull
    for part in (0.01, 0.02, 0.03, 0.05, 0.08):
        if len(corners) > 4:
            corners = cv2.approxPolyDP(hull, part * length, closed=True)
    if len(corners) != 4:
        return None
    found = corners.reshape(4, 2).astype(np.float32)
    both, _ = cv2.intersectConvexConvex(found, hull.astype(np.float32))
    either = cv2.contourArea(found) + cv2.contourArea(hull) - both
    if both < _STRAIGHT * either:
        return None
    middle = found - found.mean(axis=0)
    found = found[np.argsort(np.arctan2(middle[:, 1], middle[:, 0]))]
    first = int(found.sum(axis=1).argmin())
    return np.roll(found, -first, axis=0).astype(np.float64)


def _is_sheet(pixels: MatLike, differs: MatLike, corners: Array) -> bool:
    """Tell whether a quadrilateral of the small copy is a sheet, and the only thing in it."""
    import cv2
    import numpy as np

    height, width = differs.shape
    share = cv2.contourArea(corners.astype(np.float32)) / (width * height)
    top, right, bottom, left = _lengths(corners)
    lean = max(top, bottom) / max(min(top, bottom), 1), max(left, right) / max(min(left, right), 1)
    if not _AREA[0] <= share <= _AREA[1] or max(lean) > _LEAN:
        return False
    inside = cv2.fillConvexPoly(np.zeros_like(differs), corners.round().astype(np.int32), 255)
    inside = cv2.dilate(inside, np.ones((2 * _AWAY + 1,) * 2, np.uint8))
    if np.count_nonzero(differs[inside == 0]) > _REST * width * height:
        return False
    # Without ink: a sheet is white, so all channels are bright.
    paper = cv2.morphologyEx(pixels, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)).min(axis=2)
    along = np.linspace(0.1, 0.9, 25)[:, None]
    steps = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        across = np.array([start[1] - end[1], end[0] - start[0]]) * _AWAY
        across /= max(float(np.linalg.norm(end - start)), 1.0)
        line = start + (end - start) * along
        steps.append(_at(paper, line + across) - _at(paper, line - across))
    return sorted(float(np.median(step)) for step in steps)[1] >= _STEP


def _at(grey: MatLike, points: Array) -> Array:
    """Return the brightness at points, (n, 2) px; outside of the picture that of its rim."""
    import numpy as np

    height, width = grey.shape
    x, y = points.round().astype(int).clip(0, (width - 1, height - 1)).T
    return np.asarray(grey[y, x], dtype=np.float64)


def _edges(corners: Array) -> tuple[float, float]:
    """Return the width and the height of a sheet seen from above: its longer edges, px."""
    top, right, bottom, left = _lengths(corners)
    return max(top, bottom), max(left, right)


def _lengths(corners: Array) -> tuple[float, float, float, float]:
    import numpy as np

    ends = np.roll(corners, -1, axis=0)
    top, right, bottom, left = np.linalg.norm(ends - corners, axis=1).tolist()
    return top, right, bottom, left
