"""Spans as plain data: records of the reading of a document, and what writes them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mlflow.tracing.attachments import Attachment
from mlflow.tracing.utils import encode_trace_id
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Context

    from mlflow.entities import LiveSpan, SpanEvent
    from mlflow.entities.model_registry import PromptVersion


_MOST_PICTURES = 64_000_000
"""What the pictures of a trace may take, bytes: a document of hundreds of pages would fill the
memory, and its trace would be too large to wait for the tracking store."""


@dataclass(frozen=True)
class TraceOrigin:
    """Where a trace belongs: found when its root begins, without asking the tracking server.

    Attributes:
        context: The caller's context: its model, tags and metadata, and its destination.
        parent: The caller's own span around the call; None where there is none.
        by_mlflow: Whether MLflow itself writes the trace, by its own rules: with a parent, while
            it evaluates, to Databricks, or where asynchronous logging is off.
        otel_id: The trace's id, 128 bits.
        run: (run id, experiment id) of the active run; None where there is none.
        room: What its pictures may still take, bytes: one number, which changes.
    """

    context: Context
    parent: LiveSpan | None
    by_mlflow: bool
    otel_id: int
    run: tuple[str, str] | None
    room: list[int] = field(default_factory=lambda: [_MOST_PICTURES])

    @property
    def trace_id(self) -> str:
        """The trace's id as MLflow writes it."""
        return f"tr-{encode_trace_id(self.otel_id)}"


@dataclass(eq=False)
class RecordedSpan:
    """A span as plain data: it takes 0.02 ms; MLflow's span takes 0.4 ms of the reading thread.

    Attributes:
        name: What was done.
        span_type: One of MLflow's `SpanType`.
        origin: Where its trace belongs; None where it is not kept.
        attributes: Its attributes, beside its inputs and outputs.
        started_ns: Its start, ns since the epoch.
        ended_ns: Its end, ns since the epoch; None before that.
        inputs: Its inputs; None for none.
        outputs: Its outputs; None for none.
        failed: Whether its status is ERROR.
        events: Exceptions that ended it.
        children: The spans within it, in the order of their beginning.
        prompts: The prompt versions that its trace is linked to; of a root only.
        previews: Request and response in MLflow's list of traces; of a root only.
    """

    name: str
    span_type: str
    origin: TraceOrigin | None
    attributes: dict[str, Any] = field(default_factory=dict)
    started_ns: int = field(default_factory=time.time_ns)
    ended_ns: int | None = None
    inputs: Any = None
    outputs: Any = None
    failed: bool = False
    events: list[SpanEvent] = field(default_factory=list)
    children: list[RecordedSpan] = field(default_factory=list)
    prompts: list[PromptVersion] = field(default_factory=list)
    previews: tuple[str, str] | None = None

    def has_room(self, size: int) -> bool:
        """Take room for a picture of `size` bytes; False where the trace has none for it."""
        if self.origin is None or self.origin.room[0] < size:
            return False
        self.origin.room[0] -= size
        return True

    def fail(self, error_code: str) -> None:
        """Make the status ERROR, with the error code of a `DocumentError`."""
        self.failed = True
        self.attributes["error_code"] = error_code

    def finished_children(self) -> list[RecordedSpan]:
        """Return the spans within it without those that outlast their document."""
        return [child for child in self.children if child.ended_ns is not None]

    def memory(self) -> int:
        """Return the memory of the span and of those within it, bytes."""
        own = sum(map(_size_of, (self.inputs, self.outputs, self.attributes)))
        return 1000 + own + sum(child.memory() for child in self.children)


def _size_of(value: Any) -> int:
    """Return the memory of a value of a span, bytes: its texts and images."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Attachment):
        return len(value.content_bytes)
    if isinstance(value, dict):
        return sum(map(_size_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_size_of, value))
    return 8


class GivenTraceId(RandomIdGenerator):
    """Gives a trace the id that was promised when it began."""

    trace_id = 0

    def generate_trace_id(self) -> int:
        """Return it."""
        return self.trace_id


class Destination(Protocol):
    """Where traces are written; used by one thread.

    Attributes:
        name: What messages call it.
    """

    name: str

    def prepare(self, root: RecordedSpan, origin: TraceOrigin) -> Any:
        """Make what `write` takes of a recorded trace."""

    def write(
        self,
        batch: Sequence[tuple[Any, Sequence[PromptVersion]]],
        note_progress: Callable[[], None],
    ) -> None:
        """Write prepared traces with their prompts; call `note_progress` after each step."""
