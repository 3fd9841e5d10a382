"""Sends recorded traces to an OpenTelemetry collector, beside MLflow's store or in its place.

MLflow's environment variables decide: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` (or
`OTEL_EXPORTER_OTLP_ENDPOINT`) names the collector, and `MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT`
keeps the traces in MLflow, too. MLflow's own spans are not used: with both destinations they ask
the tracking server on the reading thread, and a flush waits for a dead collector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.environment_variables import (
    MLFLOW_ENABLE_OTEL_GENAI_SEMCONV,
    MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT,
)
from mlflow.exceptions import MlflowException
from mlflow.tracing.attachments import Attachment
from mlflow.tracing.constant import SpanAttributeKey
from mlflow.tracing.export.genai_semconv.translator import translate_span_to_genai
from mlflow.tracing.utils import dump_span_attribute_value
from mlflow.tracing.utils.otlp import get_otlp_exporter, should_use_otlp_exporter
from opentelemetry import trace as otel
from opentelemetry.context import Context as OtelContext
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode

from ocr_extractor.runtime.spans import GivenTraceId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ocr_extractor.runtime.spans import RecordedSpan, TraceOrigin


def goes_to_collector() -> bool:
    """Tell whether the environment names a collector."""
    return bool(should_use_otlp_exporter())


def goes_to_mlflow() -> bool:
    """Tell whether MLflow's store gets the traces: a collector alone takes its place."""
    both = MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT.get()  # type: ignore[no-untyped-call]
    return bool(both) or not goes_to_collector()


class Collector:
    """Makes OpenTelemetry's spans of recorded traces and sends them; used by one thread."""

    name = "the OpenTelemetry collector"

    def __init__(self) -> None:
        """Prepare; the exporter is loaded with the first trace, on the thread that sends it."""
        self._exporter: SpanExporter | None = None
        self._semantic = MLFLOW_ENABLE_OTEL_GENAI_SEMCONV.get()  # type: ignore[no-untyped-call]
        self._ids = GivenTraceId()
        self._tracer = TracerProvider(id_generator=self._ids, shutdown_on_exit=False).get_tracer(
            __name__
        )

    def prepare(self, root: RecordedSpan, origin: TraceOrigin) -> list[ReadableSpan]:
        """Make the spans of a trace; it has the id of MLflow's trace.

        Raises:
            MlflowException: The exporter of the protocol is not installed, or there is none.
        """
        if self._exporter is None:
            self._exporter = _load_exporter()
        self._ids.trace_id = origin.otel_id
        return list(self._replay(root, None, origin.trace_id))

    def _replay(
        self, span: RecordedSpan, parent: otel.Span | None, trace_id: str
    ) -> Iterator[ReadableSpan]:
        within = OtelContext() if parent is None else otel.set_span_in_context(parent)
        made = self._tracer.start_span(span.name, within, start_time=span.started_ns)
        made.set_attributes(_attributes(span, trace_id))
        for event in span.events:
            made.add_event(event.name, event.attributes, event.timestamp)
        made.set_status(Status(StatusCode.ERROR if span.failed else StatusCode.OK))
        made.end(span.ended_ns)
        if isinstance(made, ReadableSpan):  # not one that OTEL_TRACES_SAMPLER leaves out
            yield translate_span_to_genai(made) if self._semantic else made
        for child in span.finished_children():
            yield from self._replay(child, made, trace_id)

    def write(
        self, batch: Sequence[tuple[list[ReadableSpan], object]], note_progress: Callable[[], None]
    ) -> None:
        """Send the spans of several traces in one request.

        Raises:
            ConnectionError: The collector did not take them; the exporter logged the reason.
        """
        spans = [span for trace, _ in batch for span in trace]
        if self._exporter is None or not spans:
            return
        if self._exporter.export(spans) is not SpanExportResult.SUCCESS:
            raise ConnectionError("OpenTelemetry's exporter has logged the reason")
        note_progress()


def _load_exporter() -> SpanExporter:
    try:
        exporter: SpanExporter = get_otlp_exporter()
    except MlflowException:  # its advice is to install a package for gRPC, the default
        raise MlflowException.invalid_parameter_value(
            "no exporter for this protocol: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        ) from None
    return exporter


def _attributes(span: RecordedSpan, trace_id: str) -> dict[str, Any]:
    """Return a span's attributes: MLflow's as JSON, as MLflow sends them, and others typed."""
    attributes = {SpanAttributeKey.SPAN_TYPE: span.span_type, **span.attributes}
    if span.inputs is not None:
        attributes[SpanAttributeKey.INPUTS] = span.inputs
    if span.outputs is not None:
        attributes[SpanAttributeKey.OUTPUTS] = span.outputs
    return {
        name: value
        if isinstance(value, bool | int | float | str) and not name.startswith("mlflow.")
        else dump_span_attribute_value(_without_images(value, trace_id))
        for name, value in attributes.items()
    }


def _without_images(value: Any, trace_id: str) -> Any:
    """Replace the images of a value: MLflow's by its references, a request's by their type."""
    if isinstance(value, Attachment):
        return value.ref(trace_id)
    if isinstance(value, str) and value.startswith("data:"):
        return value.partition(",")[0]
    if isinstance(value, dict):
        return {name: _without_images(each, trace_id) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_images(each, trace_id) for each in value]
    return value
