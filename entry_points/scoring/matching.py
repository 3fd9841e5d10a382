"""When texts and lists of pairs match, and whether an answer is on the page at all."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist
from scipy.optimize import linear_sum_assignment

FUZZY_SIMILARITY = 0.8
"""Texts at least this similar (inclusive) are the same text with reading errors."""

GROUNDED_SIMILARITY = 0.75
"""An answer less similar to the page than this (exclusive) is not on it.

Measured on FUNSD's 149 training forms: no true answer is below; 1.7 % are if 6 % of their
characters are wrong; 90 % of the answers of other forms are. At 0.8 these are 95 %, but twice as
many answers with wrong characters are below.
"""


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
    """Pair rows with columns one to one so that their (rows, columns) weights sum to the most."""
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


def page_text(text: str) -> str:
    """Return the words of a page in the form that `grounding` needs: folded, without spaces."""
    return fold(text).replace(" ", "")


def grounding(answer: str, page: str) -> float:
    """Return how much of the words of an answer is on a page, whose text `page_text` returned.

    Each word is compared with the most similar part of the page's text, in any place and without
    regard to spaces; a word's weight is its length. The words may come from several places, so this
    is lenient: it tells that words are there, not that they belong together.

    Returns:
        A similarity in [0, 1]; 1 for an answer without words.
    """
    words = normalise(answer).split()
    found = sum(len(word) * _found(word, page) for word in words)
    return found / sum(map(len, words)) if words else 1.0


def _found(word: str, page: str) -> float:
    # For a word longer than the page, partial_ratio would search the page in the word.
    return fuzz.partial_ratio(word, page) / 100 if len(word) <= len(page) else 0.0
