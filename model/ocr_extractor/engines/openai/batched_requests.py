"""Requests that are not sent: answered from the results of batches, or noted for the next one.

A document is read again from its start when answers have arrived. Its requests are the same, so
they find their answers; requests that follow from these (another parameter, a longer limit, one
more try) are noted in turn.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

import httpx2

# "Too Early": no client repeats it, and no real server answers a completion with it.
_NOT_YET = 425


@dataclass
class BatchedRequests:
    """The requests of one document; its pages share it.

    Attributes:
        scope: Names the document; the same bytes in another scope are another request.
        answers: The batches' answers by custom id: JSON of [HTTP status, body].
        asked: The bodies of the requests without an answer, by custom id.
    """

    scope: str
    answers: Mapping[str, str]
    asked: dict[str, bytes] = field(default_factory=dict)
    _repeats: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def respond(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request as its batch did, or note it; a repetition counts as another request."""
        body = request.read()
        digest = hashlib.sha256(self.scope.encode() + b"\0" + body).hexdigest()
        with self._lock:
            custom_id = f"{digest}-{self._repeats[digest]}"
            self._repeats[digest] += 1
            answer = self.answers.get(custom_id)
            if answer is None:
                self.asked[custom_id] = body
        if answer is None:
            error = {"message": "The request is sent with the next batch."}
            return httpx2.Response(_NOT_YET, json={"error": error}, request=request)
        status, content = json.loads(answer)
        # Not as `json`: httpx2 would write UTF-8 without NaN, but servers answer anything.
        headers = {"Content-Type": "application/json"}
        return httpx2.Response(
            status, headers=headers, content=json.dumps(content), request=request
        )


# The pages' threads run in copies of the caller's context.
_in_force: ContextVar[BatchedRequests | None] = ContextVar("deferral", default=None)


def requests_in_force() -> BatchedRequests | None:
    """Return the object that answers the requests of this context; None if they are sent."""
    return _in_force.get()


@contextlib.contextmanager
def deferred(scope: str, answers: Mapping[str, str]) -> Iterator[Mapping[str, bytes]]:
    """Send no request of this context.

    Args:
        scope: Names the document that is read.
        answers: The batches' answers by custom id.

    Yields:
        The bodies of the requests without an answer, by custom id; filled while documents are read.
    """
    deferral = BatchedRequests(scope, answers)
    token = _in_force.set(deferral)
    try:
        yield deferral.asked
    finally:
        _in_force.reset(token)
