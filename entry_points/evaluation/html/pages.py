"""Pages as small pictures that are embedded in the report."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

# A FUNSD page keeps its size. In grey at this quality it takes 44 KB (every fifth training page);
# JPEG takes 65 KB and PNG 71 KB.
_LONGEST_SIDE = 1000  # px
_QUALITY = 60


@dataclass(frozen=True)
class PageView:
    """A page of the report.

    Attributes:
        number: From 1.
        width: px of the upright page, in which the boxes are measured.
        height: px.
        image: The picture as a data URI.
    """

    number: int
    width: int
    height: int
    image: str


def page_views(pages: Sequence[Image.Image]) -> list[PageView]:
    """Shrink the upright pages of a document, in their order, to pictures for the report."""
    return [
        PageView(number, page.width, page.height, _data_uri(page))
        for number, page in enumerate(pages, start=1)
    ]


def _data_uri(page: Image.Image) -> str:
    small = page.convert("L")
    small.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=_QUALITY, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
