"""Makes small documents that take very much time or memory to open.

Each has stopped or killed a reader. They are made here, not stored, so that everybody can see their
content: no code and no links, only too much of something harmless.
"""

from __future__ import annotations

import itertools
import random
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# 7680 x 7680 px are 59 million, just under the 60 million that many limits allow.
_SIDE = 7680
_FIRST_FREE_OBJECT = 5
_LETTER = "612 792"  # points


def nested_forms_pdf(levels: int = 9, uses: int = 10) -> bytes:
    """Return a PDF of 2 KB whose page draws one square `uses ** levels` times.

    Args:
        levels: How many form XObjects stand in one another.
        uses: How often each draws the next.
    """
    draw = b"/F Do " * uses
    forms = [
        _stream(
            b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] "
            b"/Resources << /XObject << /F %d 0 R >> >>" % (number + 1),
            draw,
        )
        for number in range(_FIRST_FREE_OBJECT, _FIRST_FREE_OBJECT + levels - 1)
    ]
    square = _stream(b"/Type /XObject /Subtype /Form /BBox [0 0 9 9]", b"0 0 9 9 re f")
    resources = f"/XObject << /F {_FIRST_FREE_OBJECT} 0 R >>"
    return _pdf(_stream(b"", draw), *forms, square, resources=resources)


def deflated_text_pdf(characters: int = 3_000_000) -> bytes:
    """Return a PDF of 0.5 KB whose page holds so many characters of text, deflated twice."""
    line = b"(" + b"a" * 200 + b") Tj "
    content = b"BT /F 9 Tf 9 9 Td " + line * (characters // 200) + b"ET"
    font = "/Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    return _pdf(_deflated_twice(content), resources=font)


def deflated_paths_pdf(paths: int = 1_000_000) -> bytes:
    """Return a PDF of 0.6 KB whose page is filled so many times, deflated twice."""
    return _pdf(_deflated_twice(b"9 9 600 700 re f " * paths))


def long_page_pdf() -> bytes:
    """Return a PDF of 0.4 KB whose page has 2 x 29,166,667 px at 150 dpi: 0.3 mm x 5 km."""
    return _pdf(_stream(b"", b"0 0 1 14000000 re f"), size="0.96 14000000")


def deep_grey_png() -> bytes:
    """Return a PNG of 115 KB: 7680 x 7680 px of 16-bit grey."""
    return _png(_SIDE, _SIDE, bit_depth=16, colour_type=0)


def transparent_png() -> bytes:
    """Return a PNG of 230 KB: 7680 x 7680 px of 8-bit RGBA."""
    return _png(_SIDE, _SIDE, bit_depth=8, colour_type=6)


def noisy_png() -> bytes:
    """Return a PNG of 270 KB: 7680 x 7680 px of RGBA noise, half transparent.

    A row is the one above plus one, which PNG's filters make a row of ones. Decoded, the rows have
    nothing in common, so a program that deflates its pixels gains nothing.
    """
    pixel = random.Random(0)  # noqa: S311 - no secret
    first = b"".join(pixel.randbytes(3) + b"\x80" for _ in range(_SIDE))
    up = b"\2" + b"\1\1\1\0" * _SIDE
    return _png_of(
        _SIDE, _SIDE, 8, 6, itertools.chain([b"\0" + first], itertools.repeat(up, _SIDE - 1))
    )


def float_tiff() -> bytes:
    """Return a TIFF of 250 KB: 7680 x 7680 px of 32-bit floats, deflated in strips of 8 rows."""
    rows = 8
    count = _SIDE // rows
    strip = zlib.compress(bytes(4 * _SIDE * rows), 9)
    after_directory = 8 + 2 + 12 * 10 + 4
    first_strip = after_directory + 8 * count
    # ImageWidth, ImageLength, BitsPerSample, Compression, PhotometricInterpretation, StripOffsets,
    # SamplesPerPixel, RowsPerStrip, StripByteCounts, SampleFormat (TIFF 6.0).
    tags = (
        (256, 1, _SIDE),
        (257, 1, _SIDE),
        (258, 1, 32),
        (259, 1, 8),
        (262, 1, 1),
        (273, count, after_directory),
        (277, 1, 1),
        (278, 1, rows),
        (279, count, after_directory + 4 * count),
        (339, 1, 3),
    )
    offsets = (first_strip + number * len(strip) for number in range(count))
    return (
        struct.pack("<2sHIH", b"II", 42, 8, len(tags))
        + b"".join(struct.pack("<HHII", tag, 4, length, value) for tag, length, value in tags)
        + struct.pack("<I", 0)
        + b"".join(struct.pack("<I", offset) for offset in offsets)
        + struct.pack("<I", len(strip)) * count
        + strip * count
    )


def one_row_png() -> bytes:
    """Return a PNG of 7 KB: one row of 60,000,000 px, black or white."""
    return _png(60_000_000, 1, bit_depth=1, colour_type=0)


HOSTILE_DOCUMENTS: dict[str, Callable[[], bytes]] = {
    "nested_forms.pdf": nested_forms_pdf,
    "deflated_text.pdf": deflated_text_pdf,
    "deflated_paths.pdf": deflated_paths_pdf,
    "long_page.pdf": long_page_pdf,
    "deep_grey.png": deep_grey_png,
    "transparent.png": transparent_png,
    "noisy.png": noisy_png,
    "float.tiff": float_tiff,
    "one_row.png": one_row_png,
}
"""What makes each document, by the file name that suits it; every call returns the same bytes."""


def _pdf(content: bytes, *objects: bytes, size: str = _LETTER, resources: str = "") -> bytes:
    """Return a PDF of one page of `size` (points), without an xref table.

    Args:
        content: The page's content stream.
        objects: Further objects, numbered from `_FIRST_FREE_OBJECT`.
        size: Width and height of the page.
        resources: What the content refers to.
    """
    page = (
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size}] /Contents 4 0 R "
        f"/Resources << {resources} >> >>"
    )
    numbered = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        page.encode(),
        content,
        *objects,
    )
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % (n, each) for n, each in enumerate(numbered, 1))
    return b"%%PDF-1.7\n%btrailer\n<< /Size %d /Root 1 0 R >>\n%%%%EOF\n" % (
        body,
        len(numbered) + 1,
    )


def _stream(entries: bytes, content: bytes) -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (entries, len(content), content)


def _deflated_twice(content: bytes) -> bytes:
    deflated = zlib.compress(zlib.compress(content, 9), 9)
    return _stream(b"/Filter [/FlateDecode /FlateDecode]", deflated)


def _png(width: int, height: int, *, bit_depth: int, colour_type: int) -> bytes:
    """Return a PNG whose every bit is zero."""
    channels = {0: 1, 6: 4}[colour_type]
    row = bytes(1 + (width * bit_depth * channels + 7) // 8)  # the filter's number stands first
    return _png_of(width, height, bit_depth, colour_type, itertools.repeat(row, height))


def _png_of(
    width: int, height: int, bit_depth: int, colour_type: int, rows: Iterable[bytes]
) -> bytes:
    """Return a PNG of rows, each after the number of its filter."""
    deflate = zlib.compressobj(9)
    pixels = b"".join(map(deflate.compress, rows)) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
