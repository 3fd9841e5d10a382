"""Answers requests within the limits, and without a stack trace."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anyio
import pandas as pd
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from mlflow.pyfunc import PyFuncModel
from starlette.requests import ClientDisconnect

from entry_points.serving.body import Call, HttpError, read_body
from entry_points.serving.metrics import EngineReach, Metrics
from entry_points.serving.shutdown import Shutdown, stopping

_logger = logging.getLogger(__name__)

# nginx's status for it; there is no standard one.
_CLIENT_GONE = 499
# Statuses of requests whose body was not read to its end: the connection is closed.
_CLOSING = {408, 413, 415, 503}
_RETRY_AFTER_S = 5
# The param that packs each row into one column: its counts could not be noted.
_OF_SPARK = "as_struct"

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Options:
    """What to serve, and within which limits.

    Attributes:
        model_uri: The logged extractor; an alias is resolved already.
        timeout_s: Longest time of a request, from its head to its answer, s.
        max_request_bytes: Largest body, bytes.
        max_requests: Most requests in a process's memory at once.
        max_held_bytes: Most bytes of their bodies.
        shutdown_s: Longest wait for requests and traces after SIGTERM or Ctrl-C, s.
        webhook_secret: The environment variable with the secret of MLflow's webhooks; "" for none.
    """

    model_uri: str
    timeout_s: float
    max_request_bytes: int
    max_requests: int
    max_held_bytes: int
    shutdown_s: float
    webhook_secret: str


class Admission:
    """Counts the requests in memory, and their bodies' bytes; for one event loop."""

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        """Begin with none; a request that is alone may have more than `max_bytes`."""
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._requests = 0
        self._bytes = 0

    @contextlib.contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Hold a request with a body of `size` bytes.

        Raises:
            HttpError: With status 503: too many requests, or bytes, are held already.
        """
        if self._requests >= self._max_requests or (
            self._requests and self._bytes + size > self._max_bytes
        ):
            raise HttpError(
                f"The server already holds {self._requests:,} requests of {self._bytes:,} bytes: "
                "send it again later.",
                503,
                "server_busy",
            )
        self._requests += 1
        self._bytes += size
        try:
            yield
        finally:
            self._requests -= 1
            self._bytes -= size


class Answering:
    """Answers the requests to /invocations; for one event loop."""

    def __init__(
        self,
        model: PyFuncModel,
        options: Options,
        max_documents: int,
        shutdown: Shutdown,
        metrics: Metrics,
    ) -> None:
        self.reach = EngineReach()
        self._model = model
        self._options = options
        self._max_documents = max_documents
        self._shutdown = shutdown
        self._metrics = metrics
        self._admission = Admission(options.max_requests, options.max_held_bytes)
        # A pool of their own: the other routes answer even while all of these threads read.
        self._threads = anyio.CapacityLimiter(options.max_requests)
        signature: Any = model.metadata.signature
        self._params = {
            spec.name: spec.dtype.to_python() for spec in signature.params if spec.name != _OF_SPARK
        }

    async def answer(self, request: Request) -> Response:
        """Read the documents of a request and answer with one row each, or with an error."""
        began = time.monotonic()
        code = None
        try:
            with self._shutdown.waits_for_request():
                response: Response = JSONResponse({"predictions": await self._rows(request)})
        except ClientDisconnect:
            response = Response(status_code=_CLIENT_GONE)  # nobody receives it
        except (Exception, asyncio.CancelledError) as error:  # none reaches the client
            fault = _fault(error)
            response, code = refusal(fault), fault.code
        self._metrics.note_request(response.status_code, code, time.monotonic() - began)
        return response

    async def _rows(self, request: Request) -> Rows:
        deadline = asyncio.get_running_loop().time() + self._options.timeout_s
        with contextlib.ExitStack() as held:
            held.enter_context(self._admission.holding(self._size(request)))
            call = await self._call(request, deadline)
            stop = threading.Event()
            reading = asyncio.ensure_future(
                anyio.to_thread.run_sync(self._predict, call, stop, limiter=self._threads)
            )
            # The thread, and so the memory of the request, may live longer than the answer.
            let_go = held.pop_all()

        def note(_: object) -> None:
            let_go.close()
            if not reading.cancelled() and reading.exception() is None:
                self.reach.note(reading.result())
                self._metrics.note_rows(reading.result())

        reading.add_done_callback(note)
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            left_s = deadline - asyncio.get_running_loop().time()
            await asyncio.wait({reading, gone}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
            if gone.done():
                raise ClientDisconnect
            raise self._too_late(504, "Not finished")
        finally:
            stop.set()
            gone.cancel()

    def _size(self, request: Request) -> int:
        """Return the size of the body; the largest allowed one if the client does not tell it."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise HttpError("Send the body with Content-Type: application/json.", 415)
        size = int(request.headers.get("content-length", self._options.max_request_bytes))
        if size > self._options.max_request_bytes:
            raise self._too_large()
        return size

    async def _call(self, request: Request, deadline: float) -> Call:
        body = bytearray()
        try:
            async with asyncio.timeout_at(deadline):
                async for chunk in cast("AsyncIterator[bytes]", request.stream()):
                    body += chunk
                    if len(body) > self._options.max_request_bytes:
                        raise self._too_large()
        except TimeoutError:
            raise self._too_late(408, "The body did not arrive") from None
        return await run_in_threadpool(read_body, body, self._params, self._max_documents)

    def _predict(self, call: Call, stop: threading.Event) -> Rows:
        extractor: Any = self._model.unwrap_python_model()  # type: ignore[no-untyped-call]
        with extractor.stopped_by(stop):
            output = cast(pd.DataFrame, self._model.predict(call.frame, params=call.params))
        return cast("Rows", output.to_dict(orient="records"))

    def _too_large(self) -> HttpError:
        return HttpError(
            f"The body is larger than {self._options.max_request_bytes:,} bytes: send fewer "
            "documents at once.",
            413,
            "request_too_large",
        )

    def _too_late(self, status: int, what: str) -> HttpError:
        return HttpError(
            f"{what} within {self._options.timeout_s:g} s: send fewer documents at once.",
            status,
            "request_timeout",
        )


def refusal(fault: HttpError) -> JSONResponse:
    """Return the answer to a request that fails as a whole."""
    headers = {"Connection": "close"} if fault.status in _CLOSING else {}
    if fault.status == 503:
        headers["Retry-After"] = str(_RETRY_AFTER_S)
    content = {"error_code": fault.code, "message": str(fault)}
    return JSONResponse(content, fault.status, headers)


async def _disconnected(request: Request) -> None:
    """Wait until the client, whose body was read to its end, closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _fault(error: BaseException) -> HttpError:
    """Turn an error into one that the client may see; the log has its place, not its message."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, asyncio.CancelledError):  # by the shutdown
        return stopping()
    kind = type(error)
    # An error of the logged package, recognised by name: the package must not be imported here.
    if kind.__module__ == "ocr_extractor.errors" and kind.__name__ == "RequestError":
        return HttpError(str(error))
    where = "; ".join(
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    )
    _logger.error("%s in a request: %s", kind.__name__, where)
    message = f"The extractor failed ({kind.__name__}): its log says where."
    return HttpError(message, 500, "internal_error")
