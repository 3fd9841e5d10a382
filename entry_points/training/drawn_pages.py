"""Pages of drawn documents with the words that an OCR would read: without OCR, with its faults."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from data.field_schema import parse_schema
from data.generator.trade.documents import draw_document
from data.generator.trade.ocr_faults import draw_faults, read_words
from entry_points.scoring.fields import FieldTruth
from entry_points.training.field_lessons import FieldPage, Lesson, lessons_of
from ocr_extractor.fields.schema import Schema
from ocr_extractor.ocr.words import Word

if TYPE_CHECKING:
    from data.generator.trade.documents import Kind


@dataclass(frozen=True)
class DrawnPages:
    """A drawn document with a schema.

    Attributes:
        schema: What is asked of it.
        truth: Its true values.
        pages: As an OCR may read them.
    """

    schema: Schema
    truth: FieldTruth
    pages: tuple[FieldPage, ...]

    def lessons(self) -> list[Lesson]:
        """Return what it teaches."""
        return lessons_of(self.schema, self.truth.values, self.pages)


def drawn_pages(kind: Kind, seed: int) -> DrawnPages:
    """Draw a document.

    Args:
        kind: What it is.
        seed: From 0.
    """
    drawn = draw_document(kind, seed)
    rng = Random(f"read {kind} {seed}")  # noqa: S311 - nothing is secret here
    faults = draw_faults(rng)
    pages = []
    for number, page in enumerate(drawn.pages, 1):
        read = read_words(page.words, faults, rng)
        words = tuple(Word(w.text, w.box, w.line, w.underlined, w.walled) for w in read)
        pages.append(FieldPage(f"{kind}-{seed}", number, words))
    truth = FieldTruth(parse_schema(drawn.schema, "a drawn schema"), drawn.values)
    return DrawnPages(Schema.parse(drawn.schema), truth, tuple(pages))
