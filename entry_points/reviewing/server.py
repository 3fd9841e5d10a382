"""The routes of the review page. Each needs the token; nothing is fetched from elsewhere."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi import Path as Segment
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException as StarletteHTTPException

from entry_points import ROOT
from entry_points.command_line.cli import UsageError
from entry_points.reviewing.journal import Author, StaleError
from entry_points.reviewing.leaves import Leaf
from entry_points.reviewing.mlflow_queue import Queue
from entry_points.reviewing.review import Document, Edit, RefusedError, Review
from ocr_extractor.errors import DocumentError

TOKEN_HEADER = "X-Review-Token"  # noqa: S105 - its name
_MAX_BODY_BYTES = 4_000_000
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
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

Number = Annotated[int, Segment(ge=0)]
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


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Take(_Body):
    force: bool = False


class _Box(_Body):
    box: tuple[int, int, int, int]


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
    _Routes(review, finish, queue).add_to(app)
    return app


def _guard(app: FastAPI, access: Access) -> None:
    @app.middleware("http")
    async def guard(request: Request, call_next: Next) -> Response:
        fault = _fault(request, access)
        response = await call_next(request) if fault is None else _refusal(*fault)
        response.headers.update({k: v for k, v in _HEADERS.items() if k not in response.headers})
        return response


def _fault(request: Request, access: Access) -> tuple[int, str] | None:
    """Return status and message for a request that must not be answered; None for others."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    # A page of another site that has made its name lead to this machine (DNS rebinding).
    if access.is_loopback and _name_in(host) not in _LOOPBACK:
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


def _refusal(status: int, message: str, **more: Any) -> JSONResponse:
    return JSONResponse({"message": message, **more}, status)


def _answer_faults(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part)[:80] for part in first["loc"])
        return _refusal(422, f"{where}: {first['msg'][:200]}")

    @app.exception_handler(StarletteHTTPException)
    async def no_answer(_: Request, error: StarletteHTTPException) -> Response:
        return _refusal(error.status_code, str(error.detail))

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> Response:
        return _refusal(422, str(error), path=error.path)

    @app.exception_handler(UsageError)
    @app.exception_handler(DocumentError)
    async def unusable(_: Request, error: Exception) -> Response:
        return _refusal(404 if isinstance(error, DocumentError) else 500, str(error))


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


def _author(
    request: Request,
    x_review_page: Annotated[str, Header(max_length=64)] = "",
    x_reviewer: Annotated[str, Header(max_length=400)] = "",
) -> Author:
    # Header values are Latin-1: the page sends the name as JSON in ASCII.
    try:
        name = json.loads(x_reviewer) if x_reviewer else ""
    except ValueError:
        name = ""
    who = name.strip()[:80] if isinstance(name, str) else ""
    return Author(who or request.app.state.user, x_review_page)


Person = Annotated[Author, Depends(_author)]


class _Routes:
    def __init__(
        self, review: Review, finish: Callable[[], dict[str, Any]], queue: Queue | None
    ) -> None:
        self._review, self._finish, self._queue = review, finish, queue

    def add_to(self, app: FastAPI) -> None:
        app.get("/api/documents")(self.documents)
        app.get("/api/documents/{n}")(self.document)
        app.post("/api/documents/{n}/save")(self.save)
        app.post("/api/documents/{n}/take")(self.take)
        app.post("/api/leave")(self.leave)
        app.get("/api/documents/{n}/pages/{page}")(self.picture)
        app.get("/api/documents/{n}/pages/{page}/words")(self.words)
        app.post("/api/documents/{n}/pages/{page}/read")(self.read)
        app.post("/api/finish")(self.finish)

    def documents(self, person: Person) -> Response:
        task = self._review.task
        return JSONResponse(
            {
                "title": task.schema.title,
                "pairs": task.is_pairs,
                "members": task.described,
                "patterns": list(task.shape.leaves),
                "checks": task.described_checks,
                "user": person.who,
                "documents": self._review.lines(person.page),
            }
        )

    def document(self, n: Number) -> Response:
        doc_id = self._id(n)
        return JSONResponse(self._shown(doc_id, self._review.document(doc_id)))

    def save(self, n: Number, body: Edit, person: Person) -> Response:
        doc_id = self._id(n)
        try:
            document, changed = self._review.save(doc_id, body, person)
        except StaleError:
            theirs = self._shown(doc_id, self._review.document(doc_id))
            message = f"{theirs['who']} has changed this document since you opened it."
            return _refusal(409, message, theirs=theirs)
        self._review.journal.take(doc_id, person)
        return JSONResponse(
            {
                "version": document.reviewed.version,
                "leaves": {path: _plain(document.leaves[path]) for path in changed},
                "checks": self._review.task.checks(document.leaves),
            }
        )

    def take(self, n: Number, body: _Take, person: Person) -> Response:
        doc_id = self._id(n)
        holder = self._review.journal.take(doc_id, person, force=body.force)
        version = self._review.document(doc_id).reviewed.version
        return JSONResponse({"holder": holder, "version": version})

    def leave(self, person: Person) -> Response:
        self._review.journal.take("", person)
        return JSONResponse({})

    def picture(self, n: Number, page: Number, *, full: bool = False) -> Response:
        picture, (width, height) = self._review.pages.picture(self._id(n), page, full=full)
        headers = {"X-Page-Size": f"{width},{height}", "Cache-Control": "private, max-age=3600"}
        return Response(picture, media_type="image/jpeg", headers=headers)

    def words(self, n: Number, page: Number) -> Response:
        return JSONResponse(self._review.pages.words(self._id(n), page))

    def read(self, n: Number, page: Number, body: _Box) -> Response:
        return JSONResponse({"text": self._review.pages.text_in(self._id(n), page, body.box)})

    def finish(self) -> Response:
        return JSONResponse(self._finish())

    def _id(self, number: int) -> str:
        if number >= len(self._review.ids):
            raise HTTPException(404)
        return self._review.ids[number]

    def _shown(self, doc_id: str, document: Document) -> dict[str, Any]:
        review, row = self._review, self._review.rows[doc_id]
        pages, error = row["page_count"], row["error"]
        if pages is None:  # it was not read: perhaps it can be shown
            try:
                pages = review.pages.count(doc_id)
            except (DocumentError, UsageError) as fault:
                pages, error = 0, error or str(fault)
        return {
            "id": doc_id,
            "version": document.reviewed.version,
            "who": document.reviewed.who,
            "leaves": {path: _plain(leaf) for path, leaf in document.leaves.items()},
            "verdict": document.verdict.model_dump(),
            "checks": review.task.checks(document.leaves),
            "notes": review.task.notes(row),
            "history": review.journal.history(doc_id, document.reviewed.read_by),
            "pages": pages,
            "error": error,
            "trace": self._queue.link(doc_id) if self._queue else "",
        }


def _plain(leaf: Leaf) -> dict[str, Any]:
    return leaf.model_dump(mode="json")
