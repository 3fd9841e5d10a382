"""Cancels the reading of a request whose caller no longer waits, in all its threads."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar

from ocr_extractor.errors import EngineError

# Threads that read for a caller run in copies of its context.
_stop: ContextVar[threading.Event | None] = ContextVar("stop", default=None)


@contextlib.contextmanager
def stopped_by(stop: threading.Event) -> Iterator[None]:
    """Read in this context only until `stop` is set, by another thread.

    After that no document, page or request starts, and no retry waits. Work in progress ends with
    the error_code `stopped` in its row, or the call raises an EngineError of that code.
    """
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def check() -> None:
    """Continue only if the caller still waits.

    Raises:
        EngineError: With code `stopped`: the caller no longer waits.
    """
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise EngineError(
            "stopped", "The request was cancelled: send the document again.", retryable=True
        )


def wait(seconds: float) -> None:
    """Wait, but only while the caller waits.

    Raises:
        EngineError: With code `stopped`: the caller no longer waits.
    """
    stop = _stop.get()
    if stop is None:
        time.sleep(seconds)
    else:
        stop.wait(seconds)
    check()
