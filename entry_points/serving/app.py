"""MLflow's scoring routes for one extractor, and routes about the server itself."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import mlflow
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from fastapi_offline import FastAPIOffline
from mlflow.pyfunc import PyFuncModel
from prometheus_client import CONTENT_TYPE_LATEST
from uvicorn.protocols.http.h11_impl import H11Protocol

from entry_points.command_line.cli import PRODUCTION
from entry_points.logged_models.calls import flush_traces
from entry_points.logged_models.loading import load_extractor, version_of
from entry_points.serving.answering import Answering, Options, refusal
from entry_points.serving.body import HttpError
from entry_points.serving.example import openapi
from entry_points.serving.metrics import Metrics
from entry_points.serving.shutdown import Shutdown, stopping
from entry_points.serving.webhooks import PROMPT_ALIAS, AliasEvent, Webhooks, add_route


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


class FollowedAlias:
    """The alias that a model follows to its prompt; for one event loop."""

    def __init__(self, model: PyFuncModel) -> None:
        """Take the alias from the model's settings; a model may follow none."""
        settings = model.model_config | _serving_settings()
        self._extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
        name = settings["prompt_uri"].removeprefix("prompts:/").rpartition("/")[0]
        self._followed = (name, PRODUCTION) if settings.get("follow_alias") else None
        self._lookups = set[asyncio.Task[Any]]()
        self._one = asyncio.Lock()

    def take(self, event: AliasEvent) -> None:
        """If an event is about this alias, look it up now, behind the requests."""
        is_ours = event.kind == PROMPT_ALIAS and (event.name, event.alias) == self._followed
        # One that runs may have begun before the alias was moved; one that waits has not.
        if is_ours and len(self._lookups) < 2:
            lookup = asyncio.ensure_future(self._look_up())
            self._lookups.add(lookup)
            lookup.add_done_callback(self._lookups.discard)

    async def _look_up(self) -> None:
        async with self._one:
            await run_in_threadpool(self._extractor.followed_prompt)


@dataclass(frozen=True)
class Served:
    """The app of one extractor, and what its process must reach besides.

    Attributes:
        app: The routes.
        metrics: What the process counts.
        alias: The alias of the prompt.
        webhooks: What receives deliveries; None if the server takes none.
    """

    app: FastAPI
    metrics: Metrics
    alias: FollowedAlias
    webhooks: Webhooks | None

    def take(self, event: AliasEvent) -> None:
        """Act on an event that this or another process has received."""
        if self.webhooks:
            self.webhooks.remember(event.delivery)
        self.alias.take(event)


def build_served(
    model: PyFuncModel,
    options: Options,
    forward: Callable[[AliasEvent], None] | None = None,
    seen: Iterable[str] = (),
) -> Served:
    """Build the app: /invocations, /ping, /health, /ready, /metrics, /version, /docs, webhooks.

    Args:
        model: The loaded extractor.
        options: What to serve, and within which limits.
        forward: Passes an event on to all processes, this one too; None if this one is alone.
        seen: Ids of the webhook deliveries that other processes have accepted.
    """
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    settings = model.model_config | _serving_settings()
    metrics = Metrics(version_of(options.model_uri), extractor.traces_dropped)
    shutdown = Shutdown(options.shutdown_s, partial(flush_traces, model))
    answering = Answering(model, options, settings["max_documents"], shutdown, metrics)
    alias = FollowedAlias(model)
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

    webhooks = None
    if options.webhook_secret:
        webhooks = Webhooks(os.environ[options.webhook_secret], forward or alias.take, seen)
        add_route(app, webhooks)
    return Served(app, metrics, alias, webhooks)


class BoundedConnection(H11Protocol):
    """uvicorn's connection, closed if the head of a request is not complete in time.

    The time is uvicorn's own `timeout_keep_alive`, s. uvicorn measures it only from an answer to
    the next byte: a client that sends nothing, or a byte from time to time, would stay connected.
    """

    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request; the rest of this one's body is skipped."""
        super().on_response_complete()
        self._wait_for_head()

    def _wait_for_head(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
        self._head_due = self.loop.call_later(self.timeout_keep_alive, self._close_without_request)

    def _close_without_request(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.timeout_keep_alive_handler()


def http_settings() -> dict[str, Any]:
    """Return uvicorn's settings for every process of a server."""
    # It is told to stop when no request is left, but answers may still be in transfer.
    return {"http": BoundedConnection, "timeout_graceful_shutdown": 1}
