"""Reads a dataset folder of either kind: named fields, or the pairs of FUNSD's layout."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from data import fields, funsd
from data.forms import Document
from data.splits import Split


def load_documents(
    folder: Path,
    *,
    split: Split | None = None,
    limit: int | None = None,
    seed: int | None = None,
    without: Collection[str] = (),
) -> Sequence[Document]:
    """Read the documents of a folder, sorted by id: their fields where it has `fields/`.

    A folder may have `annotations/` as well; what works on pairs reads these (`data.funsd`).

    Args:
        folder: Holds `images/`, and `fields/` with `schema.json`, or `annotations/`.
        split: Read the documents of this split; None reads all.
        limit: Read at most this many, from 1; None reads all.
        seed: Draws the `limit` documents at random; None takes the first ones.
        without: Ids to leave out, before any are drawn.

    Raises:
        DatasetError: Something is missing or malformed, or no document is left to read.
    """
    load = fields.load_folder if fields.has_fields(folder) else funsd.load_folder
    return load(folder, split=split, limit=limit, seed=seed, without=without)


def count_documents(folder: Path) -> int:
    """Return how many documents with a truth a folder holds."""
    if fields.has_fields(folder):
        return fields.count_documents(folder)
    return funsd.count_forms(folder)
