"""The HTTP client below the SDK: answers are complete, in time and of limited size, or errors."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx2
import openai

from ocr_extractor.engines.openai.batched_requests import requests_in_force
from ocr_extractor.engines.openai.event_stream import MEDIA_TYPE, StreamedCompletion
from ocr_extractor.engines.openai.read_deadline import bound_reading, extend_reading, reading_ends
from ocr_extractor.engines.openai.sdk_errors import response_too_large
from ocr_extractor.runtime.cancellation import check

# What is read of one answer, decompressed, bytes. The longest completions have 0.5 MB, streamed
# ones 300 bytes a token; reading JSON that is made to harm takes 50 times its size.
MAX_ANSWER_BYTES = 8_000_000
# Largest file of a batch's answers, on disk: at most 50,000 answers.
MAX_FILE_BYTES = 4_000_000_000
_FILE = "/content"
# Longest wait for a connection, which a running server accepts at once (as in the openai SDK), s.
_CONNECT_TIMEOUT_S = 5.0


def build_http_client(
    timeout_s: float, on_headers: Callable[[Mapping[str, str]], None]
) -> httpx2.Client:
    """Build the client.

    Args:
        timeout_s: Longest wait for the first and, after it, for the last byte of an answer, s.
        on_headers: Called with the headers of every answer.
    """

    def on_response(response: httpx2.Response) -> None:
        on_headers(response.headers)
        extend_reading(timeout_s)
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
    bound_reading(client)
    return client


class _Client(openai.DefaultHttpxClient):
    """The SDK's client; it does not send deferred requests."""

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        if (deferral := requests_in_force()) is not None:
            return deferral.respond(request)
        with reading_ends(self.timeout.read or math.inf):
            return super().send(request, **options)


class _Timely(httpx2.SyncByteStream):
    """The body of an answer with a deadline; httpx2's timeout is for each piece only."""

    def __init__(self, body: httpx2.SyncByteStream, timeout_s: float) -> None:
        self._body = body
        self._deadline = time.monotonic() + timeout_s

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            check()  # an error here closes the connection, so the LLM stops writing
            if time.monotonic() > self._deadline:
                raise httpx2.ReadTimeout("The answer drips.")
            yield piece

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
