"""The confidence of a leaf, from its evidence, its checks and a second reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocr_extractor.contract import Status

_FAILED = 0.5
"""Factor for each failed check: one of its values is wrong."""

_INVALID = 0.2
"""Factor for a text that could not be normalised: it was misread, or belongs to another field."""

_REPEATED_DIFFERENTLY = 0.7
"""Factor where the LLM was asked twice and gave two values."""

_OTHERS = "*"


def confidence_of(
    status: Status,
    score: float | None,
    failed_checks: int,
    *,
    repeated: bool = True,
    agreeing: float | None = None,
) -> float | None:
    """Return the confidence of a leaf.

    It is the score of its evidence, times 0.5 for each check that failed, times 0.2 for a text that
    could not be normalised, times 0.7 where a second answer gave another value. A better score or
    one failure less never lowers it. It orders leaves; what precision it stands for is measured on
    documents whose values are known.

    Args:
        status: The state of the leaf.
        score: That of its evidence, [0, 1]; None when unknown.
        failed_checks: How many checks that use it failed.
        repeated: Whether a second answer, if there was one, gave the same value.
        agreeing: The confidence, [0, 1], of another engine that read the same value; None without
            one. Both are wrong only if each is: 1 - (1 - a)(1 - b), as if they erred independently.

    Returns:
        In [0, 1]; None when nothing is known. Without a score, the factors of the failures of a
        leaf with a text are applied to 1.
    """
    factor = _FAILED**failed_checks
    if status == "invalid":
        factor *= _INVALID
    if not repeated:
        factor *= _REPEATED_DIFFERENTLY
    if score is not None:
        own: float | None = score * factor
    else:
        own = factor if factor < 1 and status in {"found", "invalid"} else None
    if own is None or agreeing is None:
        return own if agreeing is None else agreeing
    return 1 - (1 - own) * (1 - agreeing)


def is_accepted(
    pattern: str, confidence: float | None, accept_at: Mapping[str, float] | None
) -> bool | None:
    """Tell whether a leaf's confidence reaches its threshold.

    Args:
        pattern: The pattern of its path, `items[].amount`.
        confidence: Its confidence; None, an unknown one, reaches no threshold.
        accept_at: The thresholds by pattern; "*" stands for all others.

    Returns:
        None where it has no threshold.
    """
    thresholds = accept_at or {}
    least = thresholds.get(pattern, thresholds.get(_OTHERS))
    if least is None:
        return None
    return confidence is not None and confidence >= least
