"""From a document's bytes to its upright pages."""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import zlib
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image, ImageOps, UnidentifiedImageError

from ocr_extractor.encoding import is_plain_png
from ocr_extractor.engines.base import Page
from ocr_extractor.errors import InputError, LimitError, shorten
from ocr_extractor.pdf_text import read_text_layer

if TYPE_CHECKING:
    import numpy as np
    import pypdfium2

    from ocr_extractor.pdf_text import PrintedWord

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
PDF_POINTS_PER_INCH = 72

# What Pillow's decoders were seen to raise on damaged bytes: none of it is a bug of ours.
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
# The warning is an exception where a process turns warnings into errors.
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# PDFium may be entered by one thread at a time (pypdfium2's README, "Thread safety").
_PDFIUM_LOCK = threading.Lock()


@dataclass(frozen=True)
class PageLimits:
    """What a document may cost before it is refused.

    Attributes:
        max_document_bytes: Largest document, bytes.
        max_pages: Most pages in one document.
        max_page_pixels: Most pixels on one page, checked before anything is decoded.
        pdf_dpi: Resolution at which a PDF page becomes pixels, dots per inch.
    """

    max_document_bytes: int = 50_000_000
    max_pages: int = 200
    max_page_pixels: int = 60_000_000
    pdf_dpi: int = 150


class Document(Protocol):
    """A document that was opened: its pages are decoded one by one, when asked for."""

    @property
    def media_type(self) -> str:
        """The document's media type, for example "image/png"."""
        ...

    @property
    def page_count(self) -> int:
        """How many pages the document has, at least 1."""
        ...

    def page(self, number: int) -> Page:
        """Decode page `number` (from 1).

        Raises:
            InputError: The page is damaged.
            LimitError: The page has too many pixels.
        """
        ...

    def text_layer(self, number: int) -> list[PrintedWord] | None:
        """Return the words that page `number` holds as text, px of the page as `page` draws it.

        None where there are none, or where they are not all that can be read on the page.
        """
        ...

    def close(self) -> None:
        """Give back what the document holds; no page can be read any more."""
        ...


def open_document(data: bytes, limits: PageLimits | None = None) -> Document:
    """Recognise a document by its content and open it.

    Args:
        data: A PNG, JPEG, WEBP, TIFF, BMP, GIF or PDF file.
        limits: What to refuse; None for the defaults.

    Returns:
        The document; TIFF and PDF may have several pages, of an animation the first frame counts.
        The caller closes it.

    Raises:
        InputError: The bytes are empty, damaged, encrypted or of no known format.
        LimitError: The document is larger than `limits` allow.
    """
    limits = limits or PageLimits()
    if not data:
        raise InputError("empty_document", "The document has no bytes: send the whole file.")
    if len(data) > limits.max_document_bytes:
        raise LimitError(
            "document_too_large",
            f"The document has {len(data):,} bytes, more than max_document_bytes="
            f"{limits.max_document_bytes:,}: send a smaller file or raise the limit.",
        )
    # Readers accept a PDF header within the first 1024 bytes (ISO 32000-2, annex I).
    return _PdfDocument(data, limits) if b"%PDF-" in data[:1024] else _ImageDocument(data, limits)


class _ImageDocument:
    """An image file; Pillow's file objects are not thread-safe, so a lock guards seek and load."""

    def __init__(self, data: bytes, limits: PageLimits) -> None:
        self._limits = limits
        self._png = data if is_plain_png(data) else None
        self._lock = threading.Lock()
        try:
            self._image = Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
        except _BOMBS as error:
            raise _too_many_pixels(str(error), limits) from None
        except UnidentifiedImageError:
            raise InputError(
                "unknown_format",
                "The bytes are no readable PNG, JPEG, WEBP, TIFF, BMP, GIF or PDF file: "
                "convert the document or send it again.",
            ) from None
        except _DECODER_ERRORS as error:
            raise _damaged(1, error) from None
        self.media_type = Image.MIME.get(self._image.format or "", "application/octet-stream")
        self.page_count = _count_pages(self._image, limits)

    def close(self) -> None:
        with self._lock:
            self._image.close()

    def page(self, number: int) -> Page:
        with self._lock:
            try:
                self._image.seek(number - 1)
                width, height = self._image.size
                if width * height > self._limits.max_page_pixels:
                    raise _too_many_pixels(f"{width} x {height} px", self._limits)
                # exif_transpose decodes; Pillow's TIFF reader has turned the page by itself.
                image = _to_rgb_or_grey(ImageOps.exif_transpose(self._image))
            except _BOMBS as error:
                raise _too_many_pixels(str(error), self._limits) from None
            except _DECODER_ERRORS as error:
                raise _damaged(number, error) from None
        # The file's comments and colour profile would go into what is encoded for the LLM.
        image.info.clear()
        return Page(number, image, self._png)

    def text_layer(self, number: int) -> None:  # noqa: ARG002 - the protocol has it
        return None


class _PdfDocument:
    """A PDF file, drawn page by page with its form fields at `limits.pdf_dpi`."""

    media_type = "application/pdf"

    def __init__(self, data: bytes, limits: PageLimits) -> None:
        import pypdfium2
        import pypdfium2.raw

        self._limits = limits
        with _PDFIUM_LOCK, contextlib.ExitStack() as opened:
            try:
                self._pdf: pypdfium2.PdfDocument = pypdfium2.PdfDocument(data)
                opened.callback(self._pdf.close)
                self._pdf.init_forms()  # before any page is loaded, else its fields stay empty
                self.page_count = len(self._pdf)
            except pypdfium2.PdfiumError as error:
                if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
                    raise InputError(
                        "encrypted_pdf", "The PDF asks for a password: send it without one."
                    ) from None
                raise _damaged(1, error) from None
            if self.page_count > limits.max_pages:
                raise _too_many_pages(limits)
            opened.pop_all()  # all is well: the document stays open

    def close(self) -> None:
        with _PDFIUM_LOCK:
            self._pdf.close()

    def page(self, number: int) -> Page:
        import pypdfium2

        with _PDFIUM_LOCK:
            try:
                with contextlib.closing(self._pdf[number - 1]) as pdf_page:
                    return Page(number, self._draw(pdf_page))
            except (pypdfium2.PdfiumError, ValueError, MemoryError) as error:
                raise _damaged(number, error) from None

    def text_layer(self, number: int) -> list[PrintedWord] | None:
        import pypdfium2

        with _PDFIUM_LOCK:
            if self._pdf.get_formtype():  # what is filled in there is no text of the page
                return None
            try:
                with contextlib.closing(self._pdf[number - 1]) as pdf_page:
                    return read_text_layer(pdf_page, self._size(pdf_page))
            except (pypdfium2.PdfiumError, ValueError):
                return None  # the page is drawn all the same, and read by OCR

    def _size(self, pdf_page: pypdfium2.PdfPage) -> tuple[int, int]:
        width, height = pdf_page.get_size()
        scale = self._limits.pdf_dpi / PDF_POINTS_PER_INCH
        return ceil(width * scale), ceil(height * scale)

    def _draw(self, pdf_page: pypdfium2.PdfPage) -> Image.Image:
        scale = self._limits.pdf_dpi / PDF_POINTS_PER_INCH
        width, height = self._size(pdf_page)
        if width * height > self._limits.max_page_pixels:
            raise _too_many_pixels(
                f"{width} x {height} px at {self._limits.pdf_dpi} dpi", self._limits
            )
        with contextlib.closing(pdf_page.render(scale=scale)) as bitmap:
            # convert() copies: the pixels belong to PDFium and go with the bitmap.
            image: Image.Image = bitmap.to_pil().convert("RGB")
            return image


def _count_pages(image: Image.Image, limits: PageLimits) -> int:
    """Count a TIFF's pages; of any other format one is read.

    Raises:
        InputError: The file is damaged.
        LimitError: There are more than `limits.max_pages`.
    """
    if image.format != "TIFF":
        return 1
    try:
        # Page by page up to the limit: Pillow's n_frames is quadratic in the number of pages, a
        # hostile file of 40 MB holds 400,000.
        for number in range(1, limits.max_pages + 1):
            image.seek(number)
    except EOFError:
        return number
    except _DECODER_ERRORS as error:
        raise _damaged(1, error) from None
    raise _too_many_pages(limits)


def _to_rgb_or_grey(image: Image.Image) -> Image.Image:
    """Return the image as "RGB" or "L": transparency on white, deep greys scaled to 8 bits."""
    if image.mode.startswith(("I", "F")):
        return _deep_grey_to_8_bit(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    if image.mode in {"1", "L"}:
        return image.convert("L")
    return image.convert("RGB")


def _deep_grey_to_8_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and float grey to 8 bits by the range that its values show."""
    import numpy as np

    grey: np.ndarray[Any, np.dtype[np.float64]] = np.nan_to_num(np.asarray(image, dtype=np.float64))
    top = float(grey.max(initial=0.0))
    full = next((full for full in (1.0, 255.0, 65535.0) if top <= full), top)
    if image.mode != "F":  # whole numbers never use the range of fractions
        full = max(full, 255.0)
    return Image.fromarray((grey.clip(0, full) * (255.0 / full)).round().astype(np.uint8))


def _damaged(number: int, error: BaseException) -> InputError:
    return InputError(
        "damaged_document",
        f"Page {number} cannot be decoded ({shorten(error)}): the file is cut off or damaged, "
        "send it again.",
    )


def _too_many_pages(limits: PageLimits) -> LimitError:
    return LimitError(
        "too_many_pages",
        f"The document has more than max_pages={limits.max_pages} pages: split it or raise the "
        "limit.",
    )


def _too_many_pixels(found: str, limits: PageLimits) -> LimitError:
    return LimitError(
        "too_many_pixels",
        f"The page is too large ({shorten(found)}; max_page_pixels={limits.max_page_pixels:,}): "
        "scan it at a lower resolution or raise the limit.",
    )
