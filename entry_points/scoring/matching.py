"""When two texts, or two lists of pairs, match: normalisation, similarity, assignment."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FUZZY_SIMILARITY = 0.8
"""Texts at least this similar (inclusive) are the same text with reading errors."""


def fold(text: str) -> str:
    """Return a text in NFKC, casefolded, runs of whitespace as one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def normalise(text: str) -> str:
    """Return a text in the form in which texts are compared.

    After `fold`, punctuation (Unicode categories P*) and spaces at both ends are removed. A text
    of punctuation only, such as the "-" of an empty cell, keeps it: otherwise all such texts would
    be equal. Symbols (`$`, `+`, `<`) are content.
    """
    folded = fold(text)
    content = [i for i, char in enumerate(folded) if not _is_edge(char)]
    return folded[content[0] : content[-1] + 1] if content else folded


def similarities(left: Sequence[str], right: Sequence[str]) -> NDArray[np.float64]:
    """Compare every text of `left` with every text of `right`.

    Returns:
        (len(left), len(right)) normalised Levenshtein similarities in [0, 1]: 1 minus the edit
        distance divided by the length of the longer text; 1 for two empty texts.
    """
    return cdist(left, right, scorer=Levenshtein.normalized_similarity, dtype=np.float64)


def best_assignment(weights: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pair rows with columns one to one so that their (rows, columns) weights have the largest sum.

    Returns:
        min(rows, columns) pairs (row, column), by row.
    """
    rows, columns = linear_sum_assignment(weights, maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def best_matches(
    allowed: NDArray[np.bool_], preference: NDArray[np.float64]
) -> list[tuple[int, int]]:
    """Match rows with columns one to one, with as many allowed cells as possible.

    Args:
        allowed: (rows, columns).
        preference: (rows, columns) in [0, 1]; of several largest matchings, one with the highest
            sum is taken.

    Returns:
        The matched cells (row, column), by row.
    """
    # One more match outweighs all preferences together, because each of them is at most 1.
    weights = allowed * (min(allowed.shape) + preference)
    return [cell for cell in best_assignment(weights) if allowed[cell]]


def _is_edge(char: str) -> bool:
    return char == " " or unicodedata.category(char).startswith("P")
