"""Finds pages, and near copies of pages, on both sides of a split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from PIL import Image

_CELLS = 16
# Share of different bits. Any two of FUNSD's 149 training pages differ by at least 0.207; the same
# page as JPEG of quality 30, a tenth smaller or turned by 0.5 degrees by at most 0.113.
_NEAR = 0.15


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hashes of a page, to find it and its near copies again.

    Attributes:
        pixels: SHA-256 of its size and grey values, 64 hex digits.
        shape: 64 hex digits, a bit for each of 16 x 16 places: whether it is darker than the one
            right of it ("dHash", https://www.hackerfactor.com/blog/index.php?/archives/529-.html).
    """

    pixels: str
    shape: str

    @classmethod
    def of(cls, page: Image.Image) -> Fingerprint:
        """Take a page's fingerprint."""
        grey = page.convert("L")
        pixels = hashlib.sha256(f"{grey.size}".encode() + grey.tobytes()).hexdigest()
        small = grey.resize((_CELLS + 1, _CELLS), Image.Resampling.BOX)
        cells = np.asarray(small, dtype=np.int16)
        return cls(pixels, np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes().hex())

    def likeness(self, other: Fingerprint) -> Literal["same", "near"] | None:
        """Compare two pages: the same pixels, near duplicates (another scan), or neither."""
        if self.pixels == other.pixels:
            return "same"
        unlike = (int(self.shape, 16) ^ int(other.shape, 16)).bit_count()
        return "near" if unlike <= _NEAR * _CELLS**2 else None


@dataclass(frozen=True, slots=True)
class Leak:
    """A page that is in two splits.

    Attributes:
        one: (split, form id).
        other: The same, of another split.
        likeness: "same" pixels, or "near".
    """

    one: tuple[str, str]
    other: tuple[str, str]
    likeness: Literal["same", "near"]

    def __str__(self) -> str:
        what = "is the same page as" if self.likeness == "same" else "looks like"
        return f"{self.one[1]} ({self.one[0]}) {what} {self.other[1]} ({self.other[0]})"


def find_leaks(splits: Mapping[str, Mapping[str, Sequence[Fingerprint]]]) -> list[Leak]:
    """Compare the pages of every split with those of the others.

    Args:
        splits: By name, the fingerprints of each form's pages by form id.

    Returns:
        A leak for each two forms that share a page, in the order of `splits`.
    """
    leaks = []
    for (name, forms), (other_name, others) in combinations(splits.items(), 2):
        for form_id, pages in forms.items():
            for other_id, other_pages in others.items():
                found = {page.likeness(other) for page in pages for other in other_pages} - {None}
                if found:
                    likeness: Literal["same", "near"] = "same" if "same" in found else "near"
                    leaks.append(Leak((name, form_id), (other_name, other_id), likeness))
    return leaks
