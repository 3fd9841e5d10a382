"""Documents for the tests: small pages whose every pixel is known, in the formats that are read."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from ocr_extractor.documents.limits import PageLimits
from ocr_extractor.documents.opener import open_document

# 6 x 4 blocks of 8 x 8 px, all of different greys: no turn or mirroring of it equals another, and
# JPEG, which codes 8 x 8 blocks, keeps their values to within one grey.
BLOCKS = np.kron(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10, np.ones((8, 8), dtype=np.uint8))


def page() -> Image.Image:
    """Return the page of `BLOCKS`, 48 x 32 px, mode "L"."""
    return Image.fromarray(BLOCKS)


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    """Return the image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def tiff(*pages: Image.Image) -> bytes:
    """Return a TIFF of several pages."""
    return encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])


def png_of_claimed_size(width: int, height: int) -> bytes:
    """Return a small PNG whose header promises more pixels than it holds."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def tiff_of_empty_pages(count: int) -> bytes:
    """Return a TIFF of `count` pages of one pixel each, 114 bytes a page."""
    tags = (
        (256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 0), (277, 1), (278, 1), (279, 1)
    )  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    size = 2 + len(entries) + 4
    return struct.pack("<2sHI", b"II", 42, 8) + b"".join(
        struct.pack("<H", len(tags))
        + entries
        + struct.pack("<I", 8 + size * (number + 1) if number + 1 < count else 0)
        for number in range(count)
    )


def pdf(content: str = "", *, size: str = "72 144", trailer: str = "") -> bytes:
    """Return a PDF of one page with a text field, lower left, that is filled in with a black box.

    Args:
        content: The page's drawing operators.
        size: Width and height of the page, points of 1/72 inch.
        trailer: Further entries of the trailer.
    """
    objects = (
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] >> >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size}] /Contents 4 0 R /Annots [5 0 R] >>",
        _stream("", content),
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Ann) /Rect [0 0 36 72] /F 4 "
        "/AP << /N 6 0 R >> >>",
        _stream("/Type /XObject /Subtype /Form /BBox [0 0 36 72]", "0 g 0 0 36 72 re f"),
    )
    body, offsets = b"%PDF-1.7\n", []
    for number, content_of in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content_of}\nendobj\n".encode()
    rows = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    end = (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{rows}"
        f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\n"
        f"startxref\n{len(body)}\n%%EOF\n"
    )
    return body + end.encode()


def text_pdf(content: str, *, rotate: int = 0, size: str = "200 100") -> bytes:
    """Return a PDF of one page with a text layer in Helvetica (/F) and no form; no xref table."""
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size}] /Rotate {rotate} /Contents 4 0 R "
        "/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        _stream("", content),
    )
    body = "".join(f"{n} 0 obj\n{each}\nendobj\n" for n, each in enumerate(objects, start=1))
    return f"%PDF-1.7\n{body}trailer\n<< /Size 5 /Root 1 0 R >>\n%%EOF\n".encode("latin-1")


def encrypted_pdf() -> bytes:
    """Return a PDF that no password opens: its password checks are zeros."""
    zeros = "00" * 32
    return pdf(
        trailer=f"/ID [<{zeros}> <{zeros}>] "
        f"/Encrypt << /Filter /Standard /V 1 /R 2 /Length 40 /P -4 /O <{zeros}> /U <{zeros}> >>"
    )


def _stream(entries: str, content: str) -> str:
    return f"<< {entries} /Length {len(content)} >>\nstream\n{content}\nendstream"


def pixels(data: bytes, number: int = 1, limits: PageLimits | None = None) -> np.ndarray:
    """Return a page's pixels, (height, width) or (height, width, 3) uint8."""
    document = open_document(data, limits)
    try:
        return np.asarray(document.page(number).image)
    finally:
        document.close()
