"""Image files as documents: headers first, pixels only when a page is asked for."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from ocr_extractor.documents.encoding import is_plain_png
from ocr_extractor.documents.limits import PageLimits, damaged, too_many_pages, too_many_pixels
from ocr_extractor.documents.pixels import estimate_decoding, to_rgb_or_grey
from ocr_extractor.engines.base import Page
from ocr_extractor.errors import InputError

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
        header = self._headers[number - 1]
        self._limits.check_page(*header)
        return header.size

    def decoded_bytes(self, number: int) -> int:
        """See `Document.decoded_bytes`."""
        header = self._headers[number - 1]
        self._limits.check_page(*header)
        return header.decoded_bytes

    def page(self, number: int) -> Page:
        """See `Document.page`."""
        self._limits.check_page(*self._headers[number - 1])
        with self._opened(number) as image:
            image.seek(number - 1)
            # Pillow's TIFF reader has already turned the page.
            ImageOps.exif_transpose(image, in_place=True)
            page = to_rgb_or_grey(image)
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

    @contextlib.contextmanager
    def _opened(self, number: int) -> Iterator[Image.Image]:
        """Open the file to read page `number`.

        Raises:
            InputError: The file is damaged, or of no known format.
            LimitError: The page has more pixels than Pillow itself allows.
        """
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
    """Read the headers of a TIFF's pages; of any other format one page is read.

    Raises:
        LimitError: There are more than `limits.max_pages`.
    """
    headers = []
    # Page by page up to the limit: Pillow's n_frames is quadratic in the number of pages, a hostile
    # file of 40 MB holds 400,000.
    for number in range(limits.max_pages):
        headers.append(_Header(image.size, estimate_decoding(image)))
        if image.format != "TIFF":
            return headers
        try:
            image.seek(number + 1)
        except EOFError:
            return headers
    raise too_many_pages(limits)
