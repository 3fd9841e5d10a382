"""A model that reads fields without reading: the truth of a folder, with the errors it is told of.

It has the interface of the logged extractor, so that what evaluates extractors can be tried with
exact errors.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from PIL import Image

SURE, UNSURE = 0.95, 0.4


class TrueFields(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Its `model_config` has `truth` (a folder), and `wrong` (values by doc_id and path).

    A wrong value of "FAIL" makes the document fail; "ROW" in place of a path leaves out the last
    row of `items`. Without the setting `schema` it is a model without one.
    """

    def load_context(self, context: Any) -> None:
        self._config = context.model_config

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        return pd.DataFrame([self._traced(doc_id) for doc_id in model_input["doc_id"]])

    def pages(self, data: bytes) -> list[Image.Image]:
        if data.startswith(b"%PDF"):
            return [Image.new("L", (1240, 1754), 255)] * 2
        return [Image.open(io.BytesIO(data)).convert("L")]

    def reads_fields(self) -> bool:
        return bool(self._config["schema"])

    def estimate(self, documents: Any, output_tokens_per_page: float) -> None:
        return None

    def flush_traces(self, seconds: float) -> int:
        return 0

    def unwritten_traces(self) -> dict[str, int]:
        return {}

    def _traced(self, doc_id: str) -> dict[str, Any]:
        with mlflow.start_span("read") as span:
            span.set_inputs({"doc_id": doc_id})
            row = self._row(doc_id)
            if self._config["trace_content"] == "full":
                span.set_outputs(row)
        return row

    def _row(self, doc_id: str) -> dict[str, Any]:
        folder, wrong = Path(self._config["truth"]), self._config["wrong"].get(doc_id, {})
        values = json.loads((folder / "fields" / f"{doc_id}.json").read_text(encoding="utf-8"))
        assert self.reads_fields(), "nothing may be read"
        failed = "FAIL" in wrong
        if "ROW" in wrong:
            values["items"].pop()
        for path, value in wrong.items():
            if path in values:
                values[path] = value
        boxes = json.loads((folder / "boxes" / f"{doc_id}.json").read_text(encoding="utf-8"))
        accept_at = self._config["accept_at"] or {}
        leaves = [] if failed else list(_leaves(values, "", boxes, wrong, accept_at))
        return {
            "doc_id": doc_id,
            "pairs": [],
            "values": None if failed else json.dumps(values),
            "fields": None if failed else leaves,
            "page_count": None if failed else 1,
            "error_code": "image_truncated" if failed else None,
            "error": "The image is cut off." if failed else None,
            "input_tokens": None,
            "output_tokens": None,
            "cached_tokens": None,
            "attempts": 0,
            "cache_hits": 0,
            "cost": None,
        }


def _leaves(value: Any, path: str, boxes: Any, wrong: Any, accept_at: Any) -> Any:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name, boxes, wrong, accept_at)
        return
    found, place = value is not None, boxes.get(path)
    confidence = UNSURE if path in wrong else SURE
    is_table = isinstance(value, list)
    yield {
        "path": path,
        "value": json.dumps(value) if found and not is_table else None,
        "raw": str(value) if found and not is_table else None,
        "status": "found" if found else "absent",
        "page": place[0] if place else None,
        "box": place[1:] if place else None,
        "confidence": None if is_table else confidence,
        "grounded": None,
        "checks": ["tax_total <= total"] if path in wrong else [],
        "accepted": confidence >= accept_at[path] if path in accept_at else None,
    }
    if is_table:
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{number}]", boxes, wrong, accept_at)


mlflow.models.set_model(TrueFields())
