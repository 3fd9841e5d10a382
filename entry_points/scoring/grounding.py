"""Whether an answer is on the page at all, judged by the words of the annotation."""

from __future__ import annotations

from rapidfuzz import fuzz

from entry_points.scoring.matching import fold, normalise

GROUNDED_SIMILARITY = 0.75
"""An answer less similar to the page than this (exclusive) stands nowhere on it.

Measured on FUNSD's 149 training forms: no true answer is below, 1.7 % of them are with 6 % of their
characters spoilt, and 90 % of the answers of another form are (95 % at 0.8, which would call twice
as many spoilt ones made up).
"""


def page_text(text: str) -> str:
    """Return a page's words as `grounding` wants them: folded, without spaces."""
    return fold(text).replace(" ", "")


def grounding(answer: str, page: str) -> float:
    """Tell how well the words of an answer are found on a page.

    Each word is compared with the stretch of the page that is most like it, wherever that is and
    whatever spaces stand in it; a word counts by its length. An answer may be put together from
    several places, so this is lenient: it says that words are there, not that they belong together.

    Args:
        answer: An answer as it was read.
        page: The document's text, as `page_text` returns it.

    Returns:
        A similarity in [0, 1]; 1 for an answer without words.
    """
    words = normalise(answer).split()
    found = sum(len(word) * _found(word, page) for word in words)
    return found / sum(map(len, words)) if words else 1.0


def _found(word: str, page: str) -> float:
    # Beyond the page's length, partial_ratio would look for the page in the word.
    return fuzz.partial_ratio(word, page) / 100 if len(word) <= len(page) else 0.0
