"""Lists a dataset folder's documents: each truth file with its image, some of them drawn by lot."""

from __future__ import annotations

import logging
import random
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from data.errors import DatasetError
from data.splits import Split, split_of

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".pdf")

# The folders of truth files, of which a dataset has one or both.
_TRUTHS = ("annotations", "fields")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Selection:
    """Which documents of a folder are read.

    Attributes:
        split: Those of this split; None reads all.
        limit: At most this many, from 1; None reads all.
        seed: Draws the `limit` documents at random; None takes the first ones.
        without: Ids to leave out, before any are drawn.
    """

    split: Split | None = None
    limit: int | None = None
    seed: int | None = None
    without: Collection[str] = ()


def select(folder: Path, part: str, wanted: Selection) -> list[tuple[Path, Path]]:
    """Return (truth file, image) of the documents to read, sorted by id.

    Args:
        folder: Holds `images/` and the folder of the truth files.
        part: The name of the latter: `annotations` or `fields`.
        wanted: Which of them.

    Raises:
        DatasetError: A folder or an image is missing, or no document is left to read.
    """
    limit = wanted.limit
    if limit is not None and limit < 1:
        raise DatasetError(f"limit is {limit}: give a number of forms from 1, or none for all.")
    for each in (folder, folder / part, folder / "images"):
        if not each.is_dir():
            raise DatasetError(f"{each} is not a folder. {_advice(folder)}")
    truths = sorted(_visible(folder / part, (".json",)), key=lambda path: path.stem)
    if not truths:
        raise DatasetError(f"{folder / part} holds no .json file. {_advice(folder)}")
    images: dict[str, list[Path]] = {}
    for path in _visible(folder / "images", IMAGE_SUFFIXES):
        images.setdefault(path.stem, []).append(path)
    unread = images.keys() - {path.stem for path in truths}
    if unread:
        _log.warning("%s: %d images have no annotation and are left out", folder, len(unread))
    if wanted.split is not None:
        truths = [path for path in truths if split_of(path.stem) == wanted.split]
        if not truths:
            split = wanted.split
            raise DatasetError(f"{folder} has no form in its {split} split: give more forms.")
    truths = [path for path in truths if path.stem not in wanted.without]
    if not truths:
        raise DatasetError(f"all forms of {folder} are left out: leave out fewer.")
    if limit is not None and wanted.seed is not None:
        drawn = random.Random(wanted.seed).sample(truths, min(limit, len(truths)))  # noqa: S311
        truths = sorted(drawn, key=lambda path: path.stem)
    return [(path, _image_of(path, images)) for path in truths[:limit]]


def count(folder: Path, part: str) -> int:
    """Return how many truth files a folder holds."""
    return len(_visible(folder / part, (".json",)))


def _visible(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """List files by suffix, without the `._name` ones that macOS leaves in archives."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )


def _advice(folder: Path) -> str:
    """Say what to give instead of `folder`."""
    inner = {str(path.parent) for part in _TRUTHS for path in folder.glob(f"*/{part}")}
    if inner:
        return f"Give one of the folders inside it: {', '.join(sorted(inner))}."
    return (
        "Give a folder that holds images/<id>.png and annotations/<id>.json, or images/<id>.png, "
        "fields/<id>.json and schema.json; `mlflow run . -e download --env-manager uv` fetches "
        "FUNSD, which has annotations."
    )


def _image_of(truth: Path, images: dict[str, list[Path]]) -> Path:
    found = images.get(truth.stem, [])
    if not found:
        raise DatasetError(
            f"{truth} has no image: put images/{truth.stem} with one of the suffixes "
            f"{' '.join(IMAGE_SUFFIXES)} beside it, or take the annotation away."
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DatasetError(f"{truth} has several images ({names}): keep one of them.")
    return found[0]
