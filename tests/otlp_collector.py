"""An OpenTelemetry collector on loopback: it takes spans over OTLP/HTTP, or holds the request."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from types import TracebackType

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.loopback import LoopbackServer


class OtlpCollector:
    """Keeps the spans of every request that it answered.

    Attributes:
        spans: What it took so far.
        asked: Set once a request has arrived.
        answers: Requests wait until it is set; it is from the start.
        status: The status of the answers; spans are kept with 200 only.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.answers.set()
        self.status = 200
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.asked.set()
                collector.answers.wait()
                if collector.status == 200:
                    collector.spans += _spans(ExportTraceServiceRequest.FromString(body))
                self.send_response(collector.status)
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._handler = Handler
        self._listen(port=0)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def _listen(self, port: int) -> None:
        self._server = LoopbackServer(("127.0.0.1", port), self._handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> OtlpCollector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Refuse connections from now on; requests that are held are let go."""
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()

    def come_back(self) -> None:
        """Take spans again, at the same address, after `close` or with another status."""
        self.status = 200
        if self._server.socket.fileno() == -1:
            self._listen(self._server.server_port)

    def traces(self) -> set[str]:
        """Return the ids of the traces whose spans it took, as MLflow writes them."""
        return {f"tr-{span.trace_id.hex()}" for span in list(self.spans)}


def _spans(request: ExportTraceServiceRequest) -> list[Span]:
    return [
        span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
