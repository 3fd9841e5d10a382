"""Records the reading of a document as spans, and passes them to the export afterwards."""

from __future__ import annotations

import contextlib
import logging
import time
import traceback
from collections import Counter
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanEvent, SpanType

from ocr_extractor.contract import FieldValue
from ocr_extractor.errors import DocumentError
from ocr_extractor.runtime.mlflow_traces import find_origin
from ocr_extractor.runtime.spans import RecordedSpan
from ocr_extractor.runtime.trace_export import export

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocr_extractor.contract import Extraction, Pair
    from ocr_extractor.engines.base import PageReading

CONFIDENCES = 20
"""How many classes of equal width the confidences of a document are counted in."""

_logger = logging.getLogger(__name__)
_active: ContextVar[RecordedSpan | None] = ContextVar("recorded_span", default=None)


@contextlib.contextmanager
def start_span(
    name: str, span_type: str = SpanType.UNKNOWN, attributes: dict[str, Any] | None = None
) -> Iterator[RecordedSpan]:
    """Record a span within the one that is active in this context, or the root of a trace."""
    parent = _active.get()
    origin = find_origin() if parent is None else parent.origin
    span = RecordedSpan(name, span_type, origin, dict(attributes or {}))
    if parent is not None:
        parent.children.append(span)
    token = _active.set(span)
    try:
        yield span
    except Exception as error:
        span.failed = True
        span.events.append(
            SpanEvent.from_exception(error)
            if isinstance(error, DocumentError)  # the message of any other may quote the page
            else SpanEvent("exception", attributes={"exception.type": type(error).__name__})  # type: ignore[abstract]
        )
        raise
    finally:
        span.ended_ns = time.time_ns()
        _active.reset(token)
        if parent is None and origin is not None:
            export(span, origin)


def note(attributes: dict[str, Any]) -> None:
    """Add attributes to the span that is active in this context, if one is."""
    if (span := _active.get()) is not None:
        span.attributes |= attributes


def note_extraction(span: RecordedSpan, extraction: Extraction, *, content: bool) -> None:
    """Record the result of a document on its span; its pairs and fields only with `content`."""
    row = extraction.to_row()
    count = len(row["pairs"])
    read = f"{count} pairs"
    if extraction.fields is not None:
        found = sum(leaf.status == "found" for leaf in extraction.fields)
        read = f"{found} of {len(extraction.fields)} fields"
    if not content:
        row |= {"pairs": count, "values": None, "fields": len(extraction.fields or ())}
    span.outputs = row
    span.attributes["counts"] = counts_of(extraction)
    span.failed = extraction.error_code is not None
    span.previews = (str(extraction.doc_id), extraction.error or read)


def counts_of(extraction: Extraction) -> dict[str, Any]:
    """Count what was read on a document, in numbers that say nothing of its content.

    Returns:
        How many leaves of the schema, or pairs without one, are `found`, `blank`, `absent` or
        `invalid`; `grounded` or not (`ungrounded`), `accepted` or not (`unaccepted`), without
        those that were not checked; `failed_checks`; and `confidences`, counted in `CONFIDENCES`
        classes from 0 to 1.
    """
    read: tuple[FieldValue, ...] | tuple[Pair, ...] = extraction.fields or extraction.pairs
    found = Counter(_status(each) for each in read)
    grounded = Counter(each.grounded for each in read)
    leaves = extraction.fields or ()
    accepted = Counter(leaf.accepted for leaf in leaves)
    confidences = [0] * CONFIDENCES
    for each in read:
        if each.confidence is not None:
            confidences[min(int(each.confidence * CONFIDENCES), CONFIDENCES - 1)] += 1
    return {
        **{status: found[status] for status in ("found", "blank", "absent", "invalid")},
        "grounded": grounded[True],
        "ungrounded": grounded[False],
        "accepted": accepted[True],
        "unaccepted": accepted[False],
        "failed_checks": len({check for leaf in leaves for check in leaf.checks}),
        "confidences": confidences,
    }


def _status(read: FieldValue | Pair) -> str:
    if isinstance(read, FieldValue):
        return read.status
    return "blank" if read.answer is None else "found"


def note_reading(span: RecordedSpan, reading: PageReading) -> None:
    """Set the result of a page on its span."""
    span.attributes |= {
        "pairs": len(reading.pairs),
        "fields": len(reading.raw_fields or ()),
        "attempts": reading.attempts,
        "from_cache": reading.from_cache,
        "partial": reading.failure is not None and bool(reading.pairs),
    }
    if reading.cost is not None:
        span.attributes["cost_usd"] = reading.cost
    if reading.failure is not None:
        span.fail(reading.failure.code)


@contextlib.contextmanager
def faults_reported() -> Iterator[None]:
    """Let an error of ours fail one page: report its place, without the content in its message."""
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
