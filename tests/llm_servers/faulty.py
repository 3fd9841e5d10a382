"""A server that answers each request as a script says, down to broken connections."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterable
from typing import Any

from werkzeug import Request

from tests.llm_servers.completions import FORM, chunk, completion
from tests.llm_servers.server import Handler, LlmServer, Reply


class FaultyLlm(LlmServer):
    """The server and what it was asked.

    Attributes:
        script: What the next requests get, one each.
        always: What all others get.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Forget what was asked, and answer every request with a form."""
        self.requests, self.times = [], []
        self.script: list[Reply] = []
        self.always: Reply = answer(FORM)

    def complete(self, request: Request, body: dict[str, Any]) -> Reply:
        return self.script.pop(0) if self.script else self.always


def raw(body: str, status: int = 200, **headers: str) -> Reply:
    """Answer with a body; underscores in header names stand for dashes."""
    data = body.encode("utf-8", "surrogatepass")
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def reply(handler: Handler) -> None:
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

    def reply(handler: Handler) -> None:
        if handler.asked.get("stream"):
            stream([*map(chunk, deltas), *ending, "[DONE]"])(handler)
        else:
            raw(json.dumps(whole))(handler)

    return reply


def stream(events: Iterable[str]) -> Reply:
    """Answer with events, each an HTTP chunk of its own, until the client goes."""

    def reply(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for event in events:
            data = f"data: {event}\n\n".encode()
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        handler.wfile.write(b"0\r\n\r\n")

    return reply


def error(
    status: int, message: str = "", headers: dict[str, str] | None = None, **more: Any
) -> Reply:
    """Answer as OpenAI reports an error."""
    body = json.dumps({"error": {"message": message, **more}})
    return raw(body, status, **(headers or {}))


def cut(reset: bool) -> Reply:
    """Promise more bytes than are sent, then close the connection, or reset it."""

    def reply(handler: Handler) -> None:
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

    def reply(handler: Handler) -> None:
        handler.close_connection = True
        if pieces == 0:
            handler.pause(seconds)
            return
        handler.start(200, 1000, {})
        for _ in range(pieces):
            handler.wfile.write(b" ")
            handler.pause(seconds / pieces)

    return reply


def late(seconds: float) -> Reply:
    """Answer with a form after some seconds."""

    def reply(handler: Handler) -> None:
        handler.pause(seconds)
        answer(FORM)(handler)

    return reply


class Held:
    """Answers with a form once it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __call__(self, handler: Handler) -> None:
        self.released.wait(90)
        answer(FORM)(handler)
