"""Fits the ranker of fields: trees whose scores make odds among a field's candidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import lightgbm
import numpy as np
from numpy.typing import NDArray

from entry_points.scoring.counts import Numbers
from entry_points.training.field_lessons import Lesson
from entry_points.training.trees import Growth, save_onnx, tree_parameters
from ocr_extractor.engines.local.fields.feature_names import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Features = NDArray[np.float32]

Describe = Callable[[Lesson], tuple[Features, Numbers]]
"""Returns the rows of a lesson's candidates, and the scores that trees start from."""

_RANDOM, _LABELLED = 40, 20
"""Wrong candidates of a lesson that are learned from: any, and the best labelled."""


@dataclass(frozen=True)
class Rows:
    """The candidates of many lessons.

    Attributes:
        rows: (n, features).
        right: (n,) which are true.
        starts: (lessons,) the first row of each.
        base: (n,) the scores that trees start from.
    """

    rows: Features
    right: NDArray[np.bool_]
    starts: NDArray[np.intp]
    base: Numbers

    @classmethod
    def of(cls, lessons: Sequence[Lesson], rng: np.random.Generator, describe: Describe) -> Rows:
        """Draw rows of the lessons that teach something, at least one.

        Args:
            lessons: What is to be learned.
            rng: Draws among the wrong candidates.
            describe: Gives the features.
        """
        best = NAMES.index("best label of the value")
        parts: list[Rows] = []
        for lesson in lessons:
            if not lesson.right.any() or len(lesson.right) < 2:
                continue
            wrong = np.flatnonzero(~lesson.right[:-1])
            labelled = wrong[np.argsort(-lesson.asked.rows[wrong, best])[:_LABELLED]]
            some = rng.permutation(wrong)[:_RANDOM]
            last = len(lesson.right) - 1
            kept = np.union1d(np.union1d(labelled, some), [*np.flatnonzero(lesson.right), last])
            rows, base = (each[kept] for each in describe(lesson))
            parts.append(cls(rows, lesson.right[kept], np.zeros(1, np.intp), base))
        return cls.joined(parts)

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """Return the rows of several, at least one."""
        begins = np.cumsum([0, *(len(part.right) for part in parts)])
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.right for part in parts]),
            np.concatenate([part.starts + at for part, at in zip(parts, begins, strict=False)]),
            np.concatenate([part.base for part in parts]),
        )


def plain(lesson: Lesson) -> tuple[Features, Numbers]:
    """Describe a lesson for the general ranker."""
    return lesson.asked.rows, np.zeros(len(lesson.asked.rows))


def softmax(scores: Numbers, starts: NDArray[np.intp]) -> Numbers:
    """Return the odds of each row within its lesson."""
    sizes = np.diff(np.append(starts, len(scores)))
    top = np.repeat(np.maximum.reduceat(scores, starts), sizes)
    odds = np.exp(scores - top)
    return np.asarray(odds / np.repeat(np.add.reduceat(odds, starts), sizes))


def fit_trees(
    data: Rows, growth: Growth, seed: int, trends: Sequence[int] = ()
) -> lightgbm.Booster:
    """Fit trees that raise the odds of the true candidates.

    Where several are true, each counts by its own odds: which of them is meant is learned, too.

    Args:
        data: What is learned.
        growth: How the trees are grown.
        seed: Draws features.
        trends: Of each feature 1 where more of it never makes a candidate worse, else 0; empty for
            zeros.
    """
    weights = data.right.astype(np.float64)
    sizes = np.diff(np.append(data.starts, len(weights)))

    def slope(scores: Numbers, _: lightgbm.Dataset) -> tuple[Numbers, Numbers]:
        odds = softmax(scores, data.starts)
        true = odds * weights
        whole = np.repeat(np.add.reduceat(true, data.starts), sizes)
        return odds - true / np.maximum(whole, 1e-12), np.maximum(odds * (1 - odds), 1e-4)

    parameters = {
        "objective": slope,
        "min_sum_hessian_in_leaf": 0.5,
        "monotone_constraints": list(trends) or None,
        **tree_parameters(growth, seed),
    }
    dataset = lightgbm.Dataset(data.rows, weights, init_score=data.base)
    return lightgbm.train(parameters, dataset, growth.rounds)


def save_trees(booster: lightgbm.Booster, file: Path) -> None:
    """Write trees as ONNX."""
    # The objective is our own; what it makes of the scores is in `Ranker`.
    text = booster.model_to_string().replace("[objective: custom]", "[objective: regression]")
    named = text.replace("\nfeature_names=", "\nobjective=regression\nfeature_names=", 1)
    save_onnx(lightgbm.Booster(model_str=named), "fields", file)
