"""The app of the review page: who may ask, how it refuses, and the files of the page."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from entry_points import ROOT
from entry_points.command_line.cli import UsageError
from entry_points.reviewing.mlflow_queue import Queue
from entry_points.reviewing.review import RefusedError, Review
from entry_points.reviewing.routes import add_routes, refusal
from ocr_extractor.errors import DocumentError

TOKEN_HEADER = "X-Review-Token"  # noqa: S105 - its name
_MAX_BODY_BYTES = 4_000_000
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_SHARED = ROOT / "entry_points" / "evaluation" / "html"
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Next = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        token: What the printed address holds.
        user: The name of who has started the server.
        is_loopback: Whether only this machine can reach it.
    """

    token: str
    user: str
    is_loopback: bool


def build_app(
    review: Review,
    access: Access,
    finish: Callable[[], dict[str, Any]],
    queue: Queue | None = None,
) -> FastAPI:
    """Build the app.

    Args:
        review: What is reviewed.
        access: Who may ask.
        finish: Ends the review, and returns its summary.
        queue: MLflow's queue that holds its documents, None for none.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.user = access.user
    _guard(app, access)
    _answer_faults(app)
    _serve_page(app)
    add_routes(app, review, finish, queue)
    return app


def _guard(app: FastAPI, access: Access) -> None:
    @app.middleware("http")
    async def guard(request: Request, call_next: Next) -> Response:
        fault = _fault(request, access)
        response = await call_next(request) if fault is None else refusal(*fault)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def _fault(request: Request, access: Access) -> tuple[int, str] | None:
    """Return status and message for a request that must not be answered; None for others."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    # A page of another site that has made its name lead to this machine (DNS rebinding).
    if access.is_loopback and _name_in(host) not in LOOPBACK:
        return 403, "This server answers to the name of this machine only."
    if origin is not None and origin.partition("://")[2] != host:
        return 403, "This server answers its own page only."
    given = request.headers.get(TOKEN_HEADER, "").encode()
    fault = None
    if request.url.path.startswith("/api/"):
        if not hmac.compare_digest(given, access.token.encode()):
            fault = 401, "The token is missing or wrong: open the address that review has printed."
        elif request.method != "GET":
            size = request.headers.get("content-length", "")
            if origin is None:
                fault = 403, "A change needs the header Origin."
            elif not size.isdecimal() or int(size) > _MAX_BODY_BYTES:
                fault = 413, f"The body has more than {_MAX_BODY_BYTES:,} bytes, or no known size."
    return fault


def _name_in(host: str) -> str | None:
    """Return the name or address in a header Host; None for a malformed one."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _answer_faults(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part)[:80] for part in first["loc"])
        return refusal(422, f"{where}: {first['msg'][:200]}")

    @app.exception_handler(StarletteHTTPException)
    async def no_answer(_: Request, error: StarletteHTTPException) -> Response:
        return refusal(error.status_code, str(error.detail))

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> Response:
        return refusal(422, str(error), path=error.path)

    @app.exception_handler(UsageError)
    @app.exception_handler(DocumentError)
    async def unusable(_: Request, error: Exception) -> Response:
        return refusal(404 if isinstance(error, DocumentError) else 500, str(error))


def _serve_page(app: FastAPI) -> None:
    files = [*(Path(__file__).parent / "page").iterdir()]
    files += [_SHARED / "report.css", _SHARED / "components.js"]
    known = {path.name: path for path in files if path.suffix in _TYPES}

    @app.get("/")
    def page() -> Response:
        return file("review.html")

    @app.get("/page/{name}")
    def file(name: str) -> Response:
        if name not in known:
            raise HTTPException(404)
        path = known[name]
        return Response(path.read_bytes(), media_type=_TYPES[path.suffix])
