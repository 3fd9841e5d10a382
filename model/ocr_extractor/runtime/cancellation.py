"""Cancellation: stops the reading of a request whose caller no longer waits, in any thread."""

from __future__ import annotations

import contextlib
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

from ocr_extractor.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Threads that read for a caller run in copies of its context.
_stop: ContextVar[threading.Event | None] = ContextVar("stop", default=None)


@contextlib.contextmanager
def stopped_by(stop: threading.Event) -> Iterator[None]:
    """Let everything that is read in this context end early once `stop` is set."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def check() -> None:
    """Go on only for a caller that still waits.

    Raises:
        EngineError: With code `stopped`: it does not.
    """
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise EngineError(
            "stopped", "Whoever asked no longer waits: send the document again.", retryable=True
        )


def wait(seconds: float) -> None:
    """Wait as long as the caller does.

    Raises:
        EngineError: With code `stopped`: it does not wait any longer.
    """
    stop = _stop.get()
    if stop is None:
        time.sleep(seconds)
    else:
        stop.wait(seconds)
    check()
