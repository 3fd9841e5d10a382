"""Connections without a request end; those with one do not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from entry_points.serving.app import BoundedConnection

WAIT_S = 1


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run a server that answers /slow after twice the time for a head, and all else at once."""

    async def app(scope, receive, send):
        if scope["path"] == "/slow":
            await asyncio.sleep(2 * WAIT_S)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app,
            http=BoundedConnection,
            timeout_keep_alive=WAIT_S,
            lifespan="off",
            log_level="error",
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def drip(client: socket.socket, text: bytes) -> float:
    """Send text byte by byte until the server closes the connection; return how long that took."""
    started = time.monotonic()
    client.settimeout(WAIT_S / 10)
    for n in range(100):
        with contextlib.suppress(TimeoutError):
            try:
                client.sendall(text[n % len(text) :][:1] if text else b"")
                if not client.recv(1000):
                    break
            except (ConnectionResetError, BrokenPipeError):
                break
    else:
        pytest.fail("The connection is still open.")
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("sent", "dripped"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"", b"G", id="a method without end"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n", id="headers without end"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1", id="a second request"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
            b"x",
            id="the body of an answered request",
        ),
    ],
)
def test_a_connection_without_a_request_is_closed(port: int, sent: bytes, dripped: bytes):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent)
        assert drip(client, dripped) >= 0.9 * WAIT_S


def test_a_request_that_is_being_answered_keeps_its_connection(port: int):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        for _ in range(2):
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 204 ")
