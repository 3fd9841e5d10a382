"""The true answers to the stages' questions about a page, taken from its annotation."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from entry_points.scoring.matching import FUZZY_SIMILARITY, normalise, similarities
from ocr_extractor.engines.local.learned.page_features import LABELS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from data.forms import Entity, Form
    from ocr_extractor.engines.local.learned.candidates import PairCandidate
    from ocr_extractor.engines.local.learned.cascade import Ask
    from ocr_extractor.engines.local.learned.segmentation import Atom, LearnedSegment

Targets = NDArray[np.intp]

_SLACK = 2
"""px by which the middle of a word may lie outside of its annotated box."""


class PageTruth:
    """One page of an annotated form."""

    def __init__(self, form: Form, page: int) -> None:
        entities = [entity for entity in form.entities if entity.page == page]
        placed = [(e, w.box) for e in entities for w in e.words if w.text.strip()]
        self._entities = [entity for entity, _ in placed]
        self._boxes = np.array([box for _, box in placed], np.float64).reshape(-1, 4)
        answers = form.answers()
        self._links = {(question, each) for question, of in answers.items() for each in of}
        pairs = [pair for pair in form.pairs() if pair.page == page]
        self._questions = [normalise(pair.question) for pair in pairs]
        self._answers = [normalise(pair.answer) for pair in pairs]
        self._of_segment = cache(self._find_entity)

    def targets(self, ask: Ask) -> Targets:
        """Return the right answer of each row: the number of a label, or 1 for yes and 0 for no."""
        if ask.stage in ("text", "label"):
            return np.array([self._label(segment) for segment in ask.about], np.intp)
        if ask.stage in ("pair", "rival"):
            return self.are_pairs(ask.about)
        judges: dict[str, Callable[[Any, Any], bool]]
        judges = {"cut": self._is_cut, "link": self._is_link, "join": self._is_join}
        right = judges[ask.stage]
        return np.array([right(*both) for both in ask.about], np.intp)

    def _label(self, segment: LearnedSegment) -> int:
        entity = self._of_segment(segment)
        return LABELS.index(entity.label if entity else "other")

    def _is_cut(self, one: Atom, following: Atom) -> bool:
        return self._at(one.word.box) != self._at(following.word.box)

    def _is_link(self, one: LearnedSegment, other: LearnedSegment) -> bool:
        return (self._of_segment(one), self._of_segment(other)) in self._links

    def _is_join(self, one: LearnedSegment, other: LearnedSegment) -> bool:
        entity = self._of_segment(one)
        return entity is not None and entity is self._of_segment(other)

    @property
    def pairs(self) -> int:
        """How many pairs the page has."""
        return len(self._questions)

    def are_pairs(self, candidates: Sequence[PairCandidate]) -> Targets:
        """Return 1 for each candidate that is as good as a true pair, else 0."""
        if not (self._questions and candidates):
            return np.zeros(len(candidates), np.intp)
        questions, answers = zip(*(each.texts for each in candidates), strict=True)
        same = similarities([*map(normalise, questions)], self._questions) >= FUZZY_SIMILARITY
        same &= similarities([*map(normalise, answers)], self._answers) >= FUZZY_SIMILARITY
        return np.asarray(same.any(axis=1), np.intp)

    def _find_entity(self, segment: LearnedSegment) -> Entity | None:
        """Return the entity that most characters of a segment belong to."""
        votes: Counter[Any] = Counter()
        for atom in segment.atoms:
            votes[self._at(atom.word.box)] += len(atom.word.text)
        [(entity, _)] = votes.most_common(1)
        return entity  # type: ignore[no-any-return]

    def _at(self, box: Sequence[float]) -> Entity | None:
        """Return the entity that has a word at the middle of the box."""
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        x0, y0, x1, y1 = self._boxes.T
        inside = (x0 - _SLACK <= x) & (x <= x1 + _SLACK) & (y0 - _SLACK <= y) & (y <= y1 + _SLACK)
        if not inside.any():
            return None
        # Lines overlap more than words do.
        distance = abs((x0 + x1) / 2 - x) + 3 * abs((y0 + y1) / 2 - y)
        return self._entities[int(np.where(inside, distance, np.inf).argmin())]
