"""A store of its own for each test, whose traces are there at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.pyfunc.context import Context, set_prediction_context

from tests.conftest import MakeOnce, copy_project
from tests.entry_points.monitoring.production import EVALUATED, Production, StatedEngine, pages


@pytest.fixture
def at_once(empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Write traces when they end; what is active does not outlive the test's store."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    before = mlflow.get_tracking_uri()
    yield
    mlflow.clear_active_model()
    mlflow.set_tracking_uri(f"sqlite:///{empty_store}")
    mlflow.set_experiment(experiment_id="0")
    mlflow.set_tracking_uri(before)


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, at_once: None) -> Path:
    """The folder of an empty `mlflow.db`, and of the artifacts."""
    make_store(empty_store, tmp_path)
    return tmp_path


@pytest.fixture
def evaluated(make_once: MakeOnce, empty_store: Path, tmp_path: Path, at_once: None) -> Production:
    """A model that was promoted on an evaluation; its store is `tmp_path / "mlflow.db"`."""

    def fill(folder: Path) -> None:
        make_store(empty_store, folder)
        production = Production.begin()
        evaluation = set_prediction_context(Context(request_id="evaluated", is_evaluate=True))
        with mlflow.start_run() as run, evaluation:
            production.read(pages(EVALUATED, "evaluated"), StatedEngine())
        production.promote_on(run.info.run_id)

    copy_project(make_once("monitored", fill), tmp_path)
    use_store(tmp_path)
    return Production()


def make_store(empty_store: Path, folder: Path) -> None:
    shutil.copy(empty_store, folder)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.create_experiment("test", artifact_location=str(folder / "artifacts"))
    use_store(folder)


def use_store(folder: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.set_experiment("test")
