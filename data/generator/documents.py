"""Writes a scanned form as a document and its FUNSD annotation."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from data.generator.geometry import Floats
from data.generator.page import PagePlan, compose
from data.generator.scan import Scan, scan
from data.generator.sheet import Text

Format = Literal["png", "jpg", "jpg-rotated", "tif", "pdf"]

PDF_DPI = 150
"""A PDF's image fills its page: rendered at this resolution, page px are annotation px."""

_EXIF_ORIENTATION = 0x0112
_SHOWN_TURNED_RIGHT = 6
_LONG_AGO = time.gmtime(0)


@dataclass(frozen=True)
class Page:
    """A scanned page with its ground truth.

    Attributes:
        image: "L".
        texts: Their boxes in px of the image.
        links: Indices of texts.
    """

    image: Image.Image
    texts: tuple[Text, ...]
    links: tuple[tuple[int, int], ...]


def make_page(plan: PagePlan, how: Scan, rng: np.random.Generator, size: tuple[int, int]) -> Page:
    """Compose a page as planned and scan it to `size` (width, height) px."""
    sheet = compose(plan, rng)
    boxes = np.concatenate([text.boxes for text in sheet.texts])
    image, boxes = scan(sheet.image, boxes, how, size, rng)
    boxes = boxes.clip(0, np.tile(size, 2))
    cuts = np.cumsum([len(text.boxes) for text in sheet.texts])[:-1]
    texts = tuple(
        Text(text.label, text.words, part)
        for text, part in zip(sheet.texts, np.split(boxes, cuts), strict=True)
    )
    return Page(image, texts, tuple(sheet.links))


def write_document(folder: Path, name: str, pages: Sequence[Page], kind: Format) -> None:
    """Write `images/<name>.<suffix>` and `annotations/<name>.json` under an existing folder.

    The boxes are px of the upright page, whatever the file's orientation tag says.
    """
    write_pages(folder / "images", name, [page.image for page in pages], kind)
    annotation = folder / "annotations" / f"{name}.json"
    annotation.write_text(json.dumps({"form": _form(pages)}, indent=1) + "\n", encoding="utf-8")


def write_pages(folder: Path, name: str, pages: Sequence[Image.Image], kind: Format) -> None:
    """Write `<name>.<suffix>` into an existing folder.

    Args:
        folder: Where to.
        name: Of the file, without its suffix.
        pages: "L" images; several for a TIFF or a PDF only.
        kind: The format.
    """
    path = folder / f"{name}.{kind.partition('-')[0]}"
    first, *others = pages
    if kind == "png":
        first.save(path, optimize=True)
    elif kind == "jpg":
        first.save(path, quality=28)
    elif kind == "jpg-rotated":
        exif = Image.Exif()
        exif[_EXIF_ORIENTATION] = _SHOWN_TURNED_RIGHT
        first.transpose(Image.Transpose.ROTATE_90).save(path, quality=85, exif=exif)
    elif kind == "tif":
        first.save(path, save_all=True, append_images=others, compression="tiff_lzw")
    else:
        first.save(
            path,
            save_all=True,
            append_images=others,
            resolution=PDF_DPI,
            quality=60,
            creationDate=_LONG_AGO,
            modDate=_LONG_AGO,
        )


def _form(pages: Sequence[Page]) -> list[Any]:
    """Return FUNSD's `form`: a list of entities, or for several pages a list of lists."""
    lists: list[list[dict[str, Any]]] = []
    for page in pages:
        begin = sum(map(len, lists))
        lists.append([_entity(page, place, begin) for place in range(len(page.texts))])
    return lists[0] if len(lists) == 1 else lists


def _entity(page: Page, place: int, begin: int) -> dict[str, Any]:
    """Return one entity; a link is listed on both of its ends, as FUNSD does."""
    text = page.texts[place]
    edges = [*text.boxes[:, :2].min(axis=0), *text.boxes[:, 2:].max(axis=0)]
    return {
        "id": begin + place,
        "text": " ".join(text.words),
        "box": _whole(np.array(edges)),
        "label": text.label,
        "words": [
            {"text": word, "box": _whole(box)}
            for word, box in zip(text.words, text.boxes, strict=True)
        ],
        "linking": [[begin + a, begin + b] for a, b in page.links if place in (a, b)],
    }


def _whole(box: Floats) -> list[int]:
    """Return whole px that hold the box."""
    return [*np.floor(box[:2]).astype(int).tolist(), *np.ceil(box[2:]).astype(int).tolist()]
