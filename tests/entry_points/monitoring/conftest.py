"""A store of its own for each test, whose traces are there at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of `mlflow.db` and the artifacts."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    shutil.copy(empty_store, tmp_path)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = mlflow.create_experiment("test", artifact_location=str(tmp_path / "artifacts"))
    mlflow.set_experiment(experiment_id=experiment)
    yield tmp_path
    mlflow.clear_active_model()
    # What is active outlives the store: let it be what every store has.
    mlflow.set_tracking_uri(f"sqlite:///{empty_store}")
    mlflow.set_experiment(experiment_id="0")
    mlflow.set_tracking_uri(before)
