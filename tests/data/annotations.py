"""Annotations as they stand in a file, small enough to be read in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def entity(
    id_: int, label: str, text: str, *links: tuple[int, int], at: tuple[int, int] = (0, 0)
) -> dict[str, Any]:
    """Return a raw entity, 40 px wide and 10 px high, with its corner `at` (x, y)."""
    x, y = at
    box = [x, y, x + 40, y + 10]
    words = [{"text": word, "box": box} for word in text.split()]
    return {
        "id": id_,
        "label": label,
        "text": text,
        "box": box,
        "words": words,
        "linking": [list(link) for link in links],
    }


def write(folder: Path, form_id: str, form: object) -> None:
    """Add a form to a FUNSD-layout folder; its image is no image."""
    for part in ("annotations", "images"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "annotations" / f"{form_id}.json").write_text(json.dumps({"form": form}))
    (folder / "images" / f"{form_id}.png").write_bytes(b"image of " + form_id.encode())
