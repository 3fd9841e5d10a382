"""Which requests are held in memory at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from entry_points.serving.body import HttpError


class Admission:
    """Counts the requests in memory, and their bodies' bytes; for one event loop."""

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        """Begin with none.

        Args:
            max_requests: Most requests at once.
            max_bytes: Most bytes of their bodies; a request that is alone may have more.
        """
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._requests = 0
        self._bytes = 0

    @contextlib.contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Hold a request with a body of `size` bytes.

        Raises:
            HttpError: With status 503: too many requests, or bytes, are held already.
        """
        if self._requests >= self._max_requests or (
            self._requests and self._bytes + size > self._max_bytes
        ):
            raise HttpError(
                f"The server already holds {self._requests:,} requests of {self._bytes:,} bytes: "
                "send it again later.",
                503,
                "server_busy",
            )
        self._requests += 1
        self._bytes += size
        try:
            yield
        finally:
            self._requests -= 1
            self._bytes -= size
