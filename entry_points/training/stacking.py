"""Fits all stages, each on the out-of-fold answers of the stages before it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.isotonic import IsotonicRegression

from entry_points.training.models import fit
from ocr_extractor.engines.local.learned.candidates import select
from ocr_extractor.engines.local.learned.cascade import STAGES, understand
from ocr_extractor.engines.local.learned.weights import Decision

if TYPE_CHECKING:
    from pathlib import Path

    from entry_points.training.models import Model
    from entry_points.training.pages import TrainingPage
    from entry_points.training.truth import Targets
    from ocr_extractor.engines.local.learned.candidates import PairCandidate
    from ocr_extractor.engines.local.learned.cascade import Ask, Stage, Thoughts
    from ocr_extractor.engines.local.learned.columns import Floats

Scored = list[tuple["PairCandidate", float]]
"""A page's candidates with the probability of each."""

Observe = Callable[["Ask", "Floats", "Targets"], None]
"""Called with a question, the answer of a model, and the right answer."""

_LEAST = tuple(np.arange(0.1, 0.45, 0.05).round(2).tolist())

_AS_GOOD = 1.01
"""Allowed multiple of the least 1 - F1: a low confidence marks a doubtful pair, nothing marks a
missing one."""


@dataclass(frozen=True)
class Trained:
    """The trained models of the local engine.

    Attributes:
        models: By stage.
        decision: How their probabilities become pairs.
    """

    models: Mapping[Stage, Model]
    decision: Decision

    def score(self, page: TrainingPage, observe: Observe) -> Scored:
        """Return a page's candidates with their probabilities."""
        walk = _Walk(page)
        while walk.ask is not None:
            answer = self.models[walk.ask.stage].answer(walk.ask)
            observe(walk.ask, answer, walk.targets())
            walk.go_on(answer)
        return walk.scored

    def save(self, folder: Path) -> None:
        """Write a folder of weights."""
        for model in self.models.values():
            model.save(folder)
        self.decision.save(folder)


class _Walk:
    """A page on its way through the stages."""

    def __init__(self, page: TrainingPage) -> None:
        self.page = page
        self.ask: Ask | None = None
        self.scored: Scored = []
        self._thoughts: Thoughts = understand(page.words, page.ink)
        self._step(lambda: next(self._thoughts))

    def go_on(self, answer: Floats) -> None:
        """Answer the current question; then `ask` has the next one, or `scored` the result."""
        self._step(lambda: self._thoughts.send(answer))

    def targets(self) -> Targets:
        """Return the right answers to the current question."""
        assert self.ask is not None  # noqa: S101 - asked only while there is one
        return self.page.truth.targets(self.ask)

    def _step(self, move: Callable[[], Ask]) -> None:
        try:
            self.ask = move()
        except StopIteration as end:
            self.ask, self.scored = None, end.value


def fold_of(form_ids: Sequence[str], folds: int, seed: int) -> dict[str, int]:
    """Deal forms into folds of about the same size.

    Returns:
        The number of its fold, from 0, by form id.
    """
    dealt = sorted(set(form_ids))
    random.Random(seed).shuffle(dealt)  # noqa: S311
    return {form_id: place % folds for place, form_id in enumerate(dealt)}


def fits_of(folds: int) -> int:
    """Return how many models `train_stages` fits."""
    return len(STAGES) * (folds + 1)


def train_stages(
    pages: Sequence[TrainingPage], folds: int, seed: int, fitted: Callable[[], object]
) -> Trained:
    """Fit all stages on some pages.

    The stages of a page use the answers of models that have not seen its form, so that later
    stages learn from answers of the quality to expect on new forms.

    Args:
        pages: The pages.
        folds: Number of parts of the forms for that, from 2.
        seed: Deals the forms, and draws rows and features.
        fitted: Called after each fit.
    """
    walks = [_Walk(page) for page in pages]
    fold = fold_of([page.form.form_id for page in pages], folds, seed)
    models: dict[Stage, Model] = {}
    for stage in STAGES:
        here = [walk for walk in walks if walk.ask is not None and walk.ask.stage == stage]
        lessons = [_Lesson.of(walk, fold[walk.page.form.form_id]) for walk in here]
        *apart, models[stage] = _fit_apart(lessons, folds, seed, fitted)
        for walk, lesson in zip(here, lessons, strict=True):
            walk.go_on(apart[lesson.fold].answer(lesson.ask))
    return Trained(models, _decide(walks))


@dataclass(frozen=True)
class _Lesson:
    """A question, the right answers, and the fold of its form."""

    ask: Ask
    targets: Targets
    fold: int

    @classmethod
    def of(cls, walk: _Walk, fold: int) -> _Lesson:
        assert walk.ask is not None  # noqa: S101 - only such walks are learned from
        return cls(walk.ask, walk.targets(), fold)


def _fit_apart(
    lessons: Sequence[_Lesson], folds: int, seed: int, fitted: Callable[[], object]
) -> list[Model]:
    """Fit a model without each of the folds, and one on everything."""

    def fit_without(left_out: int | None) -> Model:
        kept = [lesson for lesson in lessons if lesson.fold != left_out]
        asks, targets = [each.ask for each in kept], [each.targets for each in kept]
        model = fit(asks, targets, seed)
        fitted()
        return model

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(fit_without, [*range(folds), None]))


def _decide(walks: Sequence[_Walk]) -> Decision:
    """Choose the lowest of the best probability limits for pairs, and calibrate."""
    right = [walk.page.truth.are_pairs([each for each, _ in walk.scored]) for walk in walks]
    true = sum(walk.page.truth.pairs for walk in walks)

    def f1(least: float) -> float:
        chosen = [_choose(walk.scored, least) for walk in walks]
        hits = sum(of[n] for of, numbers in zip(right, chosen, strict=True) for n in numbers)
        return float(2 * hits / max(1, sum(map(len, chosen)) + true))

    lost = {least: 1 - f1(least) for least in _LEAST}
    least = min(each for each in _LEAST if lost[each] <= _AS_GOOD * min(lost.values()))
    scores, hits = [], []
    for walk, of in zip(walks, right, strict=True):
        for number in _choose(walk.scored, least):
            scores.append(walk.scored[number][1])
            hits.append(of[number])
    if not hits:
        return Decision(least, (0.0,), (0.0,))
    scale = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, hits)
    return Decision(
        least,
        tuple(scale.X_thresholds_.round(4).tolist()),
        tuple(scale.y_thresholds_.round(4).tolist()),
    )


def _choose(scored: Scored, least: float) -> list[int]:
    return select([candidate for candidate, _ in scored], [score for _, score in scored], least)
