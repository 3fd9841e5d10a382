"""The spans of requests to an LLM, in the attributes that MLflow's UI shows.

`mlflow.openai.autolog` is not used: it changes the SDK for the whole process.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from mlflow.entities import SpanType
from mlflow.tracing.constant import SpanAttributeKey, TokenUsageKey

from ocr_extractor.engines.openai.pricing import costs_of
from ocr_extractor.runtime.tracing import start_span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.engines.openai.completion import Answer, Usage
    from ocr_extractor.errors import EngineError
    from ocr_extractor.runtime.spans import RecordedSpan

# Parameters of the SDK that do not belong to the request's body.
_NOT_SENT = {"extra_headers", "extra_body"}


class RequestSpan:
    """The span of one request; without content there is none."""

    def __init__(self, span: RecordedSpan | None, config: ExtractorConfig) -> None:
        self._span = span
        self._config = config

    def answered(self, answer: Answer) -> None:
        """Note the answer, its tokens and what they cost."""
        if self._span is not None:
            self._span.set_outputs(answer.to_dict())
            if answer.usage is not None:
                self._span.set_attributes(usage_attributes(answer.usage, self._config))

    def failed(self, fault: EngineError) -> None:
        """Note the error of a request without an answer."""
        if self._span is not None:
            self._span.set_failed()
            self._span.set_attribute("error_code", fault.code)


@contextlib.contextmanager
def request_span(request: dict[str, Any], config: ExtractorConfig) -> Iterator[RequestSpan]:
    """Trace a request with its content, unless `trace_content` leaves that out."""
    if config.trace_content != "full":
        yield RequestSpan(None, config)
        return
    parameters = {name: value for name, value in request.items() if name not in _NOT_SENT}
    attributes = {name: value for name, value in parameters.items() if name != "messages"}
    attributes[SpanAttributeKey.MESSAGE_FORMAT] = "openai"
    with start_span("Completions", SpanType.CHAT_MODEL, attributes=attributes) as span:
        span.set_inputs(parameters)
        yield RequestSpan(span, config)


def usage_attributes(usage: Usage, config: ExtractorConfig) -> dict[str, Any]:
    """Return the attributes from which MLflow counts a trace's tokens and costs."""
    tokens = {
        TokenUsageKey.INPUT_TOKENS: usage.input,
        TokenUsageKey.OUTPUT_TOKENS: usage.output,
        TokenUsageKey.TOTAL_TOKENS: usage.input + usage.output,
    }
    if usage.cached:
        tokens[TokenUsageKey.CACHE_READ_INPUT_TOKENS] = usage.cached
    attributes: dict[str, Any] = {
        SpanAttributeKey.MODEL: config.llm,
        SpanAttributeKey.MODEL_PROVIDER: "openai",
        SpanAttributeKey.CHAT_USAGE: tokens,
    }
    if (costs := costs_of(usage, config)) is not None:
        attributes[SpanAttributeKey.LLM_COST] = costs
    return attributes
