"""The hostile inputs of the suite `hostile`: how they are sent, and counts of their answers."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from data.hostile import HOSTILE_DOCUMENTS
from entry_points.benchmarks.environment import SuiteError
from entry_points.benchmarks.measurements import Measurement
from entry_points.benchmarks.server import CLOSED, OPEN, post, request_body

BODY_LIMIT = 50_000_000
"""The limit of request bodies that the server gets, bytes."""

TRY_AGAIN = {"503", "504"}
"""The statuses with which a server asks for another try."""

# Sends an input to a port within a number of seconds; returns the status and the body.
Send = Callable[[int, float], tuple[str, bytes]]


def hostile_inputs() -> dict[str, Send]:
    """Return what sends each hostile input, by its name."""
    page = request_body(b"no page" * 1000)
    head = b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    rows = b'{"dataframe_records": [' + b"{}," * 10_000_000 + b"{}]}"
    past_limit = [b" " * 1_000_000] * (2 * BODY_LIMIT // 1_000_000)
    documents: dict[str, Send] = {
        name: partial(post, [request_body(make())]) for name, make in HOSTILE_DOCUMENTS.items()
    }
    return documents | {
        "millions of empty rows": partial(post, [rows]),
        "broken JSON": partial(post, [page[: len(page) // 2]]),
        "JSON in a million lists": partial(post, [b"[" * 1_000_000]),
        "body past the limit": partial(post, past_limit),
        "dripping body": partial(_drip, head + b"Content-Length: 100000\r\n\r\n"),
        "headers left open": partial(_drip, head + b"X-Open: "),
    }


def _drip(head: bytes, port: int, patience_s: float) -> tuple[str, bytes]:
    """Send a head, and then a byte a second for as long as the server takes them."""
    deadline = time.monotonic() + patience_s
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(head)
            while time.monotonic() < deadline:
                connection.sendall(b"a")
                try:
                    answer = connection.recv(10_000)
                except TimeoutError:
                    continue
                status = re.match(rb"HTTP/1.1 (\d{3})", answer)
                return (status[1].decode() if status else CLOSED), b""
    except OSError:
        return CLOSED, b""
    return OPEN, b""


@dataclass
class AnswerCounts:
    """What was sent and answered; safe to share between threads.

    Attributes:
        counts: How often each thing happened, by its name in the table.
        kinds: How often each kind of hostile input was sent.
        wrong: What was wrong, a line each.
        slowest_ping_s: The longest /ping, s.
    """

    counts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_ping_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, name: str) -> None:
        """Count something."""
        with self._lock:
            self.counts[name] += 1

    def note_sent(self, kind: str) -> None:
        """Count a hostile input of this kind."""
        with self._lock:
            self.kinds[kind] += 1

    def note_answer(self, what: str, status: str, body: bytes) -> list[Any]:
        """Count an answer by status and error codes, a forbidden one as wrong; return its rows."""
        self.note(f"answer {status}")
        if re.fullmatch("5..", status) and status not in TRY_AGAIN:
            self.wrong.append(f"{what} was answered with {status}: {body[:200]!r}")
        try:
            answer = json.loads(body or b"{}")
        except ValueError:
            return []
        rows: list[Any] = answer.get("predictions", [])
        for code in [answer.get("error_code"), *(row["error_code"] for row in rows)]:
            if code:
                self.note(f"error {code}")
        return rows

    def check(self, lines: list[Measurement]) -> list[Measurement]:
        """Return the lines if nothing was wrong.

        Raises:
            SuiteError: A good page was answered wrong or not at all, or a 5xx came that is
                neither 503 nor 504.
        """
        if self.wrong:
            first = "\n".join(self.wrong[:5])
            raise SuiteError(f"{len(self.wrong)} answers were wrong, the first:\n{first}", lines)
        return lines
