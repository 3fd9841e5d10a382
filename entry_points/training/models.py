"""The stages' models: gradient-boosted trees and a linear one, fitted and written as weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from entry_points.training.trees import Growth, save_onnx, tree_parameters
from ocr_extractor.engines.local.learned.page_features import LABELS
from ocr_extractor.engines.local.learned.shape import GRAMS
from ocr_extractor.engines.local.learned.weights import TextTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from entry_points.training.truth import Targets
    from ocr_extractor.engines.local.learned.cascade import Ask, Stage
    from ocr_extractor.engines.local.learned.columns import Floats


_GROWTH: dict[Stage, Growth] = {
    "cut": Growth(200, 15, 0.06, 0.4),
    "label": Growth(120, 15, 0.07, 0.3),
    "link": Growth(150, 31, 0.06, 0.3),
    "join": Growth(150, 31, 0.06, 0.3),
    "pair": Growth(200, 15, 0.05, 0.4),
    "rival": Growth(150, 15, 0.05, 0.4),
}
_TEXT_STRENGTH = 6.0


def fit(asks: Sequence[Ask], targets: Sequence[Targets], seed: int) -> Model:
    """Fit a stage's model.

    Args:
        asks: The questions of one stage, at least one.
        targets: The right answers, a row each.
        seed: Draws rows and features.
    """
    stage = asks[0].stage
    if stage == "text":
        return _fit_text(asks, np.concatenate(targets))
    growth = _GROWTH[stage]
    labels = {"num_class": len(LABELS)} if stage == "label" else {}
    parameters = {
        "objective": "multiclass" if labels else "binary",
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        **tree_parameters(growth, seed),
        **labels,
    }
    rows = np.concatenate([ask.rows for ask in asks])
    data = lightgbm.Dataset(rows, np.concatenate(targets))
    booster = lightgbm.train(parameters, data, growth.rounds)
    return TreeModel(stage, booster, asks[0].names)


@dataclass(frozen=True)
class TreeModel:
    """Gradient-boosted trees.

    Attributes:
        stage: The stage they answer for.
        booster: LightGBM's.
        names: The features' names.
    """

    stage: Stage
    booster: lightgbm.Booster
    names: tuple[str, ...]

    def answer(self, ask: Ask) -> Floats:
        """Return (rows,) probabilities, or (rows, labels) for "label"."""
        return np.asarray(self.booster.predict(ask.rows, num_threads=1), np.float32)

    def save(self, folder: Path) -> None:
        """Write them as ONNX."""
        save_onnx(self.booster, self.stage, folder / f"{self.stage}.onnx")

    def importances(self) -> dict[str, float]:
        """Return each feature's share of the gain, [0, 1]."""
        gain: NDArray[np.float64] = self.booster.feature_importance("gain")
        return dict(zip(self.names, (gain / max(gain.sum(), 1e-9)).tolist(), strict=True))


@dataclass(frozen=True)
class TextModel:
    """The n-grams' linear model."""

    table: TextTable

    def answer(self, ask: Ask) -> Floats:
        """Return (rows, labels) probabilities."""
        return self.table.predict(ask.rows)  # type: ignore[arg-type]

    def save(self, folder: Path) -> None:
        """Write its table."""
        self.table.save(folder)

    def importances(self) -> dict[str, float]:
        """Return nothing: the gain of single n-grams has no meaning."""
        return {}


Model = TreeModel | TextModel
"""A fitted model of one stage."""


def _fit_text(asks: Sequence[Ask], targets: Targets) -> TextModel:
    counts = np.concatenate([(ask.rows >= 0).sum(axis=1) for ask in asks])
    grams = np.concatenate([ask.rows[ask.rows >= 0] for ask in asks])
    values = np.repeat(1 / np.sqrt(counts), counts)
    starts = np.concatenate([[0], np.cumsum(counts)])
    texts = csr_matrix((values, grams, starts), shape=(len(counts), GRAMS))
    model = LogisticRegression(C=_TEXT_STRENGTH, max_iter=100, tol=1e-3).fit(texts, targets)
    # For two labels scikit-learn returns one row, the odds of the second.
    both = len(model.classes_) == 2
    rows = np.vstack([-model.coef_ / 2, model.coef_ / 2]) if both else model.coef_
    shift = np.array([-0.5, 0.5]) * model.intercept_ if both else model.intercept_
    # A label that no form has keeps weights of zero, so it is never likely.
    weights = np.zeros((GRAMS, len(LABELS)), np.float32)
    bias = np.full(len(LABELS), -20.0, np.float32)
    weights[:, model.classes_] = rows.T
    bias[model.classes_] = shift
    return TextModel(TextTable(weights, bias))
