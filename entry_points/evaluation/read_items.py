"""What was read on a document, pairs or fields, as one list to print and to draw."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from data.forms import Box
from entry_points.scoring.fields import shown

READ: Mapping[str, tuple[str, ...]] = {"pairs": ("pairs",), "values": ("values", "fields")}
"""The output's columns that are scored, by the unit of the score."""


@dataclass(frozen=True)
class ReadItem:
    """A pair or a field that was read.

    Attributes:
        name: The question, or the field's path.
        text: The answer, or the field's value.
        confidence: The engine's, [0, 1]; None when it gave none.
        page: From 1.
        name_box: Where the question stands, px of the upright page; None when that is not known.
        box: Where the answer or the value stands; the same.
    """

    name: str
    text: str
    confidence: float | None
    page: int
    name_box: Box | None
    box: Box | None


def read_items(outputs: Mapping[str, Any], unit: str) -> list[ReadItem]:
    """Return the "pairs" or "values" (`unit`) of a row of the output that were not left blank."""
    return list(_fields(outputs) if unit == "values" else _pairs(outputs))


def _pairs(outputs: Mapping[str, Any]) -> Iterator[ReadItem]:
    for pair in outputs["pairs"] or ():
        if pair["answer"]:
            boxes = _box(pair["question_box"]), _box(pair["answer_box"])
            texts = pair["question"], pair["answer"]
            yield ReadItem(*texts, pair["confidence"], pair["page"], *boxes)


def _fields(outputs: Mapping[str, Any]) -> Iterator[ReadItem]:
    for leaf in outputs["fields"] or ():
        if leaf["value"] is not None:
            text, page = shown(json.loads(leaf["value"])), leaf["page"] or 1
            yield ReadItem(leaf["path"], text, leaf["confidence"], page, None, _box(leaf["box"]))


def _box(given: Any) -> Box | None:
    if given is None:
        return None
    x0, y0, x1, y1 = given
    return x0, y0, x1, y1
