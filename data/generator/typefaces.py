"""Finds the typefaces: those of PDF viewers (Courier, Helvetica, Times) and of matplotlib.

Both come with packages of the runtime environment, so nothing is downloaded or shipped: PDFium
carries metric-compatible stand-ins for the PDF base fonts (BSD licence), matplotlib carries DejaVu
and STIX and TeX's Computer Modern (free licences, beside the files).
"""

from __future__ import annotations

import ctypes
import io
from dataclasses import dataclass
from functools import cache
from importlib import resources

import pypdfium2.raw as pdfium
from PIL import ImageFont

PDF_FACES = (
    "Courier",
    "Courier-Bold",
    "Helvetica",
    "Helvetica-Bold",
    "Helvetica-Oblique",
    "Times-Roman",
    "Times-Bold",
    "Times-Italic",
    "Times-BoldItalic",
)


@dataclass(frozen=True)
class Type:
    """How a piece of text looks.

    Attributes:
        face: One of PDF_FACES, or the stem of a file in matplotlib's font folder; a hand has none.
        size: em, px of the page.
        grey: Of the ink, 0 (black) to 255.
        wobble: How far letters stray from their place, in em; typewriters about 0.02.
        hand: Drawn as handwriting.
    """

    face: str
    size: float
    grey: int = 0
    wobble: float = 0.0
    hand: bool = False


@cache
def font(face: str, pixels: int) -> ImageFont.FreeTypeFont:
    """Return a face at an em size in px of the canvas.

    Raises:
        OSError: There is no such face.
    """
    source: io.BytesIO | str
    if face in PDF_FACES:
        source = io.BytesIO(_pdf_font_file(face))
    else:
        source = str(resources.files("matplotlib") / "mpl-data" / "fonts" / "ttf" / f"{face}.ttf")
    # Raqm would shape text with a library that differs between machines.
    return ImageFont.truetype(source, pixels, layout_engine=ImageFont.Layout.BASIC)


@cache
def _pdf_font_file(face: str) -> bytes:
    """Return the font program (bare CFF) that PDFium draws a PDF base font with."""
    document = pdfium.FPDF_CreateNewDocument()
    handle = pdfium.FPDFText_LoadStandardFont(document, face.encode())
    size = ctypes.c_size_t()
    pdfium.FPDFFont_GetFontData(handle, None, 0, size)
    data = (ctypes.c_uint8 * size.value)()
    pdfium.FPDFFont_GetFontData(handle, data, size.value, size)
    pdfium.FPDFFont_Close(handle)
    pdfium.FPDF_CloseDocument(document)
    return bytes(data)
