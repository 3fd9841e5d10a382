"""Spans as plain data: what the reading of a document records, for MLflow to show."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextvars import Context

    from mlflow.entities import LiveSpan, SpanEvent
    from mlflow.entities.model_registry import PromptVersion


@dataclass(frozen=True)
class TraceOrigin:
    """Where a trace belongs: found when its root begins, without asking the tracking server.

    Attributes:
        context: The caller's context: its model, tags and metadata, and its destination.
        parent: The caller's own span around the call; None where there is none.
        by_mlflow: Whether MLflow itself writes the trace, by its own rules: with a parent, while
            it evaluates, to OpenTelemetry or Databricks, or where asynchronous logging is off.
        otel_id: The trace's id, 128 bits.
        run: (run id, experiment id) of the active run; None where there is none.
    """

    context: Context
    parent: LiveSpan | None
    by_mlflow: bool
    otel_id: int
    run: tuple[str, str] | None


class RecordedSpan:
    """A span as plain data: it takes 0.02 ms, MLflow's own 0.4 ms, which pages would wait for.

    The setters are those of MLflow's `LiveSpan`.

    Attributes:
        name: What was done.
        span_type: One of MLflow's `SpanType`.
        origin: Where its trace belongs; None where it is not kept.
        started_ns: When it began, ns since the epoch.
        ended_ns: When it ended, ns since the epoch; None while it has not.
        inputs: What it was given; None for nothing.
        outputs: What came of it; None for nothing.
        attributes: What else is known of it.
        failed: Whether its status is ERROR.
        events: Exceptions that ended it.
        children: The spans within it, in the order of their beginning.
        prompts: The prompt versions that its trace is linked to; of a root only.
        previews: What MLflow's list of traces shows of request and response; of a root only.
    """

    def __init__(
        self,
        name: str,
        span_type: str,
        attributes: dict[str, Any] | None,
        origin: TraceOrigin | None,
    ) -> None:
        self.name = name
        self.span_type = span_type
        self.origin = origin
        self.started_ns = time.time_ns()
        self.ended_ns: int | None = None
        self.inputs: Any = None
        self.outputs: Any = None
        self.attributes = dict(attributes or {})
        self.failed = False
        self.events: list[SpanEvent] = []
        self.children: list[RecordedSpan] = []
        self.prompts: list[PromptVersion] = []
        self.previews: tuple[str, str] | None = None

    def set_inputs(self, inputs: Any) -> None:
        """Replace the inputs."""
        self.inputs = inputs

    def set_outputs(self, outputs: Any) -> None:
        """Replace the outputs."""
        self.outputs = outputs

    def set_attribute(self, key: str, value: Any) -> None:
        """Add an attribute."""
        self.attributes[key] = value

    def set_attributes(self, attributes: dict[str, Any]) -> None:
        """Add attributes."""
        self.attributes.update(attributes)

    def set_failed(self) -> None:
        """Make the status ERROR."""
        self.failed = True
