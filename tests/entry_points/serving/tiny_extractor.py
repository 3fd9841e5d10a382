"""A logged extractor that loads at once: every page has one pair, which names the version.

`python -m tests.entry_points.serving.log_tiny` logs versions of it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

# A page, as base64, that is read until the file RELEASED is in the server's folder; the file
# READING says that this has begun.
HELD = "aGVsZA=="
READING, RELEASED = "reading", "released"
# What a server reads of a row, besides its pairs.
ROW = {
    "page_count": 1,
    "error_code": None,
    "error": None,
    "input_tokens": None,
    "output_tokens": None,
    "cached_tokens": None,
    "cost": None,
    "attempts": 0,
    "partial": False,
}


class TinyExtractor(PythonModel):
    """Answers with the setting `answer`; a version without one cannot be used."""

    def load_context(self, context: PythonModelContext) -> None:
        self._answer = context.model_config["answer"]
        if self._answer == "cannot be loaded":
            raise RuntimeError(self._answer)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        if HELD in list(model_input["image"]):
            Path(READING).touch()
            while not Path(RELEASED).exists():
                time.sleep(0.01)
        pair = {"question": "version", "answer": self._answer}
        rows = [ROW | {"doc_id": each, "pairs": [pair]} for each in model_input["doc_id"]]
        if self._answer == "cannot read":
            error = "It reads nothing from http://me:s3cret@host."
            rows = [row | {"error_code": "no_reader", "error": error} for row in rows]
        return pd.DataFrame(rows)

    @staticmethod
    def stopped_by(stop: threading.Event) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    @staticmethod
    def flush_traces(timeout_s: float) -> int:
        return 0

    @staticmethod
    def unwritten_traces() -> dict[str, int]:
        return {}

    @staticmethod
    def traces_dropped() -> int:
        return 0


mlflow.models.set_model(TinyExtractor())
