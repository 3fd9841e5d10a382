"""From a recorded span to MLflow's trace: the one module that uses MLflow's private tracing API.

MLflow's public way to a trace asks the tracking server on the reading thread (for the experiment)
and ends in a queue whose flush has no deadline. The parts below it make the same traces anywhere.

Private names, and what has no public way (`tests/test_private_names.py` checks each of them):

- `_USER_TRACE_CONTEXT`: whether the caller turned tracing off with `mlflow.tracing.context`;
- `_get_latest_active_run`: the run of other threads, too; `mlflow.active_run` knows one thread's;
- `_set_last_active_trace_id`: what `mlflow.get_last_active_trace_id` returns;
- `_batch_processor_registry`: what `mlflow.flush_trace_async_logging` flushes;
- `_MLFLOW_TRACE_USER_DESTINATION`, `_active_experiment_id`, `_get_experiment_id`: the experiment
  of a trace, on the thread that writes it;
- `LiveSpan._span`: OpenTelemetry's parent of a span;
- `Span._attachments`, `TracingClient._upload_attachments`: the pictures of pages;
- `MlflowV3SpanProcessor._trace_manager`, `._update_trace_info`: a trace's head, not exported.
"""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.environment_variables import (
    MLFLOW_ENABLE_ASYNC_TRACE_LOGGING,
    MLFLOW_EXPERIMENT_ID,
    MLFLOW_EXPERIMENT_NAME,
    MLFLOW_TRACE_SAMPLING_RATIO,
    MLFLOW_USE_DEFAULT_TRACER_PROVIDER,
)
from mlflow.exceptions import MlflowException
from mlflow.tracing.client import TracingClient
from mlflow.tracing.constant import SpanAttributeKey, TraceMetadataKey, TraceTagKey
from mlflow.tracing.context import _USER_TRACE_CONTEXT
from mlflow.tracing.fluent import _set_last_active_trace_id
from mlflow.tracing.processor.base_mlflow import _batch_processor_registry
from mlflow.tracing.processor.mlflow_v3 import MlflowV3SpanProcessor
from mlflow.tracing.provider import (
    _MLFLOW_TRACE_USER_DESTINATION,
    get_current_otel_span,
    is_tracing_enabled,
)
from mlflow.tracing.trace_manager import InMemoryTraceManager
from mlflow.tracing.utils import (
    add_size_stats_to_trace_metadata,
    encode_span_id,
    maybe_get_request_id,
)
from mlflow.tracking import fluent
from mlflow.utils.uri import is_databricks_uri
from opentelemetry import trace as otel
from opentelemetry.context import Context as OtelContext
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from ocr_extractor.errors import in_one_line
from ocr_extractor.runtime.spans import GivenTraceId, RecordedSpan, TraceOrigin

if TYPE_CHECKING:
    from mlflow.entities import LiveSpan, Span, Trace
    from mlflow.entities.model_registry import PromptVersion
    from opentelemetry.sdk.trace import ReadableSpan

    Begin = Callable[[RecordedSpan, LiveSpan | None], LiveSpan]

_SERVER_ERROR = 500
# What a tracking server's refusals mean, by HTTP status.
_REFUSALS = {
    401: "it does not know MLFLOW_TRACKING_USERNAME with this password",
    403: "its user lacks the right EDIT on the experiment",
}


def find_origin() -> TraceOrigin | None:
    """Return where a trace that starts now belongs; None if no trace is wanted.

    That is: tracing is turned off, here or in the process, or the trace is not sampled.
    """
    user = _USER_TRACE_CONTEXT.get()
    if (user is not None and user.enabled is False) or not is_tracing_enabled():
        return None
    current = get_current_otel_span()
    if current is not None and current.get_span_context().is_valid:
        parent = mlflow.get_current_active_span()
        return _origin(parent, by_mlflow=True) if parent else None
    ratio = MLFLOW_TRACE_SAMPLING_RATIO.get()
    if ratio is not None and 0 <= ratio <= random.random():  # noqa: S311 - no secret
        return None
    by_mlflow = (
        not MLFLOW_ENABLE_ASYNC_TRACE_LOGGING.get()
        or not MLFLOW_USE_DEFAULT_TRACER_PROVIDER.get()
        or maybe_get_request_id(is_evaluate=True) is not None
        or is_databricks_uri(mlflow.get_tracking_uri())
    )
    return _origin(None, by_mlflow=by_mlflow)


def _origin(parent: LiveSpan | None, *, by_mlflow: bool) -> TraceOrigin:
    run = fluent._get_latest_active_run()
    return TraceOrigin(
        context=copy_context(),
        parent=parent,
        by_mlflow=by_mlflow,
        otel_id=random.getrandbits(128) or 1,
        run=(run.info.run_id, run.info.experiment_id) if run else None,
    )


def make_last(origin: TraceOrigin) -> None:
    """Let `mlflow.get_last_active_trace_id()` name this trace from now on."""
    _set_last_active_trace_id(origin.trace_id)


def hand_to_mlflow(root: RecordedSpan, parent: LiveSpan | None) -> None:
    """Make MLflow's spans of a recorded trace, and let MLflow write them."""

    def begin(span: RecordedSpan, parent: LiveSpan | None) -> LiveSpan:
        return mlflow.start_span_no_context(
            span.name, span.span_type, parent_span=parent, start_time_ns=span.started_ns
        )

    _replay(root, parent, begin)


def _replay(span: RecordedSpan, parent: LiveSpan | None, begin: Begin) -> None:
    live = begin(span, parent)
    if span.inputs is not None:
        live.set_inputs(span.inputs)
    live.set_attributes(span.attributes)
    for event in span.events:
        live.add_event(event)
    if span.prompts or span.previews:
        _tell_trace(live.trace_id, span, is_root=parent is None)
    for child in span.finished_children():
        _replay(child, live, begin)
    live.end(span.outputs, status="ERROR" if span.failed else None, end_time_ns=span.ended_ns)


def _tell_trace(trace_id: str, span: RecordedSpan, *, is_root: bool) -> None:
    manager: InMemoryTraceManager = InMemoryTraceManager.get_instance()
    with manager.get_trace(trace_id) as trace:
        if trace is None:  # MLflow makes no trace here
            return
        if span.previews and is_root:
            trace.info.request_preview, trace.info.response_preview = span.previews
            trace.info.tags[TraceTagKey.TRACE_NAME] = f"{span.name} {span.previews[0]}"[:100]
        for prompt in span.prompts:
            manager.register_prompt(trace_id, prompt)


class TraceStore:
    """Makes MLflow's traces of recorded ones and writes them; used by one thread."""

    name = "the tracking store"

    def __init__(self, flush: Callable[[float], object]) -> None:
        """Make the parts; sends no request to the tracking server.

        Args:
            flush: What `mlflow.flush_trace_async_logging` calls with a time limit, s.
        """
        self._processor = _Processor(flush)
        self._ids = GivenTraceId()
        provider = TracerProvider(
            id_generator=self._ids, resource=Resource.get_empty(), shutdown_on_exit=False
        )
        provider.add_span_processor(self._processor)
        with warnings.catch_warnings():  # OpenTelemetry leaves a warnings filter behind
            self._tracer = provider.get_tracer(__name__)
        self._experiments: dict[object, Any] = {}
        # So that a flush of MLflow's traces flushes these too.
        _batch_processor_registry.add(self._processor)

    def prepare(self, root: RecordedSpan, origin: TraceOrigin) -> Trace:
        """Make MLflow's trace; asks the server once a process for the experiment."""
        return origin.context.run(self._prepare, root, origin)

    def _prepare(self, root: RecordedSpan, origin: TraceOrigin) -> Trace:
        self._ids.trace_id = origin.otel_id
        experiment = self._find_experiment(origin)

        def begin(span: RecordedSpan, parent: LiveSpan | None) -> LiveSpan:
            within, attributes = OtelContext(), {}
            if parent is not None:
                span_of_parent: Any = parent._span
                within = otel.set_span_in_context(span_of_parent, within)
            elif experiment is not None:
                attributes[SpanAttributeKey.EXPERIMENT_ID] = json.dumps(experiment)
            started = self._tracer.start_span(
                span.name, within, attributes=attributes, start_time=span.started_ns
            )
            span_id = encode_span_id(started.get_span_context().span_id)
            live: LiveSpan = self._processor.manager.get_span_from_id(origin.trace_id, span_id)
            live.set_span_type(span.span_type)
            return live

        _replay(root, None, begin)
        trace: Trace = self._processor.manager.pop_trace(origin.otel_id).trace
        metadata = trace.info.trace_metadata
        metadata.pop(TraceMetadataKey.SOURCE_RUN, None)  # that of a run that began since
        if origin.run:
            metadata[TraceMetadataKey.SOURCE_RUN] = origin.run[0]
        add_size_stats_to_trace_metadata(trace)
        return trace

    def _find_experiment(self, origin: TraceOrigin) -> Any:
        """Return the experiment's id; None if MLflow finds it without the server."""
        if _MLFLOW_TRACE_USER_DESTINATION.get():
            return None
        if origin.run:
            return origin.run[1]
        key = (
            mlflow.get_tracking_uri(),
            fluent._active_experiment_id,
            MLFLOW_EXPERIMENT_ID.get(),
            MLFLOW_EXPERIMENT_NAME.get(),
        )
        if key not in self._experiments:
            self._experiments[key] = fluent._get_experiment_id()
        return self._experiments[key]

    def write(
        self,
        batch: Sequence[tuple[Trace, Sequence[PromptVersion]]],
        note_progress: Callable[[], None],
    ) -> None:
        """Write traces: each one's head, all spans in one request, then images and links.

        In this order a trace takes 16 ms of CPU on SQLite; spans first, as MLflow does, 34 ms: its
        store then merges the head's rows one by one. An existing trace is written again.

        Args:
            batch: Traces with the prompt versions that each is linked to.
            note_progress: Called after each write that the store accepted.
        """
        client = TracingClient()
        written = []
        for trace, prompts in batch:
            written.append((client.start_trace(trace.info), trace, prompts))
            note_progress()
        by_experiment: dict[str, list[Span]] = {}
        for info, trace, _ in written:
            by_experiment.setdefault(str(info.experiment_id), []).extend(trace.data.spans)
        for experiment, spans in by_experiment.items():
            client.log_spans(experiment, spans)
        for info, trace, prompts in written:
            attached: dict[str, Any] = {}
            for span in trace.data.spans:
                attached |= span._attachments
            if attached:
                client._upload_attachments(info, attached)
            if prompts:
                client.link_prompt_versions_to_trace(trace_id=info.trace_id, prompts=prompts)
            note_progress()


def is_passing(error: Exception) -> bool:
    """Tell whether a store that raised this may take the same trace later."""
    return not isinstance(error, MlflowException) or error.get_http_status_code() >= _SERVER_ERROR


def reason_of(error: Exception) -> str:
    """Return in one line why a store did not take a trace."""
    cause: BaseException | None = error  # MLflow says of an experiment that it does not exist
    while cause is not None:
        if isinstance(cause, MlflowException) and cause.get_http_status_code() in _REFUSALS:
            return _REFUSALS[cause.get_http_status_code()]
        cause = cause.__cause__ or cause.__context__
    return in_one_line(error)


class _Processor(MlflowV3SpanProcessor):
    """Makes the head of a trace as MLflow does; the result is fetched, not exported."""

    def __init__(self, flush: Callable[[float], object]) -> None:
        super().__init__(SpanExporter(), export_metrics=False)
        self.manager: Any = self._trace_manager
        self._flush = flush

    def on_end(self, span: ReadableSpan) -> None:
        if span.parent is None:
            trace_id = self.manager.get_mlflow_trace_id_from_otel_id(span.context.trace_id)
            with self.manager.get_trace(trace_id) as trace:
                self._update_trace_info(trace, span)

    def force_flush(self, timeout_millis: float = 30_000) -> bool:
        self._flush(timeout_millis / 1000)
        return True
