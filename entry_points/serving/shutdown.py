"""Ends a server process in time: requests in flight are answered and traces are written."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from entry_points.serving.body import HttpError

_logger = logging.getLogger(__name__)

# Least time for traces, s, even if requests took all of it.
_FLUSH_S = 0.5
# How long after shutdown_s the process ends unconditionally, s.
_HARD_STOP_S = 1.0


class Shutdown:
    """Ends this process within `shutdown_s` plus one second of SIGTERM or Ctrl-C.

    The server listens until its requests are answered, so that /ready still answers. It then ends
    without waiting for threads or exit handlers, in which an engine or a tracking store may hang
    forever. A second Ctrl-C ends it at once.
    """

    def __init__(
        self, shutdown_s: float, flush_traces: Callable[[float], Mapping[str, int]]
    ) -> None:
        """Prepare; signals are handled from `lifespan` on.

        Args:
            shutdown_s: Longest wait for requests and traces, s.
            flush_traces: Writes the waiting traces within the given seconds, and returns what did
                not take how many.
        """
        self.begun = False
        self._shutdown_s = shutdown_s
        self._flush_traces = flush_traces
        self._deadline = 0.0
        self._requests: set[asyncio.Task[Any]] = set()

    @contextlib.contextmanager
    def waits_for_request(self) -> Iterator[None]:
        """Let the shutdown wait for the current task, and cancel it when the time is over.

        Raises:
            HttpError: The shutdown has begun.
        """
        if self.begun:
            raise stopping()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a request is always answered in one
        self._requests.add(task)
        try:
            yield
        finally:
            self._requests.discard(task)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: object) -> Any:
        """Take the signals over from uvicorn; once it has stopped, write traces and end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._take_over(number, loop)
        yield
        if self.begun:
            await asyncio.to_thread(self._end)

    def _take_over(self, number: signal.Signals, loop: asyncio.AbstractEventLoop) -> None:
        stop_listening: Any = signal.getsignal(number)  # uvicorn's

        def begin(signum: int, _: object) -> None:
            if self.begun:
                if signum == signal.SIGINT:
                    os._exit(130)
                return
            self.begun = True
            self._deadline = time.monotonic() + self._shutdown_s
            hard_stop = threading.Timer(self._shutdown_s + _HARD_STOP_S, os._exit, (0,))
            hard_stop.daemon = True
            hard_stop.start()
            drained = asyncio.run_coroutine_threadsafe(self._drain(), loop)
            drained.add_done_callback(lambda _: stop_listening(signum, None))

        signal.signal(number, begin)

    async def _drain(self) -> None:
        if self._requests:
            left_s = self._deadline - time.monotonic()
            _, late = await asyncio.wait(self._requests, timeout=left_s)
            for request in late:
                request.cancel()

    def _end(self) -> None:
        lost = self._flush_traces(max(_FLUSH_S, self._deadline - time.monotonic()))
        for name, count in lost.items():
            _logger.warning(
                "%d traces were not written: %s did not take them within shutdown_s=%g.",
                *(count, name, self._shutdown_s),
            )
        os._exit(0)


def stopping() -> HttpError:
    """Return the error for requests that arrive, or are still read, while the server stops."""
    return HttpError("The server is stopping: send it again.", 503, "server_stopping")
