"""What is asked once more where checks fail, and which of both answers is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ocr_extractor.fields.assembly import pattern_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.contract import FieldValue
    from ocr_extractor.fields.assembly import DocumentFields

# A column's cells are told up to this number: enough to see what kind of text was given.
_CELLS_TOLD = 40


def pages_to_repair(fields: DocumentFields) -> list[int]:
    """Return the numbers of the pages that hold a leaf of a failed check, in order."""
    used = (leaf for check in fields.failed for leaf in fields.used_by(check))
    return sorted({leaf.page for leaf in used if leaf.page is not None})


def repair_instructions(fields: DocumentFields) -> str:
    """Return what is added to the instructions to read pages again: what failed, and its texts."""
    told = "\n".join(
        f"- {check}. You gave: {_told(fields.used_by(check))}" for check in fields.failed
    )
    return (
        "\n\nYou have read this document before, and these checks of its values failed:\n"
        f"{told}\nAt least one of these texts is not what the document says. Read this page again, "
        "and copy each field character by character from its own place."
    )


def _told(leaves: Sequence[FieldValue]) -> str:
    texts: dict[str, list[str | None]] = {}
    for leaf in leaves:
        if leaf.raw is not None:
            texts.setdefault(pattern_of(leaf.path), []).append(leaf.raw)
    return "; ".join(
        f"{pattern} = {json.dumps(raws[:_CELLS_TOLD], ensure_ascii=False)[1:-1]}"
        for pattern, raws in texts.items()
    )
