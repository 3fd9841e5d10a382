"""The HTTP server of fakes on loopback: a thread for each connection."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from typing import Any


class LoopbackServer(ThreadingHTTPServer):
    """Says nothing about a client that went away; prints every other error."""

    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionResetError | BrokenPipeError):
            super().handle_error(request, client_address)
