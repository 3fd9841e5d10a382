"""What commands ask of a loaded extractor: rows, within a ceiling of cost; an estimate; traces."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from math import ceil, inf
from pathlib import Path
from typing import Any, TypeVar, cast

import pandas as pd
from mlflow.pyfunc import PyFuncModel

from entry_points.command_line.cli import UsageError
from entry_points.predictions.documents import read_document

D = TypeVar("D")

# The start of the line that says what the documents will need of an LLM.
ESTIMATE = "Estimate:"

# How long to wait for a tracking store that takes no trace, s. The slowest one in use, SQLite on a
# busy disk, takes a hundred traces in this time.
_STALLED_S = 10.0

# How many documents are opened for the estimate of all.
_SAMPLE = 20

Row = dict[str, Any]


def followed_prompt(model: PyFuncModel, output: Path) -> str | None:
    """Return the prompt version that a followed alias names; None for a pinned prompt.

    `output` is the file that predict continues.

    Raises:
        UsageError: The alias cannot be resolved, so documents that were read with its last version
            would be read again.
    """
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    if (followed := extractor.followed_prompt()) is None:
        return None
    uri, source = followed
    if source != "registry" and output.exists():
        raise UsageError(
            f"the prompt's alias cannot be resolved now, so it is unknown which documents in "
            f"{output.name} are finished: see the warning above, or name another --output."
        )
    return str(uri)


def max_document_bytes(model: PyFuncModel) -> int:
    """Return the size of the largest document that an extractor takes."""
    return int(model.model_config["max_document_bytes"])


def sample_of(documents: Sequence[D]) -> Sequence[D]:
    """Return some documents, from which the estimate for all is made."""
    return documents[:: ceil(len(documents) / _SAMPLE)]


def print_estimate(
    model: PyFuncModel, sample: Sequence[Path], count: int, output_tokens_per_page: float = 0.0
) -> None:
    """Print an estimate of tokens and cost of `count` documents, based on some of them.

    Documents that cannot be read count as nothing. `output_tokens_per_page` is what the LLM wrote
    for other pages; 0 if that is not known.
    """
    most = max_document_bytes(model)
    read = [data for path in sample if isinstance(data := read_document(path, most), bytes)]
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    found = extractor.estimate(read, output_tokens_per_page)
    if found is None:
        return
    times = count / len(sample)
    tokens = "unknown" if found.input_tokens is None else f"{found.input_tokens * times:,.0f}"
    cost = "unknown" if found.cost is None else f"{found.cost * times:.4f} USD"
    without = "" if output_tokens_per_page else ", without what the LLM writes"
    pages = f"{found.pages * times:,.0f}"
    print(f"{ESTIMATE} {pages} pages, input tokens {tokens}, cost {cost}{without}.", flush=True)


def flush_traces(model: PyFuncModel, timeout_s: float) -> dict[str, int]:
    """Write the waiting traces for at most some seconds.

    Returns:
        How many traces the tracking store, and a collector, did not take, by what each is called.
    """
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    if not extractor.flush_traces(timeout_s):
        return {}
    unwritten: dict[str, int] = extractor.unwritten_traces()
    return unwritten


def write_traces(model: PyFuncModel) -> None:
    """Write the waiting traces while some are accepted; report what did not take how many."""
    print("Writing the remaining traces ...", flush=True)
    before, left = inf, flush_traces(model, _STALLED_S)
    while 0 < sum(left.values()) < before:
        before, left = sum(left.values()), flush_traces(model, _STALLED_S)
    for name, count in left.items():
        print(f"{count} traces were not written: {name} did not take them.", flush=True)


def predict_rows(
    model: PyFuncModel,
    documents: Sequence[tuple[str, bytes | None]],
    params: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Let an extractor read documents: (doc_id, bytes), or (doc_id, None) for one without bytes.

    Returns the output's rows, in the given order, as plain JSON values by column.
    """
    frame = pd.DataFrame(documents, columns=["doc_id", "image"])
    output = model.predict(frame, params=dict(params or {}))
    return cast(pd.DataFrame, output).to_dict(orient="records")  # type: ignore[return-value]


class CostCeiling:
    """Starts a document only if the run cannot exceed the limit; threads may share it.

    It assumes that each document costs as much as the most expensive so far. Until the first cost
    is known, documents are read one by one, so the first is always read.
    """

    def __init__(self, most: float | None) -> None:
        """Start with nothing spent of at most `most` USD; None for no limit."""
        self._most = most
        self._spent = 0.0
        self._most_expensive = 0.0
        self._running = 0
        self._price_unknown = False
        self._changed = threading.Condition()

    def read(self, read: Callable[[], Row]) -> Row | None:
        """Return the row of a document, read as soon as the limit allows it; None if never."""
        if self._most is None:
            return read()
        if not self._begin(self._most):
            return None
        row: Row = {}
        try:
            row = read()
        finally:
            self._end(row)
        return row

    def check(self) -> None:
        """Check after the last document that the limit could be kept.

        Raises:
            UsageError: The LLM's price is not known, so the others were not read.
        """
        if self._price_unknown:
            raise UsageError(
                "the LLM's price is not known, so --max-cost cannot be kept: log the extractor "
                "with the settings input_price and output_price."
            )

    def _begin(self, most: float) -> bool:
        with self._changed:
            while not self._price_unknown:
                ahead = (self._running + 1) * self._most_expensive
                fits = self._spent + ahead <= most if self._most_expensive else self._running == 0
                if fits:
                    self._running += 1
                    return True
                if self._running == 0:
                    return False
                self._changed.wait()
            return False

    def _end(self, row: Row) -> None:
        cost = row.get("cost")
        with self._changed:
            if cost is None and row.get("attempts"):
                # Requests that failed before anything was counted may have been billed.
                cost = self._most_expensive
                # Of a document that failed, the other pages may have been counted.
                failed = row.get("error_code") is not None
                self._price_unknown |= row["input_tokens"] is not None and not failed
            self._spent += cost or 0.0
            self._most_expensive = max(self._most_expensive, cost or 0.0)
            self._running -= 1
            self._changed.notify_all()
