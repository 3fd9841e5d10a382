"""What a server counts of its requests, and whether its documents reach their engine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

# The folder through which prometheus-client sums the counters of several processes.
SHARED_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

# Buckets from a cached page to the default timeout, s.
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_TOKENS = {"input_tokens": "input", "output_tokens": "output", "cached_tokens": "cached"}
# The error codes of an engine whose server gave no answer.
_UNREACHED = {"connection_failed", "tls_failed", "timeout"}
# After this many failures in a row the engine counts as unreachable, for this time after the last
# one, s. Without a limit a server that gets no requests because it is not ready would stay so.
_DOCUMENTS = 3
_LOST_S = 30.0


class Metrics:
    """The counters of one process; for one event loop."""

    def __init__(self, model: str, traces_dropped: Callable[[], int]) -> None:
        """Begin at zero.

        Args:
            model: The model that answers, `ocr-extractor/3`.
            traces_dropped: Returns how many traces this process has dropped so far.
        """
        self._traces_dropped = traces_dropped
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests to /invocations.", "status")
        self._seconds = Histogram(
            "ocr_extractor_request_seconds",
            "Time from a request's head to its answer.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._documents = self._counter("documents", "Documents that were read or failed.")
        self._pages = self._counter("pages", "Pages of the documents that could be opened.")
        self._errors = self._counter("errors", "Documents and requests that failed.", "code")
        self._tokens = self._counter(
            "tokens", "Tokens that the LLM's server counted; cached is part of input.", "kind"
        )
        self._cost = self._counter("cost_usd", "Cost of the documents whose cost is known, USD.")
        self._dropped = self._counter("traces_dropped", "Traces that were never written.")
        self._dropped_before = 0
        workers = Gauge(
            "ocr_extractor_workers",
            "Processes that take requests, by the version of their model.",
            ["model"],
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._worker = workers.labels(model)
        self._worker.set(1)
        self._switches = self._counter("switches", "Switches to another version of the model.")

    def note_retirement(self) -> None:
        """Note that this process takes no further requests."""
        self._worker.set(0)

    def note_switch(self) -> None:
        """Count a switch to this process's model; one of its processes does so."""
        self._switches.inc()

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"ocr_extractor_{name}", documentation, labels, registry=self._registry)

    def note_request(self, status: int, code: str | None, seconds: float) -> None:
        """Count a request with the status and error code of its answer."""
        self._requests.labels(status).inc()
        self._seconds.observe(seconds)
        if code:
            self._errors.labels(code).inc()
        self._note_traces()

    def note_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count documents, by their rows."""
        for row in rows:
            self._documents.inc()
            self._pages.inc(row["page_count"] or 0)
            if row["error_code"]:
                self._errors.labels(row["error_code"]).inc()
            for column, kind in _TOKENS.items():
                self._tokens.labels(kind).inc(row[column] or 0)
            self._cost.inc(row["cost"] or 0)

    def _note_traces(self) -> None:
        total = self._traces_dropped()
        self._dropped.inc(total - self._dropped_before)
        self._dropped_before = total

    def text(self) -> bytes:
        """Return the counters of this process, or of all processes that share a folder."""
        self._note_traces()
        registry = self._registry
        if SHARED_FOLDER_VARIABLE in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


class EngineReach:
    """Tells from the rows of documents whether the engine is reachable; sends no request."""

    def __init__(self) -> None:
        self._failed = 0
        self._failed_at = 0.0

    def note(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Note the rows of documents; those without a request to the engine do not count."""
        for row in rows:
            if not row["attempts"]:
                continue
            if row["error_code"] in _UNREACHED and not row["partial"]:
                self._failed += 1
                self._failed_at = time.monotonic()
            else:
                self._failed = 0

    def is_lost(self) -> bool:
        """Tell whether the latest 3 documents did not reach it, the last one within 30 s."""
        return self._failed >= _DOCUMENTS and time.monotonic() - self._failed_at < _LOST_S
