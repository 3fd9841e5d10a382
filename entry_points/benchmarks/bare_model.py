"""The baseline of serving: an MLflow model of a few lines around the bare openai client."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from entry_points.benchmarks.baselines import BareClient


class BareModel(PythonModel):
    """Asks the LLM that OPENAI_BASE_URL names for the pairs of each row."""

    def load_context(self, context: Any) -> None:  # noqa: ARG002
        """Build the client."""
        self._client = BareClient(os.environ["OPENAI_BASE_URL"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[str]:  # noqa: ARG002
        """Return one form a row, as JSON."""
        return [str(self._client.read(document)) for document in model_input["image"]]


set_model(BareModel())
