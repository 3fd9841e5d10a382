"""Reads every form through MLflow's harness: one trace a form, with its scores as assessments."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import mlflow
import pandas as pd
from mlflow.environment_variables import MLFLOW_TRACE_SAMPLING_RATIO
from mlflow.genai.datasets.evaluation_dataset import compute_records_sha256
from mlflow.genai.evaluation import harness
from mlflow.genai.scorers import Scorer
from mlflow.pyfunc import PyFuncModel
from mlflow.utils.mlflow_tags import MLFLOW_GENAI_EVALUATE_DATASET_IDENTITY

from data.forms import Document
from data.funsd import dataset_digest
from data.progress import Progress
from entry_points.command_line.cli import UsageError
from entry_points.command_line.tracking import mlflow_is_quiet
from entry_points.logged_models.calls import CostCeiling, predict_rows
from entry_points.scoring.mlflow_scorer import NOT_BEGUN

# Replaces the row of a form for which predict raised an error.
_RAISED: dict[str, Any] = {
    "pairs": None,
    "values": None,
    "fields": None,
    "page_count": None,
    "error_code": "predict_raised",
    "error": "predict raised: the form's trace says why.",
    "input_tokens": None,
    "output_tokens": None,
    "cached_tokens": None,
    "attempts": 0,
    "cache_hits": 0,
    "cost": None,
}

# Only the engine retries and limits requests: MLflow's own retries are off. The extractor writes
# its own traces, so MLflow need not test that with the first form.
_HARNESS = {
    "MLFLOW_GENAI_EVAL_MAX_RETRIES": "0",
    "MLFLOW_GENAI_EVAL_PREDICT_RATE_LIMIT": "0",
    "MLFLOW_GENAI_EVAL_SKIP_TRACE_VALIDATION": "true",
}


# The forms that this process reads or has read, and whose trace is not known to be in the store.
_unwritten: set[str] = set()


def unwritten_traces() -> int:
    """Return how many forms of this process have no trace in the store."""
    ratio = MLFLOW_TRACE_SAMPLING_RATIO.get()  # type: ignore[no-untyped-call]
    return len(_unwritten) if ratio is None or ratio >= 1 else 0  # MLflow leaves some out


note_trace = _unwritten.discard
"""Note that a form's trace is in the store; it takes the doc_id."""


@dataclass(frozen=True)
class Dataset:
    """The forms to read, and the name of their folder, which MLflow shows."""

    name: str
    forms: Sequence[Document]


def named(dataset: str, digest: str) -> str:
    """Return a dataset's name with the beginning of its content hash: samples@0083c428."""
    return f"{dataset}@{digest[:8]}"


@dataclass(frozen=True)
class Reading:
    """How one form was read: its row of the output, the seconds of predict, and MLflow's trace."""

    outputs: Mapping[str, Any]
    seconds: float
    trace_id: str | None = None


def read_and_trace(  # noqa: PLR0913 - what reads what, how fast and for how much
    model: PyFuncModel,
    dataset: Dataset,
    scorers: Sequence[Scorer],
    *,
    content: bool,
    workers: int,
    max_cost: float | None = None,
) -> dict[str, Reading]:
    """Read forms within the active run, and log a trace with assessments for each.

    Args:
        model: The loaded extractor.
        dataset: The forms to read.
        scorers: Add assessments to each form's trace.
        content: Whether document texts may enter the traces.
        workers: Most forms read at once.
        max_cost: Most that the forms may cost, USD: no form starts that could exceed it; None for
            no limit.

    Returns:
        The readings by form id, in the order of the forms, without those that did not start.

    Raises:
        UsageError: The extractor raised an error for every form, or `max_cost` is given for an LLM
            whose price is not known.
    """
    os.environ.update(_HARNESS, MLFLOW_GENAI_EVAL_MAX_WORKERS=str(workers))
    paths = {form.form_id: form.image_path for form in dataset.forms}
    ceiling = CostCeiling(max_cost)
    readings: dict[str, Reading] = {}
    not_begun: set[str] = set()

    def read(doc_id: str) -> dict[str, Any]:
        _unwritten.add(doc_id)
        document = (doc_id, paths[doc_id].read_bytes())
        started = time.perf_counter()
        [outputs] = predict_rows(model, [document])
        readings[doc_id] = Reading(outputs, time.perf_counter() - started)
        return outputs

    def predict_fn(doc_id: str) -> dict[str, Any]:
        outputs = ceiling.read(functools.partial(read, doc_id))
        if outputs is None:
            not_begun.add(doc_id)
            return {"error_code": NOT_BEGUN}
        return outputs

    with _our_output():
        result = mlflow.genai.evaluate(
            data=_table(dataset, content=content),
            predict_fn=predict_fn,
            scorers=list(scorers),
            model_id=model.model_id,
        )
    ceiling.check()
    if not readings:
        raise UsageError("the extractor raised an error for every form: see the traces.")
    traces = _trace_ids(result.result_df)
    return {
        doc_id: replace(readings.get(doc_id, Reading(_RAISED, 0.0)), trace_id=traces.get(doc_id))
        for doc_id in paths
        if doc_id not in not_begun
    }


def _trace_ids(table: pd.DataFrame | None) -> dict[str, str]:
    """Return the trace of each form by its id; a form whose trace was lost has none."""
    if table is None:
        return {}
    return {
        request["doc_id"]: trace_id
        for request, trace_id in zip(table["request"], table["trace_id"], strict=True)
    }


@contextlib.contextmanager
def _our_output() -> Iterator[None]:
    """Show our progress bar for MLflow's evaluation; its summary only if MLflow may talk."""
    hidden = io.StringIO() if mlflow_is_quiet() else sys.stdout
    # MLflow cannot turn its bar off, which writes a line for every form if the output is a file.
    vars(harness)["tqdm"] = functools.partial(Progress, unit="forms")
    with contextlib.redirect_stdout(hidden):
        yield


def _table(dataset: Dataset, *, content: bool) -> pd.DataFrame:
    """Return the records, with the attribute from which MLflow takes the dataset's name."""
    table = pd.DataFrame([_record(form, content=content) for form in dataset.forms])
    digest = dataset_digest(dataset.forms)
    table.attrs[MLFLOW_GENAI_EVALUATE_DATASET_IDENTITY] = {
        "name": named(dataset.name, digest),
        "digest": digest,
        "source_type": "code",
        "source": "{}",
        "records_sha256": compute_records_sha256(table),
    }
    return table


def _record(form: Document, *, content: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"inputs": {"doc_id": form.form_id}}
    if content:
        record["expectations"] = form.expectations()
    return record
