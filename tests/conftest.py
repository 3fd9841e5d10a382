"""What tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# `mlflow run -e test` names its own run and store, and whoever runs the tests may have a key for a
# paid LLM: neither is for the tests.
_NOT_FOR_TESTS = (
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_TRACKING_URI",
    "OPENAI_",
    "AZURE_",
)
for _name in [name for name in os.environ if name.startswith(_NOT_FOR_TESTS)]:
    del os.environ[_name]
# Prices are taken from MLflow's wheel: no test needs the network.
os.environ["MLFLOW_MODEL_CATALOG_URI"] = ""

# A busy machine is no failure.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def funsd_training() -> Path:
    """Return FUNSD's training split; FUNSD_DIR names the folder that holds training_data/."""
    folder = os.environ.get("FUNSD_DIR")
    if not folder:
        pytest.skip("FUNSD_DIR is not set: the download entry point fetches FUNSD")
    return Path(folder) / "training_data"
