"""A registry with one model, for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    folder: Path = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return MlflowClient(uri, uri)


@pytest.fixture
def name(client: MlflowClient, request: pytest.FixtureRequest) -> str:
    """A registered model with one version."""
    name = str(request.node.name)
    run = client.create_run("0")
    client.create_registered_model(name)
    client.create_model_version(name, "runs:/x/y", run.info.run_id)
    return name
