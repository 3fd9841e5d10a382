"""What tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

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
