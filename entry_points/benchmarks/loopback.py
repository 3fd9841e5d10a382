"""An OpenAI-compatible server of fixed latency, run as a process of its own: it is not measured."""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PAIRS = [{"question": f"Question {number}:", "answer": f"{number}"} for number in range(15)]
_COMPLETION = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "loopback",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": json.dumps({"pairs": _PAIRS})},
            }
        ],
        "usage": {"prompt_tokens": 1500, "completion_tokens": 200, "total_tokens": 1700},
    }
).encode()


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A small answer must not wait for more to send (Nagle's algorithm).
    disable_nagle_algorithm = True
    latency_s = 0.0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(self.latency_s)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(_COMPLETION)))
        self.end_headers()
        self.wfile.write(_COMPLETION)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


def main() -> None:
    """Serve until stdin ends, as it does with whoever started this process.

    The first line printed is the port, the argument is the latency, s.
    """
    _Handler.latency_s = float(sys.argv[1])
    server = _Server(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
