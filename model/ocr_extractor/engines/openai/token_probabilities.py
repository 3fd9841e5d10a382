"""How probable an LLM found the texts of its completion: log probabilities of its tokens."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from math import exp, isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Token = tuple[bytes, float]
"""A token and its log probability, at most 0."""


def read_tokens(content: Any) -> tuple[Token, ...]:
    """Read the tokens of a choice's `logprobs.content`; none if one of them is not as it should be.

    A token may be a part of a character, so `bytes` counts where it is given.
    """
    try:
        return tuple(_token(each) for each in content or ())
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return ()


def _token(given: Any) -> Token:
    raw, logprob = given.get("bytes"), float(given["logprob"])
    if not isfinite(logprob):
        raise ValueError(logprob)
    text = bytes(raw) if isinstance(raw, list) else given["token"].encode("utf-8", "surrogatepass")
    return text, min(logprob, 0.0)


def probabilities_of(
    text: str, tokens: Sequence[Token], spans: Mapping[str, tuple[int, int]]
) -> dict[str, float]:
    """Return the probability of texts in a completion: that of their least probable token.

    Args:
        text: The completion.
        tokens: Its tokens, in order.
        spans: Where each text stands, characters [start, end), by any key.

    Returns:
        In [0, 1], by key; nothing where the tokens are not those of the completion.
    """
    said, whole = text.encode("utf-8", "surrogatepass"), b"".join(each for each, _ in tokens)
    # Some servers name the token that ends the answer, or white space around it.
    if not tokens or (before := whole.find(said)) < 0:
        return {}
    widths = (len(each.encode("utf-8", "surrogatepass")) for each in text)
    at = list(accumulate(widths, initial=before))
    starts = list(accumulate((len(each) for each, _ in tokens[:-1]), initial=0))
    probabilities = {}
    for key, (start, end) in spans.items():
        first, behind = bisect_right(starts, at[start]) - 1, bisect_left(starts, at[end])
        probabilities[key] = exp(min(logprob for _, logprob in tokens[first:behind]))
    return probabilities
