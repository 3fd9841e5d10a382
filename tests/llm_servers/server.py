"""The HTTP part of the LLM servers on loopback; subclasses say what each request gets."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self

from werkzeug import Request, Response
from werkzeug.exceptions import ClientDisconnected

from tests.loopback import LoopbackServer

# Writes to the connection itself: what no well-formed `Response` can say.
Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One connection; `asked` is the JSON body of its present request."""

    protocol_version = "HTTP/1.1"
    # A small answer must not wait for more to send (Nagle's algorithm).
    disable_nagle_algorithm = True
    server: _HttpServer
    asked: Any = None

    def do_POST(self) -> None:
        try:
            with Request(self._environ()) as request:
                reply = self.server.llm.reply_to(request)
                self.asked = request.get_json(silent=True)
                request.stream.read()  # else the rest would be taken for the next request
            if isinstance(reply, Response):
                self.send(reply)
            else:
                reply(self)
        except (OSError, ClientDisconnected):
            self.close_connection = True  # the client has had enough

    do_GET = do_DELETE = do_POST  # noqa: N815 - http.server's names

    def start(self, status: int, length: int, headers: dict[str, str]) -> None:
        """Send the head of a JSON answer that promises so many bytes."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def send(self, response: Response) -> None:
        """Send what werkzeug would; a body shorter than promised ends with the connection."""
        parts, _, headers = response.get_wsgi_response(self._environ())
        self.send_response(response.status_code)
        for name, value in headers:
            self.send_header(name, value)
        promised = dict(headers).get("Content-Length")
        if promised is None:
            self.send_header("Connection", "close")
        self.end_headers()
        sent = 0
        for part in parts:
            self.wfile.write(part)
            self.wfile.flush()
            sent += len(part)
        if str(sent) != promised:
            self.close_connection = True

    def pause(self, seconds: float) -> None:
        """Take some time, less where the server is closed meanwhile."""
        self.server.llm.closing.wait(seconds)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""

    def _environ(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        host, port = self.server.server_address[:2]
        named = {f"HTTP_{name.upper().replace('-', '_')}": v for name, v in self.headers.items()}
        return named | {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": str(host),
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": self.request_version,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": self.headers.get("Content-Length", "0"),
            "wsgi.url_scheme": "http",
            "wsgi.input": self.rfile,
            "connection": self.connection,
        }


class _HttpServer(LoopbackServer):
    llm: LlmServer


class LlmServer:
    """A server that runs for as long as it is entered.

    Attributes:
        base_url: Where the API is.
        requests: The JSON bodies of all requests for completions.
        times: When they came, s of the monotonic clock.
        closing: Set when the server ends.
    """

    def __init__(self) -> None:
        self._http = _HttpServer(("127.0.0.1", 0), Handler)
        self._http.llm = self
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/v1"
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._routes: dict[tuple[str, str], Callable[[Request], Response]] = {}
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def route(self, method: str, path: str, respond: Callable[[Request], Response]) -> None:
        """Let a function answer a method's requests for paths below /v1, a regular expression."""
        self._routes[method, f"/v1/{path}"] = respond

    def reply_to(self, request: Request) -> Response | Reply:
        """Return what a request gets: that of its route, or of `complete`."""
        for (method, path), respond in self._routes.items():
            if method == request.method and re.fullmatch(path, request.path):
                return respond(request)
        if request.method != "POST" or not request.path.endswith("/chat/completions"):
            return Response("Not found", 404)
        body = request.get_json()
        with self._lock:
            self.requests.append(body)
            self.times.append(time.monotonic())
            return self.complete(request, body)

    def complete(self, request: Request, body: dict[str, Any]) -> Response | Reply:
        """Return what a request for a completion gets; one is chosen at a time."""
        raise NotImplementedError
