"""What is told of a document on its spans, and our own faults in the log."""

from __future__ import annotations

import contextlib
import logging
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow

from ocr_extractor.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import LiveSpan

    from ocr_extractor.contract import Extraction
    from ocr_extractor.engines.base import PageReading

_logger = logging.getLogger(__name__)


def note_extraction(span: LiveSpan, extraction: Extraction, *, content: bool) -> None:
    """Put what became of a document on its span, the pairs themselves only with `content`."""
    row = extraction.to_row()
    count = len(row["pairs"])
    if not content:
        row["pairs"] = count
    span.set_outputs(row)
    if extraction.error_code:
        span.set_status("ERROR")
    if mlflow.get_active_trace_id() is not None:  # None where the caller turned tracing off
        mlflow.update_current_trace(
            request_preview=str(extraction.doc_id),
            response_preview=extraction.error or f"{count} pairs",
        )


def note_reading(span: LiveSpan, reading: PageReading) -> None:
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
        span.set_status("ERROR")
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
