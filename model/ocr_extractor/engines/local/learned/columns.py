"""Named columns of features, and the matrix of them that a model gets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Values = NDArray[np.float64]
Whole = NDArray[np.intp]
Columns = dict[str, Values]
"""A column of values, one a row, by its name; the order is the model's."""


def matrix(columns: Mapping[str, Values]) -> Floats:
    """Return the (rows, columns) matrix of some columns."""
    return np.column_stack(list(columns.values())).astype(np.float32)


def prefixed(prefix: str, columns: Mapping[str, Values]) -> Columns:
    """Return the columns with longer names."""
    return {f"{prefix} {name}": values for name, values in columns.items()}


def taken(columns: Mapping[str, Values], rows: Whole) -> Columns:
    """Return some rows of the columns; the number -1 (no row) gives zeros."""
    there = rows >= 0
    return {name: np.where(there, values[rows], 0.0) for name, values in columns.items()}
