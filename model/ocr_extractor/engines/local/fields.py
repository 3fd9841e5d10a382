"""Fields without an LLM: the answers of those pairs whose questions are like the fields' labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from rapidfuzz import fuzz

from ocr_extractor.engines.base import Evidence
from ocr_extractor.fields.normalisation import Hints, normalise
from ocr_extractor.fields.raw_tree import scalars, to_raw_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.contract import Pair
    from ocr_extractor.fields.raw_tree import RawTree, Scalar
    from ocr_extractor.fields.schema import Field, Schema

_LEAST = 60.0
"""Likeness of a question to a label, [0, 100], from which its answer is a candidate."""

_DESCRIBED = 0.8
"""What a word of the description is worth, against a label or the name."""

_WORD = re.compile(r"[^\W_]+")


class _Candidate(NamedTuple):
    """An answer for a field, by how like its question is to the field's labels, [0, 100]."""

    likeness: float
    leaf: Scalar
    at: int


def to_fields(schema: Schema, pairs: Sequence[Pair]) -> tuple[RawTree, dict[str, Evidence]]:
    """Choose pairs for the fields of a page.

    The best match of all is taken first, and each pair once. Only answers that can be normalised
    to the field's type are candidates. Tables stay empty.

    Args:
        schema: The fields.
        pairs: What was read on the page.

    Returns:
        The page's texts, and for each where its pair stands.
    """
    hints = Hints.of(schema, to_raw_tree(schema, {}, str))
    leaves = list(scalars(schema))
    candidates = [
        _Candidate(likeness, leaf, at)
        for leaf in leaves
        for at, pair in enumerate(pairs)
        if (likeness := _likeness(leaf.field, pair.question)) >= _LEAST
        and (not pair.answer or normalise(leaf.field, pair.answer, hints).status == "found")
    ]
    tree, evidence = to_raw_tree(schema, {}, str), {}
    used: set[int] = set()
    for candidate in sorted(candidates, key=lambda each: (-each.likeness, each.at)):
        leaf, pair = candidate.leaf, pairs[candidate.at]
        if leaf.text(tree) is not None or candidate.at in used:
            continue
        used.add(candidate.at)
        leaf.put(tree, pair.answer or "")
        score = None if pair.confidence is None else pair.confidence * candidate.likeness / 100
        evidence[leaf.path] = Evidence(pair.answer_box, score, pair.grounded)
    return tree, evidence


def _likeness(field: Field, question: str) -> float:
    """Return how like a question is to what is known of a field's label, [0, 100]."""
    asked = _words(question)
    if not asked:
        return 0.0
    labels = [_words(label) for label in (*field.labels, field.name) if label]
    best = max((fuzz.token_sort_ratio(asked, label) for label in labels), default=0.0)
    described = fuzz.token_set_ratio(asked, _words(field.description)) if field.description else 0
    return max(best, _DESCRIBED * described)


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
