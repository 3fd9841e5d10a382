"""MLflow's scoring routes for one extractor, and routes about the server itself."""

from __future__ import annotations

import json
import os
from typing import Any

import mlflow
from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi_offline import FastAPIOffline
from mlflow.pyfunc import PyFuncModel
from prometheus_client import CONTENT_TYPE_LATEST

from entry_points.logged_models.loading import load_extractor
from entry_points.serving.answering import Answering, Options, refusal
from entry_points.serving.body import HttpError
from entry_points.serving.example import openapi
from entry_points.serving.metrics import Metrics
from entry_points.serving.shutdown import Shutdown, stopping

# Passes the options to the workers, which are separate processes.
OPTIONS_VARIABLE = "OCR_EXTRACTOR_SERVER"


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
    # The extractor itself reports settings that are not an object.
    return settings if isinstance(settings, dict) else {}


def build_app(model: PyFuncModel, options: Options) -> FastAPI:
    """Build the app: /invocations, /ping, /health, /ready, /metrics, /version, /docs."""
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    settings = model.model_config | _serving_settings()
    metrics = Metrics(extractor.traces_dropped)
    shutdown = Shutdown(options.shutdown_s, extractor.flush_traces)
    answering = Answering(model, options, settings["max_documents"], shutdown, metrics)
    # FastAPI's own /docs page loads its scripts from the internet.
    app = FastAPIOffline(
        redoc_url=None,
        title="OCR form extractor",
        version=str(mlflow.__version__),
        lifespan=shutdown.lifespan,
    )

    @app.get("/ping")
    @app.get("/health")
    async def ping() -> Response:
        """Answer as long as the process runs."""
        return Response("\n", media_type="application/json")

    @app.get("/ready")
    async def ready() -> Response:
        """Tell whether to send requests: not while the server stops or has lost its engine."""
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
