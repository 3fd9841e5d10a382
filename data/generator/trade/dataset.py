"""Writes drawn documents as a dataset folder: `images/`, `fields/`, `boxes/`, `schema.json`."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from data.generator.documents import write_pages
from data.generator.trade.documents import Kind, draw_document
from data.generator.trade.pictures import Taken, take
from data.generator.trade.wanted import draw_wanted
from data.progress import Progress

_TAKEN: dict[Kind, tuple[Taken, ...]] = {
    "receipts": ("photo", "photo", "scan", "clean"),
    "invoices": ("clean", "clean", "scan", "photo"),
    "orders": ("clean", "scan", "scan"),
    "broadcasts": ("clean", "clean", "scan"),
}
_QUALITY = 80


def write_dataset(folder: Path, kind: Kind, count: int, seed: int) -> None:
    """Draw documents of a kind with one schema for all.

    Args:
        folder: Made if missing; files of the same names are replaced.
        kind: Of the documents.
        count: How many. A document depends on its number, not on the count.
        seed: From 0; it draws the schema, too.
    """
    for part in ("images", "fields", "boxes"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    chooser = Random(f"{kind} {seed}")  # noqa: S311 - nothing is secret here
    wanted = draw_wanted(kind, chooser, "mdy" if kind == "broadcasts" else "dmy")
    _write(folder / "schema.json", wanted.schema)
    for number in Progress(range(count), unit="documents"):
        document = draw_document(kind, 1_000_000 * seed + number, wanted)
        rng = np.random.default_rng([seed, number])
        how = _TAKEN[kind][int(rng.integers(len(_TAKEN[kind])))]
        taken = [take(page, how, rng) for page in document.pages]
        images = [image for image, _ in taken]
        name = f"{kind.removesuffix('s')}-{number:05d}"
        if len(images) == 1:
            images[0].save(folder / "images" / f"{name}.jpg", quality=_QUALITY)
        else:
            write_pages(folder / "images", name, images, "pdf")
        boxes = {}
        for path, places in document.places.items():
            found = taken[places[0].page - 1][1][list(places[0].words)]
            edges = [*np.floor(found[:, :2].min(axis=0)), *np.ceil(found[:, 2:].max(axis=0))]
            boxes[path] = [places[0].page, *map(int, edges)]
        _write(folder / "fields" / f"{name}.json", document.values)
        _write(folder / "boxes" / f"{name}.json", boxes)


def _write(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
