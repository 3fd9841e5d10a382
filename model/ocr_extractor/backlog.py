"""When traces are written: once few pages are read, and before too many wait."""

from __future__ import annotations

import atexit
import os
import threading
import time

import mlflow
from mlflow.environment_variables import (
    MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS,
    MLFLOW_ASYNC_TRACE_LOGGING_MAX_SPAN_BATCH_SIZE,
    MLFLOW_ASYNC_TRACE_LOGGING_MAX_WORKERS,
)

from ocr_extractor import memory
from ocr_extractor.stopping import check

# MLflow links a trace that it has written to its prompt in a thread of its own, of this name.
_LINKS_PROMPT = "link_prompts_from_exporter"
# Pages read in a second beside which traces can be written.
_FEW = 10
_LOOK_EVERY_S = 1.0
# What a trace takes beside reading, s, until it has been measured: too little brings a long halt.
_TRACE_S = 0.1


def leave_writing_to_backlog() -> None:
    """Tell MLflow, where the user has not, to write traces when it is told to.

    Its own ways lose what is read: it begins to write in the midst of a burst, and ten threads that
    write the spans and the rest of the same traces come in each other's way, until it drops the
    spans (of 550 of 5,000 traces). A span that nobody asks for is written after a minute. At the
    end of the process it leaves behind what links the last traces to their prompts.
    """
    # Spans that may wait: a page has 5 to 10. MLflow begins to write when there are as many.
    for variable, value in (
        (MLFLOW_ASYNC_TRACE_LOGGING_MAX_WORKERS, 1),
        (MLFLOW_ASYNC_TRACE_LOGGING_MAX_SPAN_BATCH_SIZE, 8192),
        (MLFLOW_ASYNC_TRACE_LOGGING_MAX_INTERVAL_MILLIS, 60_000),
    ):
        os.environ.setdefault(variable.name, str(value))
    atexit.unregister(_write_all)  # of a model that was loaded before
    atexit.register(_write_all)


def _write_all() -> None:
    mlflow.flush_trace_async_logging()
    for thread in threading.enumerate():
        if thread.name.startswith(_LINKS_PROMPT):
            thread.join()


class TraceBacklog:
    """The traces that wait to be written; safe to share between threads.

    MLflow takes 35 to 50 ms of CPU for a trace on SQLite, three times what a page takes that an LLM
    reads. So a burst of pages is read first; in a longer one, documents begin no faster than traces
    are written, as what waits fills the memory, and MLflow drops it from the thousandth trace on.
    """

    def __init__(self, burst: int) -> None:
        """Begin with nothing to write.

        Args:
            burst: Pages whose traces may wait before documents do; half as many more at most.
        """
        self._burst = burst
        self._most = burst + burst // 2
        self._waiting = 0
        self._writing = False
        self._trace_s = _TRACE_S
        self._turn = 0.0
        self._changed = threading.Condition()

    def make_room(self) -> None:
        """Return when a document may begin: at once, unless more than a burst waits.

        Raises:
            EngineError: With code `stopped`: the caller no longer waits.
        """
        with self._changed:
            if self._waiting >= self._burst:
                # While a burst is written there is room for half as many pages.
                self._turn = max(self._turn, time.monotonic()) + 2 * self._trace_s
                turn = self._turn
                while not self._may_begin(turn):
                    left_s = turn - time.monotonic()
                    self._changed.wait(left_s if 0 < left_s < _LOOK_EVERY_S else _LOOK_EVERY_S)
                    check()

    def _may_begin(self, turn: float) -> bool:
        in_turn = self._waiting < self._most and time.monotonic() >= turn
        return in_turn or self._waiting < self._burst

    def add(self, pages: int) -> None:
        """Count the pages of a trace that has ended."""
        with self._changed:
            self._waiting += pages
            self._changed.notify_all()
            self._begin_to_write()

    def _begin_to_write(self) -> None:
        if self._waiting and not self._writing:
            threading.Thread(target=self._write, name="trace-backlog", daemon=True).start()
            self._writing = True

    def _write(self) -> None:
        """Have what waits written, once few pages are read or a burst waits."""
        with self._changed:
            few = False
            while not few and self._waiting < self._burst:
                before = self._waiting
                self._changed.wait_for(lambda: self._waiting >= self._burst, _LOOK_EVERY_S)
                few = self._waiting - before < _FEW
            pages = self._waiting
        began = time.monotonic()
        try:
            _write_all()
            memory.give_back()
        finally:
            with self._changed:
                if pages >= self._burst:
                    self._trace_s = (time.monotonic() - began) / pages
                self._waiting -= pages
                self._turn = 0.0
                self._writing = False
                self._begin_to_write()
                self._changed.notify_all()
