"""The baselines of startup and serving: an MLflow model that does nothing, or only asks an LLM.

MLflow copies this file into the logged model; what it imports at the top is loaded with the model.
"""

from __future__ import annotations

import os
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class BaselineModel(PythonModel):
    """Returns one text for each row: the LLM's answer or, as `model_config` says, an empty one."""

    def load_context(self, context: Any) -> None:
        """Build the client of the LLM at OPENAI_BASE_URL, if the model asks one."""
        self._client = None
        if context.model_config["asks_llm"]:
            from entry_points.benchmarks.models import BareClient

            self._client = BareClient(os.environ["OPENAI_BASE_URL"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[str]:  # noqa: ARG002
        """Return one text for each row."""
        if self._client is None:
            return [""] * len(model_input)
        return [str(self._client.read(document)) for document in model_input["image"]]


set_model(BaselineModel())
