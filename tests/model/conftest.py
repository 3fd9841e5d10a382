"""What the tests of the model room share: a store and a loopback LLM, both fresh for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from tests.llm_servers.checking import CheckingLlm
from tests.llm_servers.completions import KEY


@pytest.fixture(scope="session", autouse=True)
def quick_and_offline_mlflow(
    empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Store traces at once, where flushing takes seconds, and ask GitHub for no LLM's prices.

    What a test stores without asking for `store` does not land in the checkout.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
        patch.setenv("MLFLOW_MODEL_CATALOG_URI", "")
        stray = shutil.copy(empty_store, tmp_path_factory.mktemp("stray"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{stray}")
        yield


@pytest.fixture
def no_traces() -> Iterator[None]:
    """Nothing is traced, as where a caller has turned tracing off."""
    with mlflow.tracing.context(enabled=False):
        yield


@pytest.fixture(scope="session")
def llm_server() -> Iterator[CheckingLlm]:
    with CheckingLlm() as server:
        yield server


@pytest.fixture
def llm(llm_server: CheckingLlm, monkeypatch: pytest.MonkeyPatch) -> CheckingLlm:
    """The LLM that the environment's key and base URL lead to."""
    llm_server.reset()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", llm_server.base_url)
    return llm_server


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder that holds all that MLflow stores: `mlflow.db`, and artifacts beside it."""
    folder = tmp_path / "store"
    folder.mkdir()
    shutil.copy(empty_store, folder)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = mlflow.create_experiment("test", artifact_location=str(folder / "artifacts"))
    mlflow.set_experiment(experiment_id=experiment)
    yield folder
    # What is active outlives the store: let it be what every store has.
    mlflow.set_tracking_uri(f"sqlite:///{empty_store}")
    mlflow.set_experiment(experiment_id="0")
    mlflow.set_tracking_uri(before)
