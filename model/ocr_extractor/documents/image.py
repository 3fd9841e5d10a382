"""Image files as documents: headers first, 8-bit pixels only when a page is asked for."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from ocr_extractor.documents.encoding import is_plain_png
from ocr_extractor.documents.limits import PageLimits, damaged, too_many_pages, too_many_pixels
from ocr_extractor.engines.base import Page
from ocr_extractor.errors import InputError

if TYPE_CHECKING:
    import numpy as np

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")

# What Pillow's decoders raise on damaged bytes; none of these is an error of ours.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
)
# The warning is an exception if the process turns warnings into errors.
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)

# Images are converted in strips of so many pixels: whole, a page takes several times its memory.
_STRIP_PIXELS = 500_000
# Copies of a strip, bytes a pixel: three of float64.
_STRIP_BYTES = 24
_LARGE_PIXELS = 10_000_000
# What decoders hold beside the image that they fill, bytes a pixel, measured with files of
# 25 million px. WEBP: two canvases; JPEG: a progressive file's coefficients; TIFF: its one strip.
_DECODERS = {"WEBP": 8, "JPEG": 4, "MPO": 4, "TIFF": 4}


class _Header(NamedTuple):
    """Size and memory of a page before it is decoded: (width, height) in px, and bytes."""

    size: tuple[int, int]
    decoded_bytes: int


class ImageDocument:
    """An image file. Each page is decoded from the bytes again, so threads share nothing."""

    def __init__(self, data: bytes, limits: PageLimits) -> None:
        self._limits = limits
        self._data = data
        self._png = data if is_plain_png(data) else None
        with self._opened(1) as image:
            self.media_type = Image.MIME.get(image.format or "", "application/octet-stream")
            self._headers = _read_headers(image, limits)

    @property
    def page_count(self) -> int:
        """The file's pages, at least 1."""
        return len(self._headers)

    def size(self, number: int) -> tuple[int, int]:
        """See `Document.size`."""
        return self._checked(number).size

    def decoded_bytes(self, number: int) -> int:
        """See `Document.decoded_bytes`."""
        return self._checked(number).decoded_bytes

    def page(self, number: int) -> Page:
        """See `Document.page`."""
        self._checked(number)
        with self._opened(number) as image:
            image.seek(number - 1)
            # Pillow's TIFF reader has already turned the page.
            ImageOps.exif_transpose(image, in_place=True)
            page = _to_rgb_or_grey(image)
            if page is image and image.format == "WEBP":
                page = image.copy()  # its decoder keeps two canvases as long as it lives
        # The comments and colour profile of the file would get into the image for the LLM.
        page.info.clear()
        return Page(number, page, self._png)

    def text_layer(self, number: int) -> None:  # noqa: ARG002 - the protocol has it
        """Return None: what an image shows is read by OCR."""
        return None

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _checked(self, number: int) -> _Header:
        header = self._headers[number - 1]
        self._limits.check_page(*header)
        return header

    @contextlib.contextmanager
    def _opened(self, number: int) -> Iterator[Image.Image]:
        """Open the file to read page `number`."""
        try:
            yield Image.open(io.BytesIO(self._data), formats=IMAGE_FORMATS)
        except _BOMBS as error:
            limit = f"max_page_pixels={self._limits.max_page_pixels:,}"
            raise too_many_pixels(str(error), limit) from None
        except UnidentifiedImageError:
            raise InputError(
                "unknown_format",
                "The bytes are not a readable PNG, JPEG, WEBP, TIFF, BMP, GIF or PDF file: "
                "convert the document or send it again.",
            ) from None
        except _DECODER_ERRORS as error:
            raise damaged(number, error) from None


def _read_headers(image: Image.Image, limits: PageLimits) -> list[_Header]:
    """Read the headers of a TIFF's pages; of any other format one page is read."""
    headers = []
    # Page by page up to the limit: Pillow's n_frames is quadratic in the number of pages, a hostile
    # file of 40 MB holds 400,000.
    for number in range(limits.max_pages):
        headers.append(_Header(image.size, _estimate_decoding(image)))
        if image.format != "TIFF":
            return headers
        try:
            image.seek(number + 1)
        except EOFError:
            return headers
    raise too_many_pages(limits)


def _to_rgb_or_grey(image: Image.Image) -> Image.Image:
    """Return a decoded image, of which the memory may be reused, as "RGB" or "L" of 8 bits."""
    if _is_deep(image):
        return _deep_grey_to_8_bit(image)
    if image.has_transparency_data:
        return _on_white(image)
    mode = "L" if image.mode in {"1", "L"} else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _estimate_decoding(image: Image.Image) -> int:
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
