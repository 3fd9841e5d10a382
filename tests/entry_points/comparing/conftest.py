"""A registry with one model, for each test."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient


@pytest.fixture(scope="session")
def client(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    folder: Path = tmp_path_factory.mktemp("registry")
    shutil.copy(empty_store, folder)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(uri, uri)
    client.create_experiment("promotions", (folder / "artifacts").as_uri())
    return client


@pytest.fixture
def name(client: MlflowClient, request: pytest.FixtureRequest) -> str:
    """A registered model with one version."""
    name = str(request.node.name).translate(str.maketrans("[]{}", "----"))
    client.create_registered_model(name)
    add_version(client, name)
    return name


def experiment_id(client: MlflowClient) -> str:
    """Return the id of the experiment whose artifacts lie beside the store."""
    experiment = client.get_experiment_by_name("promotions")
    assert experiment is not None
    return str(experiment.experiment_id)


def new_run(client: MlflowClient) -> str:
    """Return the id of a new run."""
    return str(client.create_run(experiment_id(client)).info.run_id)


def add_version(client: MlflowClient, name: str) -> str:
    """Register another version, logged by a run of its own; return the run's id."""
    run_id = new_run(client)
    client.create_model_version(name, "runs:/x/y", run_id)
    return run_id


def log_extractor(name: str, prompt_uri: str, folder: Path, engine: str = "openai") -> None:
    """Log and register one more version, which reads nothing, within the active run."""
    code = folder / "nothing.py"
    code.write_text(
        "import mlflow\n"
        "class Nothing(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return []\n"
        "mlflow.models.set_model(Nothing())\n"
    )
    mlflow.pyfunc.log_model(
        name="extractor",
        python_model=str(code),
        model_config={"engine": engine, "prompt_uri": prompt_uri},
        pip_requirements=["mlflow"],
        registered_model_name=name,
    )


def run_of_version(client: MlflowClient, name: str, version: str) -> str:
    """Return the id of the run that has logged a version."""
    return str(client.get_model_version(name, version).run_id)


def collect_garbage(client: MlflowClient, *run_ids: str) -> None:
    """Delete runs for good, with `mlflow gc`."""
    for run_id in run_ids:
        client.delete_run(run_id)
    uri = client.tracking_uri
    stores = ("--backend-store-uri", uri, "--tracking-uri", uri)
    subprocess.run(
        [sys.executable, "-m", "mlflow", "gc", *stores, "--run-ids", ",".join(run_ids)], check=True
    )
