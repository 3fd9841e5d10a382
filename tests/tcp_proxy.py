"""A connection to a server that can become slow, or be refused, while it is used."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing a connection resets it


class TcpProxy:
    """Forwards a free port of loopback to another port."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._open = set[socket.socket]()
        self._lock = threading.Lock()
        self._delay_s = 0.0
        self._closed = threading.Event()
        self._listener = self._listen(0)
        self.port = int(self._listener.getsockname()[1])

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # it was closed
                return
            server = socket.create_connection(("127.0.0.1", self._upstream))
            with self._lock:
                self._open |= {client, server}
            for source, sink, slow in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, slow), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, slow: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if slow and self._delay_s:
                    self._closed.wait(self._delay_s)
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        # shutdown() wakes the thread that accepts; close() alone would not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self._open.clear()

    @contextlib.contextmanager
    def slow(self, delay_s: float) -> Iterator[None]:
        """Let every piece of an answer wait, s."""
        self._delay_s = delay_s
        try:
            yield
        finally:
            self._delay_s = 0.0

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Reset all connections and refuse new ones."""
        self._drop()
        try:
            yield
        finally:
            self._listener = self._listen(self.port)

    def close(self) -> None:
        """End everything."""
        self._closed.set()
        self._drop()
