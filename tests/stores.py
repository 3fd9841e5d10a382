"""A tracking store for tests that log in their own process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow


@contextmanager
def own_store(empty_store: Path, folder: Path, experiment: str) -> Iterator[str]:
    """Track into `folder`, which gets `mlflow.db` and artifacts; yield an experiment's id."""
    shutil.copy(empty_store, folder / "mlflow.db")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    yield mlflow.create_experiment(experiment, (folder / "artifacts").as_uri())
    mlflow.set_experiment(experiment_id="0")  # what is active outlives the store
    mlflow.set_tracking_uri(before)
