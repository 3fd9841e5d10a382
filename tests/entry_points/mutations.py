"""Documents and request bodies that are damaged at random; the same seed gives the same ones."""

from __future__ import annotations

import base64
import copy
import io
import json
import random
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image, ImageDraw

Mutation = Callable[[random.Random, bytes], bytes]

_SIZE = (160, 100)
_NUMBERS = (0, 1, 2, 3, 8, 255, 256, 4096, 32767, 65535, 100_000, 2**31 - 1, 2**31, 2**32 - 1)
_WORDS = (b"-1", b"0", b"99999", b"1e9", b"-2147483648", b"null", b"<<", b">>", b"endstream")


def documents(seed: int, count: int) -> Iterator[bytes]:
    """Yield damaged PNG, JPEG, TIFF, PDF and WEBP files in turn."""
    rng, formats = random.Random(seed), _formats()
    for number in range(count):
        family = formats[number % len(formats)]
        data = rng.choice(family)
        for _ in range(rng.choice((1, 1, 2, 4))):
            data = rng.choice(_MUTATIONS)(rng, data)
        if rng.random() < 0.1:
            data = _joined(rng, data, rng.choice(rng.choice(formats)))
        if data.startswith(b"\x89PNG") and rng.random() < 0.7:
            data = _with_right_checksums(data)
        yield data


def bodies(seed: int, count: int) -> Iterator[bytes]:
    """Yield damaged bodies of scoring requests."""
    rng = random.Random(seed)
    image = base64.b64encode(_encoded(_page("L"), "PNG")).decode()
    for _ in range(count):
        body = copy.deepcopy(rng.choice(_shapes(image)))
        for _ in range(rng.choice((0, 1, 1, 2, 4))):
            body = _changed(rng, body)
        data = json.dumps(body, ensure_ascii=rng.random() < 0.7).encode("utf-8", "surrogatepass")
        if rng.random() < 0.3:
            data = rng.choice(_MUTATIONS)(rng, data)
        yield data


def _page(mode: str) -> Image.Image:
    page = Image.new("L", _SIZE, 255)
    draw = ImageDraw.Draw(page)
    for line in range(4):
        draw.text((8, 8 + 22 * line), f"Name {line}: value {line * line}", fill=40 * line)
    return page.convert(mode)


def _encoded(page: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    page.save(buffer, image_format, **options)
    return buffer.getvalue()


def _formats() -> list[list[bytes]]:
    """Return whole files: of each format, its kinds."""
    more = {"save_all": True, "append_images": [_page("RGB"), _page("L")]}
    tiffs = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    return [
        [_encoded(_page(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")],
        [
            *(_encoded(_page(mode), "JPEG") for mode in ("L", "RGB", "CMYK")),
            _encoded(_page("RGB"), "JPEG", progressive=True, quality=40),
        ],
        [
            *(_encoded(_page("RGB"), "TIFF", compression=name) for name in tiffs),
            *(_encoded(_page("1"), "TIFF", compression=name) for name in ("group3", "group4")),
            _encoded(_page("L"), "TIFF", **more),
        ],
        [_encoded(_page("RGB"), "PDF"), _encoded(_page("1"), "PDF", **more), _text_pdf()],
        [
            _encoded(_page("RGB"), "WEBP", quality=60),
            _encoded(_page("RGBA"), "WEBP", lossless=True),
            _encoded(_page("RGB"), "WEBP", **more),
        ],
    ]


def _text_pdf() -> bytes:
    text = "BT /F 12 Tf 20 60 Td (Name: value) Tj ET 0 0 1 rg 10 10 80 20 re f"
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R 3 0 R] /Count 2 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] /Rotate 0 /Contents 4 0 R "
        "/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
    )
    body = "".join(f"{n} 0 obj\n{each}\nendobj\n" for n, each in enumerate(objects, start=1))
    return f"%PDF-1.7\n{body}trailer\n<< /Size 5 /Root 1 0 R >>\n%%EOF\n".encode("latin-1")


def _place(rng: random.Random, data: bytes) -> int:
    """Choose a place, mostly near the beginning, where the headers are."""
    return int(rng.random() ** rng.choice((1, 3)) * max(len(data) - 1, 0))


def _flip_bits(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 12) if data else 0):
        changed[_place(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _write_number(rng: random.Random, data: bytes) -> bytes:
    width, code = rng.choice(((1, "B"), (2, "H"), (4, "I")))
    number = struct.pack(rng.choice("<>") + code, rng.choice(_NUMBERS) % 256**width)
    place = _place(rng, data)
    return data[:place] + number + data[place + width :]


def _write_word(rng: random.Random, data: bytes) -> bytes:
    """Replace a number that is written in digits, as in PDF and JSON."""
    found = list(re.finditer(rb"\d+", data))
    if not found:
        return data
    number = rng.choice(found)
    return data[: number.start()] + rng.choice(_WORDS) + data[number.end() :]


def _cut_off(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randint(0, len(data))]


def _drop(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data)
    return data[:place] + data[place + rng.randint(1, 64) :]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    place, length = _place(rng, data), rng.randint(1, 256)
    return data[:place] + data[place : place + length] * rng.randint(2, 20) + data[place:]


def _insert(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data)
    return data[:place] + rng.randbytes(rng.randint(1, 32)) + data[place:]


def _joined(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


_MUTATIONS: list[Mutation] = [
    _flip_bits, _write_number, _write_number, _write_word, _cut_off, _drop, _repeat, _insert
]  # fmt: skip


def _with_right_checksums(png: bytes) -> bytes:
    """Mend the checksums of the chunks, without which a decoder looks no further."""
    fixed, place = bytearray(png[:8]), 8
    while place + 12 <= len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        chunk = png[place + 4 : place + 8 + length]
        fixed += png[place : place + 4] + chunk + struct.pack(">I", zlib.crc32(chunk))
        place += 12 + length
    return bytes(fixed) + png[place:]


def _shapes(image: str) -> list[dict[str, Any]]:
    record = {"doc_id": "a", "image": image}
    split = {"columns": ["doc_id", "image"], "data": [["a", image], [None, None]]}
    params = {"additional_rules": "Skip stamps.", "pages": "1-2,4"}
    return [
        {"dataframe_records": [record, record]},
        {"dataframe_split": split, "params": params},
        {"inputs": [record], "params": params},
        {"inputs": {"doc_id": ["a", "b"], "image": [image, None]}},
        {"instances": [record, {"image": image}]},
    ]


_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 10**30, 10**4000, 1e308, float("nan"), float("inf"), "", "nan", "None", "\0",
    "\ud800", "é" * 2000, "{{ 7 * 7 }}", "{% for x in y %}", "/etc/passwd", "file:///etc/passwd",
    "' OR 1=1 --", "<script>", [], {}, [[]], [None], {"image": "QQ=="}, {"$ref": "#"}, "9-1",
    "1-999999999", "QUJD",
)  # fmt: skip
_KEYS = ("image", "doc_id", "params", "inputs", "instances", "pages", "engine", "\ud800", "")


def _changed(rng: random.Random, node: Any) -> Any:
    """Return a JSON value that differs in one place, at any depth."""
    children = list(node) if isinstance(node, dict) else range(len(_list(node)))
    if not children or rng.random() < 0.2:
        return copy.deepcopy(rng.choice(_VALUES)) if rng.random() < 0.8 else _wrapped(rng, node)
    key = rng.choice(children)
    kind = rng.random()
    if kind < 0.7:
        node[key] = _changed(rng, node[key])
    elif kind < 0.8:
        del node[key]
    elif isinstance(node, dict):
        node[rng.choice(_KEYS)] = copy.deepcopy(node[key])
    else:
        node.extend([node[key]] * rng.randint(1, 30))
    return node


def _list(node: Any) -> list[Any]:
    return node if isinstance(node, list) else []


def _wrapped(rng: random.Random, node: Any) -> Any:
    for _ in range(rng.choice((1, 2, 150))):
        node = [node]
    return node
