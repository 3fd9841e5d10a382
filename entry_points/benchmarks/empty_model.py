"""The baseline of startup and serving: an MLflow model that does nothing, told by its file name."""

from __future__ import annotations

from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class EmptyModel(PythonModel):
    """Returns an empty text for every row."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[str]:  # noqa: ARG002
        """Return one empty text a row."""
        return [""] * len(model_input)


set_model(EmptyModel())
