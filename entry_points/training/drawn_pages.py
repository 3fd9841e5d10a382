"""Pages of drawn documents with the words that an OCR would read: without OCR, with its faults."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from data.generator.trade.documents import draw_document
from data.generator.trade.ocr_faults import draw_faults, read_words
from entry_points.training.field_lessons import FieldPage
from ocr_extractor.fields.schema import Schema
from ocr_extractor.ocr.words import Word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from data.generator.trade.documents import Kind


def drawn_pages(kind: Kind, seed: int) -> tuple[Schema, Mapping[str, Any], list[FieldPage]]:
    """Draw a document with a schema.

    Args:
        kind: What it is.
        seed: From 0.

    Returns:
        The schema, the document's true values, and its pages as an OCR may read them.
    """
    drawn = draw_document(kind, seed)
    rng = Random(f"read {kind} {seed}")  # noqa: S311 - nothing is secret here
    faults = draw_faults(rng)
    pages = []
    for number, page in enumerate(drawn.pages, 1):
        read = read_words(page.words, faults, rng)
        words = tuple(Word(w.text, w.box, w.line, w.underlined, w.walled) for w in read)
        pages.append(FieldPage(f"{kind}-{seed}", number, words))
    return Schema.parse(drawn.schema), drawn.values, pages
