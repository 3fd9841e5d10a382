"""MLflow's scoring routes for one extractor, with answers that never show a stack trace."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import threading
import traceback
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import mlflow
import pandas as pd
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from mlflow.pyfunc import PyFuncModel
from starlette.requests import ClientDisconnect

from entry_points.loading import load_extractor
from entry_points.serving.body import Call, HttpError, read_body
from entry_points.serving.example import openapi

_logger = logging.getLogger(__name__)

# How the entry point tells its workers, which are processes of their own, what to serve.
OPTIONS_VARIABLE = "OCR_EXTRACTOR_SERVER"

# nginx's status for it; there is no standard one.
_CLIENT_GONE = 499


@dataclass(frozen=True)
class Options:
    """What to serve, and within which limits.

    Attributes:
        model_uri: The logged extractor.
        timeout_s: Longest request, s.
        max_request_bytes: Largest body, bytes.
    """

    model_uri: str
    timeout_s: float
    max_request_bytes: int


def create_app() -> FastAPI:
    """Load the extractor that the environment names, and build the app around it.

    Raises:
        UsageError: It cannot be found, or refuses to load for a reason that it names.
    """
    options = Options(**json.loads(os.environ[OPTIONS_VARIABLE]))
    return build_app(load_served(options.model_uri), options)


def load_served(model_uri: str) -> PyFuncModel:
    """Load an extractor with the settings of SERVING_MODEL_CONFIG.

    Raises:
        UsageError: It cannot be found, or refuses to load for a reason that it names.
    """
    try:
        settings = json.loads(os.environ.get("SERVING_MODEL_CONFIG") or "{}")
    except ValueError:
        settings = None
    # What is no object is left to the extractor, which says so.
    return load_extractor(model_uri, **(settings if isinstance(settings, dict) else {}))


def build_app(model: PyFuncModel, options: Options) -> FastAPI:
    """Build the app: /ping, /health, /version, /invocations, /docs and /openapi.json.

    Args:
        model: The loaded extractor.
        options: The limits of a request.
    """
    app = FastAPI(
        title="OCR form extractor", version=str(mlflow.__version__), lifespan=_writing_its_traces
    )
    signature: Any = model.metadata.signature
    params = {spec.name: spec.dtype.to_python() for spec in signature.params}

    @app.get("/ping")
    @app.get("/health")
    def ping() -> Response:
        """Answer when the extractor is loaded."""
        return Response("\n", media_type="application/json")

    @app.get("/version")
    def version() -> Response:
        """Return MLflow's version."""
        return Response(mlflow.__version__, media_type="application/json")

    @app.post("/invocations", openapi_extra=openapi())
    async def invocations(request: Request) -> Response:
        """Read documents and return a row each, in the order of the request."""
        try:
            return JSONResponse({"predictions": await _answer(request, model, params, options)})
        except HttpError as fault:
            return _failure(fault)
        except ClientDisconnect:
            return Response(status_code=_CLIENT_GONE)  # to nobody
        except asyncio.CancelledError:  # by uvicorn, once shutdown_s is over
            return _failure(
                HttpError("The server is stopping: send it again.", 503, "server_stopping")
            )
        except Exception as fault:  # the border: whatever it is, it must not reach the client
            return _failure(_hide(fault))

    return app


@contextlib.asynccontextmanager
async def _writing_its_traces(_: FastAPI) -> AsyncIterator[None]:
    """Write the traces that wait before the process ends: uvicorn leaves it no other moment."""
    yield
    await run_in_threadpool(mlflow.flush_trace_async_logging)


async def _answer(
    request: Request, model: PyFuncModel, params: Mapping[str, type], options: Options
) -> list[dict[str, Any]]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HttpError("Send the body with Content-Type: application/json.", 415)
    body = bytearray()
    async for chunk in cast("AsyncIterator[bytes]", request.stream()):
        body += chunk
        if len(body) > options.max_request_bytes:
            raise HttpError(
                f"The body is larger than {options.max_request_bytes:,} bytes: send fewer "
                "documents at once.",
                413,
                "request_too_large",
            )
    call = await run_in_threadpool(read_body, bytes(body), params)
    stop = threading.Event()
    reading = asyncio.ensure_future(run_in_threadpool(_predict, model, call, stop))
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait(
            {reading, gone}, timeout=options.timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        if reading.done():
            return reading.result()
        if gone.done():
            raise ClientDisconnect
        raise HttpError(
            f"Not finished within {options.timeout_s:g} s: send fewer documents at once.",
            504,
            "request_timeout",
        )
    finally:
        stop.set()
        reading.cancel()  # it is not waited for: its thread ends with what it has begun
        gone.cancel()


async def _disconnected(request: Request) -> None:
    """Wait until the client, whose body was read to its end, closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _predict(model: PyFuncModel, call: Call, stop: threading.Event) -> list[dict[str, Any]]:
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    with extractor.stopped_by(stop):
        output = cast(pd.DataFrame, model.predict(call.frame, params=call.params))
    return cast("list[dict[str, Any]]", output.to_dict(orient="records"))


def _hide(fault: Exception) -> HttpError:
    """Turn an error into what the client may know; the log has where it was, not its message."""
    kind = type(fault)
    # The travelling package's own error, told by name because it must not be imported here.
    if kind.__module__ == "ocr_extractor.errors" and kind.__name__ == "RequestError":
        return HttpError(str(fault))
    where = "; ".join(
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(fault.__traceback__)
    )
    _logger.error("%s in a request: %s", kind.__name__, where)
    message = f"The extractor failed ({kind.__name__}): its log says where."
    return HttpError(message, 500, "internal_error")


def _failure(fault: HttpError) -> JSONResponse:
    return JSONResponse({"error_code": fault.code, "message": str(fault)}, fault.status)
