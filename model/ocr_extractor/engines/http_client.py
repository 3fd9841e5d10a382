"""The HTTP client below the SDK: answers arrive whole and in time, headers are passed on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from ocr_extractor.engines.deferral import in_force
from ocr_extractor.engines.event_stream import MEDIA_TYPE, StreamedCompletion
from ocr_extractor.stopping import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# A server that is there accepts a connection at once (the openai SDK has the same bound), s.
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
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Timely(response.stream, timeout_s)
            if response.headers.get("content-type", "").startswith(MEDIA_TYPE):
                response.stream = StreamedCompletion(response.stream)
                response.headers["content-type"] = "application/json"

    timeout = httpx2.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))
    return _Client(timeout=timeout, event_hooks={"response": [on_response]})


class _Client(openai.DefaultHttpxClient):
    """The SDK's own client, which sends no request that is deferred."""

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        deferral = in_force()
        return deferral.respond(request) if deferral else super().send(request, **options)


class _Timely(httpx2.SyncByteStream):
    """An answer's body; httpx2's own timeout is for each piece, so a drip would never end."""

    def __init__(self, body: httpx2.SyncByteStream, timeout_s: float) -> None:
        self._body = body
        self._deadline = time.monotonic() + timeout_s

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            check()  # to end here closes the connection, and so ends what the LLM is writing
            if time.monotonic() > self._deadline:
                raise httpx2.ReadTimeout("The answer drips.")
            yield piece

    def close(self) -> None:
        self._body.close()
