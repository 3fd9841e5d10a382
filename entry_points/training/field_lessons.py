"""Pages with true fields as lessons for the ranker: which of a field's candidates are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rapidfuzz import fuzz

from ocr_extractor.engines.local.fields.candidates import Candidates
from ocr_extractor.engines.local.fields.features import Asked, PageQuestions
from ocr_extractor.engines.local.fields.labels import fold
from ocr_extractor.engines.local.fields.layout import Layout
from ocr_extractor.fields.normalisation import is_currency_code
from ocr_extractor.fields.raw_tree import scalars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ocr_extractor.fields.raw_tree import Scalar
    from ocr_extractor.fields.schema import Schema
    from ocr_extractor.ocr.words import Word

_AS_GOOD = 88.0
"""Likeness, [0, 100], from which a text is the true one, misread or misspelt."""


@dataclass(frozen=True)
class FieldPage:
    """A page whose document's true fields are known.

    Attributes:
        document: The document's id.
        number: The page's, from 1.
        words: What the OCR read.
    """

    document: str
    number: int
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Lesson:
    """A field on a page.

    Attributes:
        page: The page.
        leaf: The field.
        asked: Its candidates.
        right: (n + 1,) which of them are true, "absent" last; none where that is not known.
    """

    page: FieldPage
    leaf: Scalar
    asked: Asked
    right: NDArray[np.bool_]


def lessons_of(
    schema: Schema, values: Mapping[str, Any], pages: Sequence[FieldPage]
) -> list[Lesson]:
    """Look up the true values of a document on its pages.

    A value may stand at several places, each of which is a possibility. A page that does not have
    it teaches "absent", if another one has it or if the document does not. Where no page has it,
    nothing is taught: the OCR has misread it.
    """
    leaves = list(scalars(schema))
    asked = [(page, _ask(schema, page)) for page in pages]
    found = []
    for at, leaf in enumerate(leaves):
        true: Any = values
        for key in leaf.keys:
            true = (true or {}).get(key)
        right = [_right(questions[at], true) for _, questions in asked if questions]
        anywhere = any(each.any() for each in right)
        if true is None:
            # Where the sign of a currency is printed, its code is known, whoever left it out.
            printed = is_currency_code(leaf.field) and any(of[at].values for _, of in asked if of)
            anywhere = not printed
        for (page, questions), of in zip([a for a in asked if a[1]], right, strict=True):
            absent = anywhere and not of.any()
            found.append(Lesson(page, leaf, questions[at], np.append(of, absent)))
    return found


def _ask(schema: Schema, page: FieldPage) -> list[Asked]:
    layout = Layout.of(page.words)
    if layout is None:
        return []
    leaves = list(scalars(schema))
    return PageQuestions(Candidates(layout), leaves, page.number).ask()


def _right(asked: Asked, true: Any) -> NDArray[np.bool_]:
    """Return which candidates have the true value; of texts the most alike."""
    if true is None or not asked.values:
        return np.zeros(len(asked.values), bool)
    if isinstance(true, bool) or asked.field.type in {"date", "boolean"}:
        wanted = fold(true) if isinstance(true, str) else true
        return np.array([value == wanted for value in asked.values], bool)
    if isinstance(true, int | float):
        return np.array([abs(value - true) < 0.005 for value in asked.values], bool)
    wanted = fold(true)
    alike = np.array([fuzz.ratio(wanted, value) for value in asked.values])
    best = alike.max(initial=0.0)
    return np.asarray((alike >= best) & (alike >= _AS_GOOD))
