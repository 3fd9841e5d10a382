"""A server on loopback that answers each request as a script says, down to broken connections."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.loopback_llm import PAIRS, completion

Reply = Callable[["_Handler"], None]

FORM = json.dumps({"pairs": PAIRS})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        self.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.llm.next_reply(self.asked)(self)

    def start(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


@dataclass
class FaultyLlm:
    """The server and what it was asked.

    Attributes:
        base_url: Where it is.
        script: What the next requests get, one each.
        always: What all others get.
        requests: The JSON bodies of all requests.
        times: When they came, s.
    """

    base_url: str
    script: list[Reply] = field(default_factory=list)
    always: Reply = field(default_factory=lambda: answer(FORM))
    requests: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_reply(self, body: dict[str, Any]) -> Reply:
        with self._lock:
            self.requests.append(body)
            self.times.append(time.monotonic())
            return self.script.pop(0) if self.script else self.always


class _Server(ThreadingHTTPServer):
    llm: FaultyLlm


def raw(body: str, status: int = 200, **headers: str) -> Reply:
    """Answer with a body; underscores in header names stand for dashes."""
    data = body.encode("utf-8", "surrogatepass")
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def reply(handler: _Handler) -> None:
        handler.start(status, len(data), named)
        handler.wfile.write(data)

    return reply


def answer(content: str | None, finish_reason: str = "stop", **message: Any) -> Reply:
    """Answer with a completion, as events where the request asks for them."""
    whole = completion(content, finish_reason, **message)
    step = len(content or "") // 50 + 1
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", **message}]
    deltas += [{"content": (content or "")[at : at + step]} for at in range(0, 50 * step, step)]
    ending = [chunk({}, finish_reason), chunk(None, usage=whole["usage"])]

    def reply(handler: _Handler) -> None:
        if handler.asked.get("stream"):
            stream([*map(chunk, deltas), *ending, "[DONE]"])(handler)
        else:
            raw(json.dumps(whole))(handler)

    return reply


def chunk(delta: dict[str, Any] | None, finish_reason: str | None = None, **more: Any) -> str:
    """Build the data of a streamed completion's event; without a delta it has no choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return json.dumps({**head, "choices": [] if delta is None else [choice], **more})


def stream(events: Iterable[str]) -> Reply:
    """Answer with events, each an HTTP chunk of its own, until the client goes."""

    def reply(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        try:
            for event in events:
                data = f"data: {event}\n\n".encode()
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            handler.wfile.write(b"0\r\n\r\n")
        except OSError:
            handler.close_connection = True

    return reply


def error(
    status: int, message: str = "", headers: dict[str, str] | None = None, **more: Any
) -> Reply:
    """Answer as OpenAI reports an error."""
    body = json.dumps({"error": {"message": message, **more}})
    return raw(body, status, **(headers or {}))


def cut(reset: bool) -> Reply:
    """Promise more bytes than are sent, then close the connection, or reset it."""

    def reply(handler: _Handler) -> None:
        handler.start(200, 100_000, {})
        handler.wfile.write(b'{"id": "chatcmpl-1", ')
        handler.wfile.flush()
        if reset:
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.close_connection = True

    return reply


def slow(seconds: float, pieces: int) -> Reply:
    """Send white space piece by piece over some seconds; with no piece, nothing at all."""

    def reply(handler: _Handler) -> None:
        handler.close_connection = True
        if pieces == 0:
            time.sleep(seconds)
            return
        handler.start(200, 1000, {})
        try:
            for _ in range(pieces):
                handler.wfile.write(b" ")
                time.sleep(seconds / pieces)
        except OSError:
            return  # the client has had enough

    return reply


@contextmanager
def serve() -> Iterator[FaultyLlm]:
    """Run the server."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.llm = FaultyLlm(f"http://127.0.0.1:{server.server_port}/v1")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.llm
        finally:
            server.shutdown()
            thread.join()
