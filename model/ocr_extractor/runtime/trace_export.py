"""Writes traces behind the reading: whatever the tracking store does, no page waits for it."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow.tracing.attachments import Attachment
from mlflow.utils.logging_utils import suppress_logs_in_thread

from ocr_extractor.errors import in_one_line
from ocr_extractor.runtime import memory
from ocr_extractor.runtime.mlflow_traces import TraceStore, hand_to_mlflow, is_passing, make_last

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.entities import Trace

    from ocr_extractor.runtime.spans import RecordedSpan, TraceOrigin

_logger = logging.getLogger(__name__)

# What may wait: 1,024 documents of an LLM's reading, or fewer large ones.
_MOST_TRACES = 1024
_MOST_BYTES = 256_000_000
# So many traces of a burst wait until it has been read: to write one takes 16 ms of the
# interpreter, as much as a page takes that an LLM reads.
_BURST = 512
# Pages read in a second beside which traces can be written.
_FEW = 10
_LOOK_EVERY_S = 1.0
_BATCH = 16
# Waits after a write that failed, s, doubling; and how often a batch is tried.
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_MOST_TRIES = 10
_SAY_EVERY_S = 60.0
# A flush gives up where no trace was written for so long, s: the store hangs.
_STALL_S = 5.0
# The end of a process waits for its traces at most so long, s.
_EXIT_S = 60.0


@dataclass(eq=False)
class _Waiting:
    """A recorded trace that waits to be written.

    Attributes:
        root: Its spans.
        origin: Where it belongs.
        size: What it takes in memory, bytes.
        trace: What MLflow makes of it, None before it was tried to be written.
    """

    root: RecordedSpan
    origin: TraceOrigin
    size: int
    trace: Trace | None = None


class TraceQueue:
    """The traces of a process that wait to be written; safe to share between threads.

    One thread writes them, while there are any. What is more than the queue may hold is dropped
    and counted: it never makes a page wait.
    """

    def __init__(self) -> None:
        """Begin with nothing to write."""
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
        self._store: TraceStore | None = None

    @property
    def dropped(self) -> int:
        """How many traces were given up so far."""
        return self._dropped

    def put(self, root: RecordedSpan, origin: TraceOrigin) -> None:
        """Take a trace that has ended, or drop it where too much waits."""
        entry = _Waiting(root, origin, _size_of_span(root))
        with self._changed:
            if self._store is None:
                self._store = TraceStore(self.flush)
                atexit.register(self._flush_at_exit)
            count = len(self._waiting) + self._writing
            if count >= _MOST_TRACES or self._bytes + entry.size > _MOST_BYTES:
                self._drop(1, "the tracking store takes them more slowly than documents are read")
                return
            self._waiting.append(entry)
            self._bytes += entry.size
            self._added += 1
            if self._writer is None or not self._writer.is_alive():  # not alive: after a fork
                self._writer = threading.Thread(
                    target=self._write_all, args=(self._store,), name="trace-writer", daemon=True
                )
                self._writer.start()
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> int:
        """Write what waits.

        Args:
            timeout_s: Longest wait, s; it ends earlier where the store fails or hangs.

        Returns:
            How many traces still wait.
        """
        began = time.monotonic()
        with self._changed:
            failures = self._failures
            self._flushing += 1
            self._changed.notify_all()
            while (left := len(self._waiting) + self._writing) and self._failures == failures:
                now = time.monotonic()
                stalled = now - max(began, self._progress) > _STALL_S
                if stalled or now - began >= timeout_s:
                    break
                self._changed.wait(min(_LOOK_EVERY_S, timeout_s - (now - began)))
            self._flushing -= 1
        return left

    def _flush_at_exit(self) -> None:
        if left := self.flush(_EXIT_S):
            _logger.warning("%d traces were not written: the process ends without them.", left)

    def _drop(self, count: int, reason: str) -> None:
        self._dropped += count
        self._say(f"{self._dropped} traces were dropped so far: {reason}. Reading goes on.")

    def _say(self, message: str) -> None:
        """Log a line, once a minute at most."""
        now = time.monotonic()
        if now - self._said >= _SAY_EVERY_S:
            self._said = now
            _logger.warning("%s", message)

    def _write_all(self, store: TraceStore) -> None:
        """Write until nothing waits any more."""
        while batch := self._next_batch():
            self._write(store, batch)
            with self._changed:
                self._bytes -= sum(entry.size for entry in batch)
                self._writing = 0
                self._changed.notify_all()
        memory.give_back()

    def _next_batch(self) -> list[_Waiting]:
        """Wait for the end of a burst; return the oldest traces, none where the thread may end."""
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

    def _write(self, store: TraceStore, batch: Sequence[_Waiting]) -> None:
        """Write a batch; where the store refuses it, one by one; where it is away, later."""
        pause = _FIRST_PAUSE_S
        for _ in range(_MOST_TRIES):
            try:
                # MLflow logs a stack trace each time that a database is gone; here it is one line.
                with suppress_logs_in_thread():
                    for entry in batch:
                        if entry.trace is None:
                            entry.trace = store.prepare(entry.root, entry.origin)
                    store.write(
                        [(entry.trace, entry.root.prompts) for entry in batch if entry.trace],
                        self._note_progress,
                    )
            except Exception as error:  # a store raises its driver's own errors
                reason = in_one_line(error)
                if not is_passing(error):
                    if len(batch) > 1:
                        for entry in batch:
                            self._write(store, [entry])
                        return
                    break
                self._pause(pause, reason)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                return
        with self._changed:
            self._drop(len(batch), f"the tracking store does not take them ({reason})")

    def _note_progress(self) -> None:
        self._progress = time.monotonic()

    def _pause(self, seconds: float, reason: str) -> None:
        """Wait before the next try; somebody who flushes is told at once that this one failed."""
        with self._changed:
            self._failures += 1
            waiting = len(self._waiting) + self._writing
            self._say(f"{waiting} traces wait: the tracking store fails ({reason}).")
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._flushing, seconds)


_queue = TraceQueue()


def export(root: RecordedSpan, origin: TraceOrigin) -> None:
    """Let a trace that has ended be written, by MLflow itself where it must be."""
    if origin.by_mlflow:
        hand_to_mlflow(root, origin.parent)
    else:
        make_last(origin)
        _queue.put(root, origin)


def flush_traces(timeout_s: float) -> int:
    """Write the traces that wait.

    Args:
        timeout_s: Longest wait, s; it ends earlier where the store fails, or hangs for 5 s.

    Returns:
        How many traces of this process were not written: those that wait, and those dropped.
    """
    return _queue.flush(timeout_s) + _queue.dropped


def dropped_traces() -> int:
    """Return how many traces of this process were given up so far."""
    return _queue.dropped


def _size_of(value: Any) -> int:
    """Return what a value of a span takes in memory, bytes: its texts and images."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Attachment):
        return len(value.content_bytes)
    if isinstance(value, dict):
        return sum(map(_size_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_size_of, value))
    return 8


def _size_of_span(span: RecordedSpan) -> int:
    own = sum(map(_size_of, (span.inputs, span.outputs, span.attributes)))
    return 1000 + own + sum(map(_size_of_span, span.children))
