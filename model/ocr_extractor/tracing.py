"""What is told of a document: recorded as spans while it is read, handed to MLflow afterwards."""

from __future__ import annotations

import contextlib
import logging
import time
import traceback
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanEvent, SpanType

from ocr_extractor import trace_export
from ocr_extractor.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities.model_registry import PromptVersion

    from ocr_extractor.contract import Extraction
    from ocr_extractor.engines.base import PageReading
    from ocr_extractor.trace_export import TraceOrigin

_logger = logging.getLogger(__name__)
_active: ContextVar[RecordedSpan | None] = ContextVar("recorded_span", default=None)


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
        self, name: str, span_type: str, attributes: dict[str, Any] | None, origin: TraceOrigin | None
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


@contextlib.contextmanager
def start_span(
    name: str, span_type: str = SpanType.UNKNOWN, attributes: dict[str, Any] | None = None
) -> Iterator[RecordedSpan]:
    """Record a span within the one that is active in this context, or the root of a trace.

    Args:
        name: What is done.
        span_type: One of MLflow's `SpanType`.
        attributes: What is known of it from the start.
    """
    parent = _active.get()
    origin = trace_export.find_origin() if parent is None else parent.origin
    span = RecordedSpan(name, span_type, attributes, origin)
    if parent is not None:
        parent.children.append(span)
    token = _active.set(span)
    try:
        yield span
    except Exception as error:
        span.set_failed()
        span.events.append(SpanEvent.from_exception(error))
        raise
    finally:
        span.ended_ns = time.time_ns()
        _active.reset(token)
        if parent is None and origin is not None:
            trace_export.export(span, origin)


def current_span() -> RecordedSpan | None:
    """Return the span that is active in this context; None where nothing is recorded."""
    return _active.get()


def note_extraction(span: RecordedSpan, extraction: Extraction, *, content: bool) -> None:
    """Put what became of a document on its span, the pairs themselves only with `content`."""
    row = extraction.to_row()
    count = len(row["pairs"])
    if not content:
        row["pairs"] = count
    span.set_outputs(row)
    if extraction.error_code:
        span.set_failed()
    span.previews = (str(extraction.doc_id), extraction.error or f"{count} pairs")


def note_reading(span: RecordedSpan, reading: PageReading) -> None:
    """Put what became of a page on its span."""
    span.set_attributes(
        {
            "pairs": len(reading.pairs),
            "attempts": reading.attempts,
            "from_cache": reading.from_cache,
            "partial": reading.failure is not None and bool(reading.pairs),
        }
    )
    if reading.cost is not None:
        span.set_attribute("cost_usd", reading.cost)
    if reading.failure is not None:
        span.set_failed()
        span.set_attribute("error_code", reading.failure.code)


@contextlib.contextmanager
def faults_reported() -> Iterator[None]:
    """Let a fault of ours cost one page: report where it is, without the content in its message."""
    try:
        yield
    except DocumentError:
        raise
    except Exception as fault:
        name = type(fault).__name__
        where = "; ".join(
            f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
            for frame in traceback.extract_tb(fault.__traceback__)
        )
        _logger.error("%s in the extractor: %s", name, where)  # noqa: TRY400 - the message may quote the page
        raise DocumentError(
            "internal_error", f"The extractor failed ({name}): report it with the log."
        ) from None
