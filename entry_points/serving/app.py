"""MLflow's scoring routes for one extractor, and those that tell of the server itself."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import mlflow
from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi_offline import FastAPIOffline
from mlflow.pyfunc import PyFuncModel
from prometheus_client import CONTENT_TYPE_LATEST

from entry_points.logged_models.loading import load_extractor
from entry_points.serving.answering import Answering, Limits, refusal
from entry_points.serving.body import HttpError
from entry_points.serving.example import openapi
from entry_points.serving.metrics import Metrics
from entry_points.serving.shutdown import Shutdown, stopping

# How the entry point tells its workers, which are processes of their own, what to serve.
OPTIONS_VARIABLE = "OCR_EXTRACTOR_SERVER"


@dataclass(frozen=True)
class Options:
    """What to serve, and within which limits.

    Attributes:
        model_uri: The logged extractor.
        timeout_s: Longest request from its head to its answer, s.
        max_request_bytes: Largest body, bytes.
        max_requests: Most requests in a process's memory at once.
        max_held_bytes: Most bytes of their bodies.
        shutdown_s: Longest wait for requests and traces after SIGTERM or Ctrl-C, s.
    """

    model_uri: str
    timeout_s: float
    max_request_bytes: int
    max_requests: int
    max_held_bytes: int
    shutdown_s: float


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
    return load_extractor(model_uri, **_serving_settings())


def _serving_settings() -> dict[str, Any]:
    try:
        settings = json.loads(os.environ.get("SERVING_MODEL_CONFIG") or "{}")
    except ValueError:
        settings = None
    # What is no object is left to the extractor, which says so.
    return settings if isinstance(settings, dict) else {}


def build_app(model: PyFuncModel, options: Options) -> FastAPI:
    """Build the app: /invocations, /ping, /health, /ready, /metrics, /version, /docs.

    Args:
        model: The loaded extractor.
        options: The limits of requests.
    """
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    settings = model.model_config | _serving_settings()
    limits = Limits(
        options.timeout_s,
        options.max_request_bytes,
        options.max_requests,
        options.max_held_bytes,
        settings["max_documents"],
    )
    metrics = Metrics(extractor.traces_dropped)
    shutdown = Shutdown(options.shutdown_s, extractor.flush_traces)
    answering = Answering(model, limits, shutdown, metrics)
    # FastAPI's own page of /docs loads its scripts from the internet.
    app = FastAPIOffline(
        redoc_url=None,
        title="OCR form extractor",
        version=str(mlflow.__version__),
        lifespan=shutdown.lifespan,
    )

    @app.get("/ping")
    @app.get("/health")
    async def ping() -> Response:
        """Answer while the process lives."""
        return Response("\n", media_type="application/json")

    @app.get("/ready")
    async def ready() -> Response:
        """Tell whether to send requests: not while the server stops or its engine is lost."""
        if shutdown.begun:
            return refusal(stopping())
        if answering.reach.is_lost():
            message = "The latest documents did not reach the LLM's server: the rows say why."
            return refusal(HttpError(message, 503, "engine_unreachable"))
        return Response("\n", media_type="application/json")

    @app.get("/metrics")
    async def count() -> Response:
        """Return what was counted, in Prometheus' text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/version")
    async def version() -> Response:
        """Return MLflow's version."""
        return Response(mlflow.__version__, media_type="application/json")

    @app.post("/invocations", openapi_extra=openapi())
    async def invocations(request: Request) -> Response:
        """Read documents and return a row each, in the order of the request."""
        return await answering.answer(request)

    return app
