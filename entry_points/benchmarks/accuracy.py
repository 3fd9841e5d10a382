"""Suite `accuracy`: how many pairs the local engine reads right, against simpler ways to read."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from mlflow import MlflowClient

from entry_points.benchmarks.lines import Line, Sample
from entry_points.benchmarks.stage import Stage

_METRIC = "pair_f1"
_AGAINST = {
    "tesseract": "Tesseract + colon",
    "colon": "RapidOCR + colon",
    "rules": "RapidOCR + rules",
}
# So many at a scale just below 1; at 1 they are all.
_FORMS = 20


def accuracy(stage: Stage, models: Mapping[str, str]) -> list[Line]:
    """Score the logged local engine with the entry point evaluate, and simpler readers.

    Args:
        stage: Where to run.
        models: The URIs of the logged models.
    """
    limit = stage.limit(_FORMS)
    simple = stage.child("simple_readers", stage.dataset, limit)
    ours = Sample.of(_evaluate(stage, models["local"], limit))
    return [
        Line("accuracy", "local engine", _METRIC, ours, title, Sample.of(simple[name]))
        for name, title in _AGAINST.items()
        if name in simple
    ]


def _evaluate(stage: Stage, model_uri: str, limit: str) -> float:
    words = [sys.executable, "-m", "entry_points.evaluate", "--model-uri", model_uri]
    stage.run([*words, "--dataset", str(stage.dataset), "--limit", limit, "--cache", "none"])
    client = MlflowClient(stage.environment()["MLFLOW_TRACKING_URI"])
    [newest] = client.search_runs(["0"], order_by=["attributes.start_time DESC"], max_results=1)
    return float(newest.data.metrics[_METRIC])
