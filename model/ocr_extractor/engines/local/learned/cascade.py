"""The stages from a page's words to its candidates, each a question to a model.

Reading a page and training the models use the same code: `understand` yields questions, and its
caller answers with probabilities, from the weights or from models in training.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ocr_extractor.engines.local.learned.candidates import PairCandidate, bonds, find_candidates
from ocr_extractor.engines.local.learned.columns import Floats, Whole, matrix
from ocr_extractor.engines.local.learned.competition import rival_columns
from ocr_extractor.engines.local.learned.geometry import measure_geometry
from ocr_extractor.engines.local.learned.labelling import segment_columns
from ocr_extractor.engines.local.learned.page_features import PageFeatures, mark_rules
from ocr_extractor.engines.local.learned.pairing import near_pairs, pair_columns
from ocr_extractor.engines.local.learned.ranking import candidate_columns
from ocr_extractor.engines.local.learned.segmentation import (
    boundaries,
    cut_columns,
    cut_lines,
    find_lines,
)
from ocr_extractor.engines.local.learned.shape import gram_numbers
from ocr_extractor.engines.local.rules import apply_rules
from ocr_extractor.ocr.words import union

if TYPE_CHECKING:
    from ocr_extractor.engines.local.learned.columns import Columns
    from ocr_extractor.engines.local.learned.ink import Ink
    from ocr_extractor.engines.local.learned.segmentation import LearnedSegment
    from ocr_extractor.ocr.words import Word

Stage = Literal["cut", "text", "label", "link", "join", "pair", "rival"]
STAGES: tuple[Stage, ...] = ("cut", "text", "label", "link", "join", "pair", "rival")
TREES: tuple[Stage, ...] = ("cut", "label", "link", "join", "pair", "rival")
"""The stages whose models are trees; that of "text" is a table of n-grams."""


@dataclass(frozen=True)
class Ask:
    """A question to a stage's model.

    Attributes:
        stage: The stage.
        rows: (rows, features); of "text" (rows, n-grams), as `gram_numbers` returns them.
        names: The features' names.
        about: What each row is about: for "cut" (atom, next atom), for "text" and "label" a
            segment, for "link" and "join" (segment, segment), for "pair" and "rival" a candidate.
    """

    stage: Stage
    rows: Floats | Whole
    names: tuple[str, ...]
    about: Sequence[Any]


Thoughts = Generator[Ask, Floats, list[tuple[PairCandidate, float]]]
"""Asks and is sent (rows,) probabilities, or (rows, labels) for "text" and "label"; returns the
candidates with the probability that each is a pair of the form."""


def understand(words: Sequence[Word], ink: Ink) -> Thoughts:
    """Work on a page stage by stage; a stage without rows is skipped.

    Args:
        words: What the OCR read on the page, with `underlined` and `walled` set.
        ink: Features of its pixels.
    """
    lines = find_lines(words, ink)
    borders = boundaries(lines)
    cuts = np.zeros(0, np.float32)
    if borders:
        cuts = yield _ask("cut", cut_columns(lines, ink), borders)
    segments = cut_lines(lines, cuts)
    if len(segments) < 2:
        return []
    features, rules = _lay_out(words, segments, ink)
    text = yield Ask("text", gram_numbers([segment.text for segment in segments]), (), segments)
    labels = yield _ask("label", segment_columns(features, text), segments)
    pairs, nearness = near_pairs(features)
    about = [(segments[first], segments[second]) for first, second in pairs]
    columns = pair_columns(features, labels, pairs, nearness)
    links = yield _ask("link", columns, about)
    joins = yield _ask("join", columns, about)
    bond = bonds(features.size, pairs, links, joins)
    candidates = find_candidates(features, bond, rules)
    if not candidates:
        return []
    columns = candidate_columns(features, text, labels, bond, candidates)
    chances = yield _ask("pair", columns, candidates)
    columns |= rival_columns(features, candidates, chances)
    chances = yield _ask("rival", columns, candidates)
    return list(zip(candidates, chances.tolist(), strict=True))


def _ask(stage: Stage, columns: Columns, about: Sequence[Any]) -> Ask:
    return Ask(stage, matrix(columns), tuple(columns), about)


def _lay_out(
    words: Sequence[Word], segments: tuple[LearnedSegment, ...], ink: Ink
) -> tuple[PageFeatures, list[PairCandidate]]:
    """Place the segments, and find those of the pairs that the geometric rules see."""
    geometry = measure_geometry(segments)
    links = apply_rules(words)
    boxes = [(question.box, [part.box for part in answer]) for question, answer in links.items()]
    said, groups = mark_rules(boxes, geometry)
    rules = [
        PairCandidate(
            *group,
            texts=(question.text, " ".join(part.text for part in answer)),
            boxes=(question.box, union(part.box for part in answer)),
            sources=frozenset({"rules", "cut by rules"}),
        )
        for group, (question, answer) in zip(groups, links.items(), strict=True)
    ]
    return PageFeatures(segments, geometry, ink, said), rules
