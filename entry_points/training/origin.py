"""What weights of the local engine have learned from travels with them.

It is a note and the documents' hashes, for each kind of weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from data.forms import Document
from data.funsd import dataset_digest, image_hash
from ocr_extractor.engines.local.engine import BUNDLED_WEIGHTS
from ocr_extractor.engines.local.fields.ranker import SETTINGS
from ocr_extractor.engines.local.learned.weights import DECISION

Kind = Literal["pairs", "fields"]

_FILES: dict[Kind, str] = {"pairs": DECISION, "fields": SETTINGS}
_FOLDER = "trained_on"


def note_origin(weights: Path, kind: Kind, dataset: str, documents: Sequence[Document]) -> None:
    """Note in a folder of weights what those of a kind have learned from: some of a dataset."""
    (weights / _FOLDER).mkdir(parents=True, exist_ok=True)
    note = f"{len(documents)} documents of {dataset}, content hash {dataset_digest(documents)}.\n"
    if kind == "fields":
        note += f"They refine the bundled ranker: {origin(kind)}\n"
    (weights / _FOLDER / f"{kind}.txt").write_text(note, encoding="utf-8")
    hashes = sorted({image_hash(document) for document in documents})
    (weights / _FOLDER / f"{kind}.hashes").write_text("\n".join(hashes), encoding="utf-8")


def learned_hashes(weights: Path) -> list[str]:
    """Return the `image_hash` of each document that own weights have learned from, sorted."""
    files = (weights / _FOLDER).glob("*.hashes")
    return sorted({each for file in files for each in file.read_text(encoding="utf-8").split()})


def is_own(kind: Kind, weights: Path | None) -> bool:
    """Tell whether a folder has weights of a kind; the engine takes bundled ones otherwise."""
    return weights is not None and (weights / _FILES[kind]).is_file()


def origin(kind: Kind, weights: Path | None = None) -> str:
    """Return what weights of a kind have learned from, on one line.

    Args:
        kind: Those for pairs or those for fields.
        weights: The folder of own weights, None for the bundled ones.
    """
    folder = weights if weights and is_own(kind, weights) else BUNDLED_WEIGHTS
    note = folder / _FOLDER / f"{kind}.txt"
    if not note.is_file():
        return "not noted, because an earlier release has trained them."
    return " ".join(note.read_text(encoding="utf-8").split())
