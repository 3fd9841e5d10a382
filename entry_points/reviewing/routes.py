"""The routes of the review page: documents, changes, pages and words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi import Path as Segment
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from entry_points.command_line.cli import UsageError
from entry_points.reviewing.journal import Author, StaleError
from entry_points.reviewing.leaves import Leaf
from entry_points.reviewing.mlflow_queue import Queue
from entry_points.reviewing.review import Document, Edit, Review
from ocr_extractor.errors import DocumentError

Number = Annotated[int, Segment(ge=0)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Take(_Body):
    doc_id: str
    force: bool = False


class _Box(_Body):
    box: tuple[int, int, int, int]


def refusal(status: int, message: str, **more: Any) -> JSONResponse:
    """Return the answer to a request that is refused."""
    return JSONResponse({"message": message, **more}, status)


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


def add_routes(
    app: FastAPI,
    review: Review,
    finish: Callable[[], dict[str, Any]],
    queue: Queue | None,
) -> None:
    """Let an app answer requests to `/api/`.

    Args:
        app: It lets through only who may ask.
        review: What is reviewed.
        finish: Ends the review, and returns its summary.
        queue: MLflow's queue that holds its documents, None for none.
    """
    routes = _Routes(review, finish, queue)
    app.get("/api/documents")(routes.documents)
    app.get("/api/documents/{n}")(routes.document)
    app.post("/api/documents/{n}/save")(routes.save)
    app.post("/api/documents/{n}/take")(routes.take)
    app.post("/api/leave")(routes.leave)
    app.get("/api/documents/{n}/pages/{page}")(routes.picture)
    app.get("/api/documents/{n}/pages/{page}/words")(routes.words)
    app.post("/api/documents/{n}/pages/{page}/read")(routes.read)
    app.post("/api/finish")(routes.finish)


class _Routes:
    def __init__(
        self, review: Review, finish: Callable[[], dict[str, Any]], queue: Queue | None
    ) -> None:
        self._review, self._finish, self._queue = review, finish, queue

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
        doc_id = self._same(n, body.doc_id)
        try:
            document, changed = self._review.save(doc_id, body, person)
        except StaleError:
            theirs = self._shown(doc_id, self._review.document(doc_id))
            message = f"{theirs['who']} has changed this document since you opened it."
            return refusal(409, message, theirs=theirs)
        self._review.journal.take(doc_id, person)
        return JSONResponse(
            {
                "version": document.reviewed.version,
                "leaves": {path: _plain(document.leaves[path]) for path in changed},
                "checks": self._review.task.checks(document.leaves),
            }
        )

    def take(self, n: Number, body: _Take, person: Person) -> Response:
        doc_id = self._same(n, body.doc_id)
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

    def _same(self, number: int, doc_id: str) -> str:
        # A page that stays open over a restart may have another list.
        if self._review.ids[number : number + 1] != [doc_id]:
            raise HTTPException(410, "The list has changed: reload the page.")
        return doc_id

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
