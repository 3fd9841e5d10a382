"""How much speaks for a leaf, from what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocr_extractor.contract import Status

_FAILED = 0.5
"""What a check that failed leaves of the confidence: it tells that one of its values is wrong."""

_INVALID = 0.2
"""What a text that could not be normalised leaves: it was misread, or is another field's."""

_OTHERS = "*"


def confidence_of(status: Status, score: float | None, failed_checks: int) -> float | None:
    """Return the confidence of a leaf.

    It is the score of its evidence, times 0.5 for each check that failed, times 0.2 for a text that
    could not be normalised. A better score or one failure less never lowers it. It orders leaves;
    what precision it stands for is measured on documents whose values are known.

    Args:
        status: What became of the leaf.
        score: How well its text agrees with the page, or how sure the engine is, [0, 1]; None when
            unknown.
        failed_checks: How many checks that use it failed.

    Returns:
        In [0, 1]; None when nothing is known. A leaf with a text, of which only failures are known,
        has them off 1.
    """
    has_text = status in {"found", "invalid"}
    if score is None and not (has_text and (failed_checks or status == "invalid")):
        return None
    known = 1.0 if score is None else score
    return known * _FAILED**failed_checks * (_INVALID if status == "invalid" else 1.0)


def is_accepted(
    pattern: str, confidence: float | None, accept_at: Mapping[str, float] | None
) -> bool | None:
    """Say whether a leaf's confidence reaches what is asked for.

    Args:
        pattern: Of its path, `items[].amount`.
        confidence: Its own; an unknown one reaches nothing.
        accept_at: The least confidence by pattern; "*" stands for all others.

    Returns:
        None where nothing is asked for.
    """
    asked = accept_at or {}
    least = asked.get(pattern, asked.get(_OTHERS))
    if least is None:
        return None
    return confidence is not None and confidence >= least
