"""Extractors that were logged by another release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from entry_points.command_line.cli import UsageError
from entry_points.logged_models.loading import load_extractor

SCRIPT = """
import mlflow

class Extractor(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[str]):
        return model_input

mlflow.models.set_model(Extractor())
"""


def test_an_extractor_of_an_earlier_release_is_refused_by_name(
    tmp_path: Path, track_at: Callable[[str], None], empty_store: Path
):
    (tmp_path / "mlflow.db").write_bytes(empty_store.read_bytes())
    track_at(f"sqlite:///{tmp_path / 'mlflow.db'}")
    script = tmp_path / "model.py"
    script.write_text(SCRIPT)
    info = mlflow.pyfunc.log_model(
        name="extractor",
        python_model=str(script),
        model_config={"engine": "local"},
        pip_requirements=["mlflow"],
    )
    with pytest.raises(
        UsageError, match=r"was logged by an earlier release, without .*unwritten_traces"
    ):
        load_extractor(info.model_uri)
