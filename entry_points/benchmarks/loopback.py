"""An OpenAI-compatible server of fixed latency in its own process, so that it is not measured.

Its first pair names the image of the request, so that each page has a different answer.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PAIRS = [{"question": f"Question {number}:", "answer": f"{number}"} for number in range(15)]
# Placeholder of the same length as the name of the image: answers are made once, then filled in.
_NAME = "@" * 8
_CONTENT = json.dumps({"pairs": [{"question": "Image:", "answer": _NAME}, *_PAIRS]})
_TOKENS = 200
_USAGE = {"prompt_tokens": 1500, "completion_tokens": _TOKENS, "total_tokens": 1500 + _TOKENS}
# The number of parts of a streamed answer; each has several events.
_PARTS = 20


def _body(choices: list[dict[str, Any]], kind: str, **more: Any) -> bytes:
    head = {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "loopback"}
    return json.dumps({**head, "choices": choices, **more}).encode()


def _name(asked: bytes) -> bytes:
    """Return the name of the image in a request: the same for the same image."""
    start = asked.find(b"base64,")
    return b"%08x" % zlib.crc32(asked[start : asked.find(b'"', start)])


def _whole() -> bytes:
    message = {"role": "assistant", "content": _CONTENT}
    return _body(
        [{"index": 0, "finish_reason": "stop", "message": message}], "chat.completion", usage=_USAGE
    )


def _streamed() -> list[bytes]:
    """Return the parts of the answer as events, a token and an HTTP chunk each."""
    kind, step = "chat.completion.chunk", -(-len(_CONTENT) // _TOKENS)
    before, after = (
        [text[at : at + step] for at in range(0, len(text), step)] for text in _CONTENT.split(_NAME)
    )
    deltas = [{"content": text} for text in (*before, _NAME, *after)]
    ends = [None] * len(deltas) + ["stop"]
    choices = [
        {"index": 0, "finish_reason": end, "delta": delta}
        for end, delta in zip(ends, [*deltas, {}], strict=True)
    ]
    bodies = [_body([choice], kind) for choice in choices]
    data = [b"data: %s\n\n" % each for each in (*bodies, _body([], kind, usage=_USAGE), b"[DONE]")]
    chunks = [b"%x\r\n%s\r\n" % (len(each), each) for each in data]
    size = -(-len(chunks) // _PARTS)
    return [b"".join(chunks[at : at + size]) for at in range(0, len(chunks), size)]


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client may go away
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Nagle's algorithm would hold a small answer back.
    disable_nagle_algorithm = True
    latency_s = 0.0
    whole = _whole()
    parts = _streamed()

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"]))
        name = _name(asked)
        if b'"stream":true' in asked:
            self._stream(name)
            return
        time.sleep(self.latency_s)
        self._start("application/json", "content-length", str(len(self.whole)))
        self.wfile.write(self.whole.replace(_NAME.encode(), name))

    def _stream(self, name: bytes) -> None:
        """Send the answer as an LLM writes it: evenly, and complete after the latency."""
        started = time.monotonic()
        self._start("text/event-stream", "transfer-encoding", "chunked")
        for number, part in enumerate(self.parts, start=1):
            due = started + self.latency_s * number / len(self.parts)
            time.sleep(max(0.0, due - time.monotonic()))
            self.wfile.write(part.replace(_NAME.encode(), name))
        self.wfile.write(b"0\r\n\r\n")

    def _start(self, content_type: str, header: str, value: str) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header(header, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


def main() -> None:
    """Serve until stdin ends, as it does when the parent process ends.

    The first line printed is the port, the argument is the latency, s.
    """
    _Handler.latency_s = float(sys.argv[1])
    server = _Server(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
