"""The HTTP client below the SDK: answers are complete, in time and of limited size, or errors."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import httpcore2
import httpx2
import openai

from ocr_extractor.engines.openai.batched_requests import requests_in_force
from ocr_extractor.engines.openai.event_stream import MEDIA_TYPE, StreamedCompletion
from ocr_extractor.engines.openai.sdk_errors import response_too_large
from ocr_extractor.runtime.cancellation import check

# Most bytes of one answer, decompressed. The longest completions have 0.5 MB, streamed
# ones 300 bytes a token; reading JSON that is made to harm takes 50 times its size.
MAX_ANSWER_BYTES = 8_000_000
# Largest file of a batch's answers, on disk: at most 50,000 answers.
MAX_FILE_BYTES = 4_000_000_000
_FILE = "/content"
# Longest wait for a connection, which a running server accepts at once (as in the openai SDK), s.
_CONNECT_TIMEOUT_S = 5.0

# When reading from the network ends, on the monotonic clock, s. httpx2's timeout is for each read
# only. A request is sent, and all but a file is read, in one thread and one context.
_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


def build_http_client(
    timeout_s: float, on_headers: Callable[[Mapping[str, str]], None]
) -> httpx2.Client:
    """Build the client.

    Args:
        timeout_s: Longest wait for the headers of an answer and, after them, for every
            `MAX_ANSWER_BYTES` of its body, s.
        on_headers: Called with the headers of every answer.
    """

    def on_response(response: httpx2.Response) -> None:
        on_headers(response.headers)
        _deadline.set(time.monotonic() + timeout_s)
        if isinstance(response.stream, httpx2.SyncByteStream):
            is_file = response.request.url.path.endswith(_FILE)
            response.stream = _Decoded(
                httpx2.Response(
                    response.status_code,
                    headers=response.headers,
                    stream=_Timely(response.stream, timeout_s),
                ),
                MAX_FILE_BYTES if is_file else MAX_ANSWER_BYTES,
            )
            response.headers.pop("content-encoding", None)
            if response.headers.get("content-type", "").startswith(MEDIA_TYPE):
                response.stream = StreamedCompletion(response.stream)
                response.headers["content-type"] = "application/json"

    timeout = httpx2.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))
    # A redirect would send the page, and on the same host the key, to an unknown place.
    client = _Client(
        timeout=timeout, follow_redirects=False, event_hooks={"response": [on_response]}
    )
    # httpx2 has no public way to choose the network backend of its transports, hence the private
    # names. A transport of our own would have to repeat its handling of proxies and errors.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = _Backend()
    return client


class _Client(openai.DefaultHttpxClient):
    """The SDK's client; it does not send deferred requests."""

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        if (deferral := requests_in_force()) is not None:
            return deferral.respond(request)
        token = _deadline.set(time.monotonic() + (self.timeout.read or math.inf))
        try:
            return super().send(request, **options)
        finally:
            _deadline.reset(token)


class _Timely(httpx2.SyncByteStream):
    """The body of an answer, with a deadline that is extended only for a file of a batch."""

    def __init__(self, body: httpx2.SyncByteStream, timeout_s: float) -> None:
        self._body = body
        self._timeout_s = timeout_s

    def __iter__(self) -> Iterator[bytes]:
        deadline, left = time.monotonic() + self._timeout_s, MAX_ANSWER_BYTES
        for piece in self._body:
            check()  # an error here closes the connection, so the LLM stops writing
            if time.monotonic() > deadline:
                raise httpx2.ReadTimeout("The answer takes too long.")
            yield piece
            left -= len(piece)
            if left <= 0:
                deadline, left = time.monotonic() + self._timeout_s, MAX_ANSWER_BYTES

    def close(self) -> None:
        self._body.close()


class _Decoded(httpx2.SyncByteStream):
    """A decompressed body of limited size."""

    def __init__(self, compressed: httpx2.Response, most_bytes: int) -> None:
        self._compressed = compressed
        self._most_bytes = most_bytes

    def __iter__(self) -> Iterator[bytes]:
        left = self._most_bytes
        for piece in self._compressed.iter_bytes():
            left -= len(piece)
            if left < 0:
                raise response_too_large(self._most_bytes)
            yield piece

    def close(self) -> None:
        self._compressed.close()


class _Backend(httpcore2.SyncBackend):
    """Opens connections whose reads end at the deadline of their request."""

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore2.NetworkStream:
        return _Stream(super().connect_tcp(*args, **options))


class _Stream(httpcore2.NetworkStream):
    """A connection; a server that sends its headers byte by byte does not outlast the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left_s = _deadline.get() - time.monotonic()
        if left_s <= 0:
            raise httpcore2.ReadTimeout("The answer takes too long.")
        waits_s = min(left_s, math.inf if timeout is None else timeout)
        return self._stream.read(max_bytes, None if math.isinf(waits_s) else waits_s)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
