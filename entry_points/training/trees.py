"""Gradient-boosted trees: how they are grown, and how they are written as weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import lightgbm


@dataclass(frozen=True)
class Growth:
    """How trees are grown.

    Attributes:
        rounds: Trees (for each label).
        leaves: Of a tree.
        rate: Learning rate.
        share: Of the features that a tree may use.
        least: Rows of a leaf.
    """

    rounds: int
    leaves: int
    rate: float
    share: float
    least: int = 20


def tree_parameters(growth: Growth, seed: int) -> dict[str, Any]:
    """Return LightGBM's parameters but the objective; the same seed gives the same trees."""
    return {
        "num_leaves": growth.leaves,
        "learning_rate": growth.rate,
        "feature_fraction": growth.share,
        "min_data_in_leaf": growth.least,
        "lambda_l2": 5.0,
        "max_bin": 63,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        # Folds are fitted in parallel instead.
        "num_threads": 1,
        "verbosity": -1,
    }


def save_onnx(booster: lightgbm.Booster, name: str, file: Path) -> None:
    """Write trees as an ONNX network of a name."""
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    shape = FloatTensorType([None, booster.num_feature()])
    network: Any = convert_lightgbm(
        booster, name=name, initial_types=[("rows", shape)], zipmap=False
    )
    # They come from a set, whose order differs between processes.
    network.opset_import.sort(key=lambda opset: opset.domain)
    file.write_bytes(network.SerializeToString())
