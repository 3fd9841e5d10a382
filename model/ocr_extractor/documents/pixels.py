"""From the pixels of an image file to the grey or RGB pixels of a page, and their memory."""

from __future__ import annotations

import io
from collections import deque
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

# Images are converted in strips of so many pixels: whole, a page takes several times its memory.
_STRIP_PIXELS = 500_000
# Copies of a strip, bytes a pixel: three of float64.
_STRIP_BYTES = 24
_LARGE_PIXELS = 10_000_000
# What decoders hold beside the image that they fill, bytes a pixel, measured with files of
# 25 million px. WEBP: two canvases; JPEG: a progressive file's coefficients; TIFF: its one strip.
_DECODERS = {"WEBP": 8, "JPEG": 4, "MPO": 4, "TIFF": 4}


def to_rgb_or_grey(image: Image.Image) -> Image.Image:
    """Return the image as "RGB" or "L": transparency on white, deep greys scaled to 8 bits.

    Args:
        image: A decoded image. It must not be used afterwards: its memory may be reused.
    """
    if _is_deep(image):
        return _deep_grey_to_8_bit(image)
    if image.has_transparency_data:
        return _on_white(image)
    mode = "L" if image.mode in {"1", "L"} else "RGB"
    return image if image.mode == mode else image.convert(mode)


def estimate_decoding(image: Image.Image) -> int:
    """Return the most memory, bytes, that decoding and converting an image takes, by its header."""
    pixels = image.width * image.height
    stored = _stored_bytes(image.mode)
    in_strips = _is_deep(image) or image.has_transparency_data
    grey = _is_deep(image) or (image.mode in {"1", "L"} and not image.has_transparency_data)
    # Beside the decoded image there is either a turned copy of it or the converted one.
    a_pixel = _DECODERS.get(image.format or "", 0) + stored + max(stored, 1 if grey else 4)
    return pixels * a_pixel + (min(pixels, _STRIP_PIXELS) * _STRIP_BYTES if in_strips else 0)


def estimate_held(image: Image.Image) -> int:
    """Return the memory of a page while it is read, bytes: a quarter is for smaller copies."""
    return image.width * image.height * _stored_bytes(image.mode) * 5 // 4


def _stored_bytes(mode: str) -> int:
    """Return how many bytes Pillow stores a pixel in."""
    if mode in {"1", "L", "P"}:
        return 1
    return 2 if mode.startswith("I;16") else 4


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith(("I", "F"))


def _strips(image: Image.Image) -> Iterator[tuple[tuple[int, int], Image.Image]]:
    """Yield copies of the image's parts, top to bottom, with the upper left corner of each."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        yield (0, top), image.crop((0, top, image.width, bottom))


def _on_white(image: Image.Image) -> Image.Image:
    # The strips of a large page are kept as PNG until its file's pixels, which take as much memory
    # as the page's, are given back: 0.24 GB less at 60 million pixels, for 0.1 s a million. PNG's
    # filters make of a small file's pixels small strips again; deflating alone left 0.18 GB.
    large = image.width * image.height > _LARGE_PIXELS
    size, strips = image.size, deque[tuple[tuple[int, int], Image.Image | io.BytesIO]]()
    for corner, strip in _strips(image):
        white = Image.new("RGBA", strip.size, "white")
        opaque = Image.alpha_composite(white, strip.convert("RGBA")).convert("RGB")
        strips.append((corner, _packed(opaque) if large else opaque))
    image.close()
    page = Image.new("RGB", size)
    while strips:
        corner, kept = strips.popleft()
        page.paste(Image.open(kept) if isinstance(kept, io.BytesIO) else kept, corner)
    return page


def _packed(strip: Image.Image) -> io.BytesIO:
    file = io.BytesIO()
    strip.save(file, "PNG", compress_level=1)
    return file


def _deep_grey_to_8_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and float grey to 8 bits by the range that its values show."""
    import numpy as np

    def as_float(strip: Image.Image) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.nan_to_num(np.asarray(strip, dtype=np.float64))

    top = max(float(as_float(strip).max(initial=0.0)) for _, strip in _strips(image))
    full = next((full for full in (1.0, 255.0, 65535.0) if top <= full), top)
    if image.mode != "F":  # whole numbers never use the range of fractions
        full = max(full, 255.0)
    page = Image.new("L", image.size)
    for corner, strip in _strips(image):
        grey = as_float(strip).clip(0, full) * (255.0 / full)
        page.paste(Image.fromarray(grey.round().astype(np.uint8)), corner)
    return page
