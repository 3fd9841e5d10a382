"""Writes a person's review to the traces of the predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mlflow
from mlflow.entities import AssessmentSource, AssessmentSourceType, Trace

from data.annotations import LabelledPair

Truth = Sequence[LabelledPair] | Mapping[str, Any]
"""The true pairs of a document, or its true values in the schema's shape."""


class Traces:
    """The traces of an experiment, found by the document and the pairs that they hold.

    Predictions do not name their trace. A trace belongs to a prediction if its output has the same
    pairs; with `trace_content=metadata`, traces have no pairs, so none is found.
    """

    def __init__(self, experiment_id: str) -> None:
        """List the traces; their contents are read on demand."""
        self._ids: dict[str | None, list[str]] = {}
        for trace in mlflow.search_traces(
            locations=[experiment_id], include_spans=False, return_type="list"
        ):
            self._ids.setdefault(trace.info.request_preview, []).append(trace.info.trace_id)

    def find(self, row: Mapping[str, Any]) -> str | None:
        """Return the id of the newest trace of a prediction, None when there is none."""
        traces = map(mlflow.get_trace, self._ids.get(row["doc_id"], ()))
        return next((each.info.trace_id for each in traces if each and _holds(each, row)), None)


def _holds(trace: Trace, row: Mapping[str, Any]) -> bool:
    outputs = trace.data.spans[0].outputs
    read = ("pairs", "values")
    return isinstance(outputs, dict) and all(outputs.get(each) == row.get(each) for each in read)


def _expectation(truth: Truth) -> tuple[str, Any]:
    if isinstance(truth, Mapping):
        return "values", dict(truth)
    return "pairs", [{"question": pair.question, "answer": pair.answer} for pair in truth]


def log_review(trace_id: str, truth: Truth, kept: int, read: int, who: str) -> None:
    """Log what is true as an expectation, and how much of the prediction is.

    Args:
        trace_id: The prediction's trace.
        truth: The true pairs, or the true values.
        kept: How many of the predicted pairs or values were accepted as they were.
        read: How many were predicted.
        who: The person who has reviewed it.
    """
    source = AssessmentSource(AssessmentSourceType.HUMAN, who)
    name, value = _expectation(truth)
    mlflow.log_expectation(trace_id=trace_id, name=name, value=value, source=source)
    mlflow.log_feedback(
        trace_id=trace_id,
        name=f"{name}_accepted",
        value=kept / read if read else float(not truth),
        rationale=f"{kept} of {read} predicted {name} are right as they are",
        source=source,
    )
