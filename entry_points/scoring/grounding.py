"""Whether an answer is on the page at all, according to the words of the annotation."""

from __future__ import annotations

from rapidfuzz import fuzz

from entry_points.scoring.matching import fold, normalise

GROUNDED_SIMILARITY = 0.75
"""An answer less similar to the page than this (exclusive) is not on it.

Measured on FUNSD's 149 training forms: no true answer is below; 1.7 % are if 6 % of their
characters are wrong; 90 % of the answers of other forms are. At 0.8 these are 95 %, but twice as
many answers with wrong characters are below.
"""


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
