"""From an LLM's completion to pairs: the schema it must follow, and what is done with its text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from ocr_extractor.contract import Pair

if TYPE_CHECKING:
    from collections.abc import Iterable

# Lone surrogates and control characters cannot be stored as UTF-8 or shown as text.
_NOT_TEXT = re.compile("[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class CompletedPair(BaseModel):
    """One field of the form, as the LLM is asked to give it."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(description="The field's printed label, exactly as on the page.")
    answer: str | None = Field(description="What was filled in; null for a field left blank.")


class CompletedForm(BaseModel):
    """The strict JSON schema of a completion."""

    model_config = ConfigDict(extra="forbid")

    pairs: list[CompletedPair] = Field(description="Every field, in reading order.")


def to_pairs(completed: Iterable[CompletedPair], page: int) -> tuple[Pair, ...]:
    """Turn an LLM's pairs into ours.

    Args:
        completed: The pairs of one page, in the LLM's order.
        page: The page's number, from 1.

    Returns:
        The pairs that have a question; an answer without text counts as blank (None).
    """
    pairs = []
    for item in completed:
        question = _clean(item.question)
        if question:
            pairs.append(Pair(question, _clean(item.answer or "") or None, page))
    return tuple(pairs)


def _clean(text: str) -> str:
    return _NOT_TEXT.sub("", text).strip()
