"""Words to pairs with a confidence, by the trained stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ocr_extractor.contract import Pair
from ocr_extractor.engines.local.learned.candidates import select
from ocr_extractor.engines.local.learned.cascade import understand
from ocr_extractor.engines.local.learned.geometry import reading_order
from ocr_extractor.engines.local.learned.ink import find_ink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from ocr_extractor.engines.local.learned.candidates import PairCandidate
    from ocr_extractor.engines.local.learned.cascade import Thoughts
    from ocr_extractor.engines.local.learned.weights import Weights
    from ocr_extractor.ocr.words import Word


def link(
    words: Sequence[Word], image: Image.Image, weights: Weights, page: int
) -> tuple[Pair, ...]:
    """Find the question-answer pairs of a page, whose words have `underlined` and `walled` set.

    Returns:
        Pairs in reading order of their questions, with boxes and confidence.
    """
    if not words:
        return ()
    scored = _drive(understand(words, find_ink(words, image)), weights)
    candidates = [candidate for candidate, _ in scored]
    chosen = select(candidates, [score for _, score in scored], weights.decision.least)
    boxes = np.array([candidate.boxes[0] for candidate in candidates], np.float64)
    ordered = (scored[number] for number in reading_order(chosen, boxes))
    return tuple(
        Pair(*candidate.texts, page, weights.decision.confidence(score), *candidate.boxes)
        for candidate, score in ordered
    )


def _drive(thoughts: Thoughts, weights: Weights) -> list[tuple[PairCandidate, float]]:
    """Answer all questions of a page; return its candidates with their scores."""
    try:
        ask = next(thoughts)
        while True:
            ask = thoughts.send(weights.answer(ask))
    except StopIteration as end:
        result: list[tuple[PairCandidate, float]] = end.value
        return result
