"""Encodes an upright page as the image for an LLM."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from ocr_extractor.engines.base import Page

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Header, palette, resolution, pixels, end (PNG 3rd edition, 11): no text, profile or transparency.
_PICTURE_CHUNKS = {b"IHDR", b"PLTE", b"pHYs", b"IDAT", b"IEND"}
_OPAQUE_COLOUR_TYPES = {0, 2, 3}

# zlib's fastest: 6.3 ms a FUNSD page instead of 10.2 at Pillow's level 6, for files 10 % larger.
_PNG_LEVEL = 1


def encode_for_llm(
    page: Page, max_size: int, image_format: str, quality: int
) -> tuple[bytes, tuple[int, int]]:
    """Encode a page as the image for an LLM; it is never enlarged and keeps its aspect ratio.

    Args:
        page: The page; its own `png` is sent unchanged if it fits the other arguments.
        max_size: Longest side of the result, px.
        image_format: "png" (lossless), "jpeg" or "webp".
        quality: 1 to 100, for JPEG and WEBP.

    Returns:
        The encoded file and its (width, height) in px.
    """
    image = page.image
    size = size_for_llm(image.size, max_size)
    if page.png is not None and image_format == "png" and size == image.size:
        return page.png, size
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    # Chroma subsampling blurs coloured ink: 4:4:4 keeps it.
    options: dict[str, Any] = {
        "png": {"compress_level": _PNG_LEVEL},
        "jpeg": {"quality": quality, "subsampling": 0},
        "webp": {"quality": quality},
    }[image_format]
    image.save(buffer, image_format.upper(), **options)
    return buffer.getvalue(), size


def size_for_llm(size: tuple[int, int], max_size: int) -> tuple[int, int]:
    """Return the (width, height) in px at which a page of `size` is sent."""
    scale = min(1.0, max_size / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


def is_plain_png(data: bytes) -> bool:
    """Tell whether a whole file is a PNG of opaque 8-bit pixels and holds nothing else.

    Such a file can be sent as it is: encoding it again would change nothing. The decoder finds
    damage to its pixels.
    """
    if not data.startswith(_PNG_SIGNATURE):
        return False
    position, found = len(_PNG_SIGNATURE), b""
    while position + 8 <= len(data):
        length, found = struct.unpack_from(">I4s", data, position)
        if found not in _PICTURE_CHUNKS:
            return False
        if found == b"IHDR":
            kind = data[position + 16 : position + 18]  # bit depth and colour type, if there
            if len(kind) < 2 or kind[0] > 8 or kind[1] not in _OPAQUE_COLOUR_TYPES:
                return False
        position += length + 12
    return found == b"IEND" and position == len(data)
