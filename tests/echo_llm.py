"""An OpenAI-compatible server, a process of its own, that answers at once with the page's size."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from entry_points import ROOT
from tests.loopback_llm import completion

# Of a PNG, up to width and height: 24 bytes.
_HEADER_BASE64 = 32
_PNG = b"data:image/png;base64,"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A small answer must not wait for more to send (Nagle's algorithm).
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        start = body.index(_PNG) + len(_PNG)
        header = base64.b64decode(body[start : start + _HEADER_BASE64])
        width, height = struct.unpack(">II", header[16:24])
        pairs = [{"question": "size", "answer": f"{width} x {height}"}]
        answer = json.dumps(completion(json.dumps({"pairs": pairs}))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


@contextmanager
def serve() -> Iterator[str]:
    """Run the server; yield its base URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.echo_llm"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        process.communicate()


def main() -> None:
    """Print the port and serve until stdin ends, as it does with whoever started this process."""
    server = _Server(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
