"""Serves the page: the port, the token that opens it, and how it ends."""

from __future__ import annotations

import secrets
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from entry_points.command_line.tracking import user_name
from entry_points.reviewing.app import LOOPBACK, Access, build_app
from entry_points.reviewing.mlflow_queue import Queue
from entry_points.reviewing.pages import Pages
from entry_points.reviewing.review import Review
from entry_points.reviewing.summary import summarise

_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - what --host may say


def address_of(listener: socket.socket) -> str:
    """Return the page's address, as a browser takes it."""
    host, port = listener.getsockname()[:2]
    if host in _EVERYWHERE:
        host = socket.gethostname()
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def kept_token(output: Path) -> str:
    """Return the token of this folder; an open page can use it after the server restarts.

    Only the user who created the file can read it; other users get a token for this start only.
    """
    file = output / "review.token"
    try:
        if not file.exists():
            file.touch(0o600, exist_ok=False)
            file.write_text(secrets.token_urlsafe(24), encoding="ascii")
        kept = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        kept = ""
    return kept or secrets.token_urlsafe(24)


class _Server(uvicorn.Server):
    """A server whose end does not wait for OCR."""

    def __init__(self, config: uvicorn.Config, pages: Pages) -> None:
        super().__init__(config)
        self._pages = pages

    def end(self) -> None:
        self.should_exit = True
        self._pages.end()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._pages.end()
        super().handle_exit(sig, frame)


def serve(
    opened: Review,
    token: str,
    listener: socket.socket,
    queue: Queue | None,
    announce: Callable[[str], None],
) -> None:
    """Serve the page until it is finished there, or until Ctrl-C or SIGTERM.

    Args:
        opened: What is reviewed.
        token: What requests need.
        listener: Bound to the server's address; it need not listen yet.
        queue: MLflow's queue that the documents are in, None for none.
        announce: Called with the page's address once it answers.
    """

    def finish() -> dict[str, Any]:
        server.end()
        return summarise(opened).to_dict()

    is_loopback = listener.getsockname()[0] in LOOPBACK
    app = build_app(opened, Access(token, user_name(), is_loopback), finish, queue)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3)
    server = _Server(config, opened.pages)

    def stop(number: int, _: object) -> None:
        signal.signal(number, before[signal.Signals(number)])  # a second one ends the process
        server.end()

    # The handlers stay until the process ends: after Ctrl-C, `mlflow run` also sends SIGTERM, while
    # the summary is made. uvicorn has its own while it runs, and raises the signal again for these.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    opened.lines("")  # the first list opens as fast as the others
    listener.listen()
    announce(f"{address_of(listener)}#{token}")
    server.run(sockets=[listener])
