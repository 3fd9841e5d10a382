"""Limits the time until the headers of an answer are complete; httpx2 limits only each read."""

from __future__ import annotations

import contextlib
import math
import ssl
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import httpcore2
import httpx2

# When reading ends, on the monotonic clock, s. A request is sent and read in one thread.
_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


def bound_reading(client: httpx2.Client) -> None:
    """Let reads of all connections of a client end at the deadline of their request.

    httpx2 has no public way to choose the network backend of its transports, hence the private
    names. A transport of our own would have to repeat its handling of proxies and errors.
    """
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = _Backend()


@contextlib.contextmanager
def reading_ends(seconds: float) -> Iterator[None]:
    """Set a deadline for reads from the network in this context, s from now."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def extend_reading(seconds: float) -> None:
    """Move the deadline of `reading_ends`, s from now."""
    _deadline.set(time.monotonic() + seconds)


class _Backend(httpcore2.SyncBackend):
    def connect_tcp(self, *args: Any, **options: Any) -> httpcore2.NetworkStream:
        return _Stream(super().connect_tcp(*args, **options))


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left_s = _deadline.get() - time.monotonic()
        if left_s <= 0:
            raise httpcore2.ReadTimeout("The answer drips.")
        waits_s = min(left_s, math.inf if timeout is None else timeout)
        return self._stream.read(max_bytes, None if math.isinf(waits_s) else waits_s)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
