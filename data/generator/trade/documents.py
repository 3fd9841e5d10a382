"""Draws a trade document of a kind: its pages, what stands where, and the fields asked of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from data.generator.trade.broadcasts import draw_broadcast
from data.generator.trade.canvas import Canvas, Place
from data.generator.trade.draft import Draft, Order
from data.generator.trade.letters import draw_invoice, draw_order
from data.generator.trade.receipts import draw_receipt
from data.generator.trade.wanted import KINDS, Kind, Wanted, draw_wanted

__all__ = ["KINDS", "DrawnDocument", "Kind", "draw_document"]

_DRAW: dict[Kind, Callable[[Draft], None]] = {
    "receipts": draw_receipt,
    "invoices": draw_invoice,
    "orders": draw_order,
    "broadcasts": draw_broadcast,
}


@dataclass(frozen=True)
class DrawnDocument:
    """A document with the exact truth of a schema.

    Attributes:
        kind: What it is.
        seed: What it was drawn from.
        language: en, de, fr or es.
        pages: `words` are what is printed, `picture()` draws it.
        schema: The JSON Schema of what is asked.
        values: The true values in its shape, every key present; null is not on the document.
        places: Where each value is printed, by its path (`items[3].amount`): one place at least.
    """

    kind: Kind
    seed: int
    language: str
    pages: tuple[Canvas, ...]
    schema: Mapping[str, Any]
    values: Mapping[str, Any]
    places: Mapping[str, tuple[Place, ...]]


def draw_document(kind: Kind, seed: int, wanted: Wanted | None = None) -> DrawnDocument:
    """Draw a document; the same arguments draw the same.

    Args:
        kind: One of KINDS.
        seed: From 0.
        wanted: What is asked of it; None draws a schema, too.
    """
    rng = Random(f"{kind} {seed}")  # noqa: S311 - nothing is secret here
    draft = _begin(kind, rng, wanted.order if wanted else None)
    _DRAW[kind](draft)
    if wanted is None:
        wanted = draw_wanted(kind, rng, draft.order, draft.language)
    places = draft.places()
    values, found = wanted.truth(draft.values, places)
    pages = tuple(draft.pages)
    return DrawnDocument(kind, seed, draft.language, pages, wanted.schema, values, found)


def _begin(kind: Kind, rng: Random, order: Order | None) -> Draft:
    if kind != "broadcasts":
        return Draft(rng, order)
    # Their trade's terms are American, and most of their dates.
    return Draft(rng, order or ("mdy" if rng.random() < 0.85 else "dmy"), "en")
