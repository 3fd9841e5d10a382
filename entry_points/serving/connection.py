"""HTTP/1.1 connections that wait for a request for a limited time."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class BoundedConnection(H11Protocol):
    """uvicorn's connection, closed if the head of a request is not complete in time.

    The time is uvicorn's own `timeout_keep_alive`, s. uvicorn measures it only from an answer to
    the next byte: a client that sends nothing, or a byte from time to time, would stay connected.
    """

    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request; the rest of this one's body is skipped."""
        super().on_response_complete()
        self._wait_for_head()

    def _wait_for_head(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
        self._head_due = self.loop.call_later(self.timeout_keep_alive, self._close_without_request)

    def _close_without_request(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.timeout_keep_alive_handler()


def http_settings() -> dict[str, Any]:
    """Return uvicorn's settings for every process of a server."""
    # It is told to stop when no request is left, but answers may still be in transfer.
    return {"http": BoundedConnection, "timeout_graceful_shutdown": 1}
