"""Hostile documents are what they are said to be: small files of very much."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from data.hostile import HOSTILE_DOCUMENTS


@pytest.mark.parametrize("name", HOSTILE_DOCUMENTS)
def test_every_hostile_document_is_small_and_made_the_same_each_time(name: str) -> None:
    data = HOSTILE_DOCUMENTS[name]()
    assert len(data) < 300_000
    assert data == HOSTILE_DOCUMENTS[name]()
    assert data.startswith(b"%PDF-") == name.endswith(".pdf")


@pytest.mark.parametrize(
    ("name", "mode", "size"),
    [
        ("deep_grey.png", "I;16", (7680, 7680)),
        ("transparent.png", "RGBA", (7680, 7680)),
        ("noisy.png", "RGBA", (7680, 7680)),
        ("float.tiff", "F", (7680, 7680)),
        ("one_row.png", "1", (60_000_000, 1)),
    ],
)
def test_images_have_fewer_pixels_than_are_allowed(
    name: str, mode: str, size: tuple[int, int]
) -> None:
    image = Image.open(io.BytesIO(HOSTILE_DOCUMENTS[name]()))
    assert (image.mode, image.size) == (mode, size)
    image.load()
