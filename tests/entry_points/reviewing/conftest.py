"""A tracking store for reviews."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import pytest


@pytest.fixture
def experiment(tmp_path: Path, empty_store: Path):
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield mlflow.create_experiment("reviews", (tmp_path / "artifacts").as_uri())
    mlflow.set_experiment(experiment_id="0")  # what is active outlives the store
    mlflow.set_tracking_uri(before)
