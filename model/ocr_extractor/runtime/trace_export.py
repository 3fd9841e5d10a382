"""Writes traces in the background: no page waits for the tracking store, nor for a collector."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow.utils.logging_utils import suppress_logs_in_thread

from ocr_extractor.runtime import memory
from ocr_extractor.runtime.mlflow_traces import (
    TraceStore,
    hand_to_mlflow,
    is_passing,
    make_last,
    reason_of,
)
from ocr_extractor.runtime.otlp import Collector, goes_to_collector, goes_to_mlflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ocr_extractor.runtime.spans import Destination, RecordedSpan, TraceOrigin

_logger = logging.getLogger(__name__)

# Limit of the queue: 1,024 documents that an LLM has read, or fewer large ones.
_MOST_TRACES = 1024
_MOST_BYTES = 256_000_000
# This many traces of a burst wait until it has been read: writing one takes 16 ms of the
# interpreter, as much as reading a page with an LLM.
_BURST = 512
# Up to this many pages a second, traces are written while pages are read.
_FEW = 10
_LOOK_EVERY_S = 1.0
_BATCH = 16
# Waits after a write that failed, s, doubling; and how often a batch is tried.
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_MOST_TRIES = 10
_SAY_EVERY_S = 60.0
# A flush gives up if no trace was written for this time, s: the store hangs.
_STALL_S = 5.0
# Longest wait for traces at the end of a process, s.
_EXIT_S = 60.0


@dataclass(eq=False)
class _Waiting:
    """A recorded trace that waits to be written.

    Attributes:
        root: Its spans.
        origin: Where it belongs.
        size: Its memory, bytes.
        trace: What its destination takes; None before the first attempt to write it.
    """

    root: RecordedSpan
    origin: TraceOrigin
    size: int
    trace: Any = None


class TraceQueue:
    """The traces of a process that wait to be written; safe to share between threads.

    One thread writes them while there are any. Traces beyond the limit of the queue are dropped
    and counted; they never make a page wait.
    """

    def __init__(
        self, make_destination: Callable[[Callable[[float], object]], Destination] = TraceStore
    ) -> None:
        """Start with an empty queue.

        Args:
            make_destination: Makes the destination of `flush`, for the first trace; sends nothing.
        """
        self._make_destination = make_destination
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._writing = 0
        self._added = 0
        self._dropped = 0
        self._flushing = 0
        self._failures = 0
        self._progress = 0.0
        self._said = -_SAY_EVERY_S
        self._writer: threading.Thread | None = None
        self._store: Destination | None = None

    @property
    def dropped(self) -> int:
        """How many traces were dropped so far."""
        return self._dropped

    @property
    def unwritten(self) -> tuple[str, int]:
        """The name of the destination, and how many traces it does not have: waiting or dropped."""
        with self._changed:
            name = self._store.name if self._store else ""
            return name, len(self._waiting) + self._writing + self._dropped

    def put(self, root: RecordedSpan, origin: TraceOrigin) -> None:
        """Add a finished trace, or drop it if the queue is full."""
        entry = _Waiting(root, origin, root.memory())
        with self._changed:
            if self._store is None:
                self._store = self._make_destination(self.flush)
                atexit.register(self._flush_at_exit)
            count = len(self._waiting) + self._writing
            if count >= _MOST_TRACES or self._bytes + entry.size > _MOST_BYTES:
                name = self._store.name
                self._drop(1, f"{name} takes them more slowly than documents are read")
                return
            self._waiting.append(entry)
            self._bytes += entry.size
            self._added += 1
            self._ensure_writer(self._store)
            self._changed.notify_all()

    def _ensure_writer(self, store: Destination) -> None:
        """Start the thread that writes, unless it runs; where that fails, the traces wait."""
        if self._writer is not None and self._writer.is_alive():  # not alive: after a fork
            return
        self._writer = threading.Thread(
            target=self._write_all, args=(store,), name="trace-writer", daemon=True
        )
        try:
            self._writer.start()
        except RuntimeError as error:  # the process has as many threads as it may have
            self._say(f"{len(self._waiting)} traces wait: {error}.")

    def flush(self, timeout_s: float) -> int:
        """Write the waiting traces.

        Args:
            timeout_s: Longest wait, s; it ends earlier where the store fails or hangs.

        Returns:
            How many traces still wait.
        """
        began = time.monotonic()
        with self._changed:
            failures = self._failures
            self._flushing += 1
            try:
                if self._store is not None and self._waiting:
                    self._ensure_writer(self._store)
                self._changed.notify_all()
                while (left := len(self._waiting) + self._writing) and self._failures == failures:
                    now = time.monotonic()
                    stalled = now - max(began, self._progress) > _STALL_S
                    if stalled or now - began >= timeout_s:
                        break
                    self._changed.wait(min(_LOOK_EVERY_S, timeout_s - (now - began)))
            finally:  # Ctrl-C may end the wait
                self._flushing -= 1
        return left

    def _flush_at_exit(self) -> None:
        if left := self.flush(_EXIT_S):
            name, _ = self.unwritten
            _logger.warning("%d traces were not written: %s has not taken them.", left, name)

    def _drop(self, count: int, reason: str) -> None:
        self._dropped += count
        self._say(f"{self._dropped} traces were dropped so far: {reason}. Reading continues.")

    def _say(self, message: str) -> None:
        """Log a line, once a minute at most."""
        now = time.monotonic()
        if now - self._said >= _SAY_EVERY_S:
            self._said = now
            _logger.warning("%s", message)

    def _write_all(self, store: Destination) -> None:
        """Write until the queue is empty."""
        while batch := self._next_batch():
            self._write(store, batch)
            with self._changed:
                self._bytes -= sum(entry.size for entry in batch)
                self._writing = 0
                self._changed.notify_all()
        memory.give_back()

    def _next_batch(self) -> list[_Waiting]:
        """Wait for the end of a burst; return the oldest traces, or none if the thread may end."""
        with self._changed:
            few = False
            while not (few or self._flushing or len(self._waiting) >= _BURST):
                before = self._added
                self._changed.wait_for(
                    lambda: self._flushing or len(self._waiting) >= _BURST, _LOOK_EVERY_S
                )
                few = self._added - before < _FEW
            if not self._waiting:
                self._writer = None
                return []
            count = min(_BATCH, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            self._writing = len(batch)
            return batch

    def _write(self, store: Destination, batch: Sequence[_Waiting]) -> None:
        """Write a batch; one by one if the store refuses it, later if the store is unreachable."""
        pause = _FIRST_PAUSE_S
        for _ in range(_MOST_TRIES):
            try:
                # MLflow logs a stack trace when a database is unreachable; we log one line.
                with suppress_logs_in_thread():
                    for entry in batch:
                        if entry.trace is None:
                            entry.trace = store.prepare(entry.root, entry.origin)
                    store.write(
                        [(entry.trace, entry.root.prompts) for entry in batch if entry.trace],
                        self._note_progress,
                    )
            except Exception as error:  # a store raises the errors of its driver
                reason = reason_of(error)
                if not is_passing(error):
                    if len(batch) > 1:
                        for entry in batch:
                            self._write(store, [entry])
                        return
                    break
                self._pause(pause, f"{store.name} fails ({reason})")
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                return
        with self._changed:
            self._drop(len(batch), f"{store.name} does not take them ({reason})")

    def _note_progress(self) -> None:
        self._progress = time.monotonic()

    def _pause(self, seconds: float, reason: str) -> None:
        """Wait before the next try; a caller of `flush` learns at once that this one failed."""
        with self._changed:
            self._failures += 1
            waiting = len(self._waiting) + self._writing
            self._say(f"{waiting} traces wait: {reason}.")
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._flushing, seconds)


_queue = TraceQueue()
# Its own queue: a store that is gone does not hold up the collector, nor the other way round.
_to_collector = TraceQueue(lambda _: Collector())


def export(root: RecordedSpan, origin: TraceOrigin) -> None:
    """Queue a finished trace, or let MLflow write it where it must."""
    if origin.by_mlflow:
        hand_to_mlflow(root, origin.parent)
        return
    make_last(origin)
    if goes_to_mlflow():
        _queue.put(root, origin)
    if goes_to_collector():
        _to_collector.put(root, origin)


def flush_traces(timeout_s: float) -> int:
    """Write the waiting traces.

    Args:
        timeout_s: Longest wait, s; it ends earlier where the store fails, or hangs for 5 s.

    Returns:
        How many traces of this process were not written: queued and dropped ones.
    """
    until = time.monotonic() + timeout_s
    for queue in (_queue, _to_collector):
        queue.flush(max(0.0, until - time.monotonic()))
    return sum(unwritten_traces().values())


def unwritten_traces() -> dict[str, int]:
    """Return how many traces of this process each destination does not have, by its name."""
    unwritten = dict(queue.unwritten for queue in (_queue, _to_collector))
    return {name: count for name, count in unwritten.items() if count}


def dropped_traces() -> int:
    """Return how many traces of this process were dropped so far."""
    return _queue.dropped + _to_collector.dropped
