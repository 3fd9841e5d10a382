"""Chooses the kind of truth and of score: fields or pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.fields import FieldDocument
from data.forms import Document, Form
from entry_points.scoring.field_score import FieldScore
from entry_points.scoring.fields import FieldTruth
from entry_points.scoring.forms import FormScore, Truth
from entry_points.scoring.scores import DocumentTruth, Score


def truth_of(document: Document) -> DocumentTruth[Score]:
    """Return a document's truth: its fields or its pairs.

    Raises:
        TypeError: It is of neither kind.
    """
    if isinstance(document, FieldDocument):
        return FieldTruth.of(document)
    if isinstance(document, Form):
        return Truth.of(document)
    raise TypeError(f"{type(document).__name__} is no kind of document that can be scored.")


def stored_score(row: Mapping[str, Any]) -> Score:
    """Build the score, of either kind, from a row that its `to_row` returned."""
    return (FieldScore if "shares" in row else FormScore).from_row(row)
