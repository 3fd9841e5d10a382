"""All requests for one page: repeated within bounds, counted and traced; no other layer retries.

`mlflow.openai.autolog` does not trace them: it changes the SDK for the whole process.
"""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlflow
import openai
from mlflow.entities import SpanType
from mlflow.tracing.constant import SpanAttributeKey, TokenUsageKey

from ocr_extractor.engines.openai.completion import Answer, Usage, probabilities_of
from ocr_extractor.engines.openai.cost import costs_of
from ocr_extractor.engines.openai.parsing import ParsedCompletion, cut_off
from ocr_extractor.engines.openai.rate_limit import LONGEST_PAUSE_S, RateLimiter
from ocr_extractor.engines.openai.sdk_errors import (
    SDK_ERRORS,
    asks_to_slow_down,
    retry_after_s,
    to_engine_error,
)
from ocr_extractor.errors import CompletionError, EngineError
from ocr_extractor.runtime.cancellation import wait
from ocr_extractor.runtime.spans import RecordedSpan
from ocr_extractor.runtime.tracing import note, start_span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.engines.openai.answer_form import AnswerForm
    from ocr_extractor.engines.openai.capabilities import Capabilities

# The wait doubles with each retry up to this, s (the same limit as in the openai SDK).
_LONGEST_DELAY_S = 8.0
# Parameters of the SDK that do not belong to the request's body.
_NOT_SENT = {"extra_headers", "extra_body"}


@dataclass(frozen=True)
class LLMServer:
    """One server and LLM, shared by all pages.

    Attributes:
        send: `chat.completions.with_raw_response.create` of the SDK's client, which must not retry
            by itself.
        rate_limiter: Gives turns.
        capabilities: What the server understands.
    """

    send: Callable[..., Any]
    rate_limiter: RateLimiter
    capabilities: Capabilities


class PageExchange:
    """The requests for one page.

    Attributes:
        attempts: Requests that were sent, failed ones included.
        usage: Their tokens; None while no answer was counted.
        text: The completion that was read last, None while there is none.
        probabilities: What the LLM gave the texts of the fields, [0, 1], by their path; those of
            the answer that was read last, where they are known.
    """

    def __init__(
        self,
        server: LLMServer,
        config: ExtractorConfig,
        instructions: str,
        content: str | list[Any],
        form: AnswerForm,
    ) -> None:
        """Prepare the requests; `content` is the user's message."""
        self.attempts = 0
        self.usage: Usage | None = None
        self.text: str | None = None
        self.probabilities: dict[str, float] = {}
        self._server = server
        self._config = config
        self._instructions = instructions
        self._content = content
        self._form = form
        self._retries = RetryBudget(config.max_retries, config.retry_delay_s, config.max_retry_s)

    def run(self, page: int) -> ParsedCompletion:
        """Ask for the content of page number `page`; a failure is returned as the fault."""
        try:
            try:
                return self._ask(page)
            except CompletionError as error:
                # An answer that cannot be used was paid for: one more, not max_retries more.
                if not error.retryable or self._config.max_retries == 0:
                    raise
            return self._ask(page)
        except EngineError as error:
            return ParsedCompletion((), error)

    def _ask(self, page: int) -> ParsedCompletion:
        """Ask once, and once more with twice the limit where a growing answer was cut off."""
        parsed = self._parse(self._send(), page)
        if parsed.fault is None or parsed.degenerate or self._config.max_retries == 0:
            return parsed
        try:
            return self._parse(self._send(times_longer=2), page)
        except EngineError:
            return parsed  # the server takes no such limit: the first answer's pairs count

    def _parse(self, answer: Answer, page: int) -> ParsedCompletion:
        self.text = answer.text()
        with start_span("parse", SpanType.PARSER) as span:
            try:
                parsed = self._form.parse(self.text, page)
            except CompletionError:
                if not answer.cut_off:
                    raise
                parsed = ParsedCompletion((), cut_off())
            span.attributes["pairs"] = len(parsed.pairs)
        self.probabilities = probabilities_of(self.text, answer.tokens, parsed.spans)
        return parsed

    def _send(self, times_longer: int = 1) -> Answer:
        """Send a request until it is answered."""
        capabilities, delay = self._server.capabilities, 0.0
        while True:
            wait(delay)
            parameters = (
                capabilities.parameters(self._form, times_longer) | capabilities.streaming()
            )
            request = self._request(parameters)
            with self._server.rate_limiter.turn() as turn, self._span(request) as span:
                self.attempts += 1
                try:
                    # The process may have turned autolog on, whose spans hold content.
                    with mlflow.tracing.context(enabled=False):
                        answer = Answer.of(self._server.send(**request).content)
                except EngineError as error:
                    fault, asked_s, slow = error, None, False
                    span.fail(fault.code)
                except SDK_ERRORS as error:
                    fault = to_engine_error(error, self._instructions)
                    span.fail(fault.code)
                    if isinstance(error, openai.APIStatusError) and capabilities.adapt(
                        error, parameters
                    ):
                        delay = 0.0
                        continue
                    asked_s = retry_after_s(error)
                    slow = asks_to_slow_down(error)
                else:
                    span.outputs = answer.to_dict()
                    turn.tokens = self._count(answer, span)
                    if answer.usage is None and not answer.cut_off:
                        capabilities.stop_streaming()  # unstreamed, it may count the tokens
                    return answer
                wait_s = self._retries.next_delay(asked_s) if fault.retryable else None
                if slow:
                    turn.pause_s = wait_s or 0.0
            if wait_s is None:
                raise fault from None
            # A pause of the whole pool is waited for in the next turn.
            delay = 0.0 if slow else wait_s

    def _request(self, parameters: dict[str, Any]) -> dict[str, Any]:
        in_words = self._server.capabilities.instructions_for(parameters, self._form)
        instructions = self._instructions + in_words
        messages = [
            {"role": "system", "content": instructions},
            {"role": "user", "content": self._content},
        ]
        return {"model": self._config.llm, "messages": messages, **parameters}

    @contextlib.contextmanager
    def _span(self, request: dict[str, Any]) -> Iterator[RecordedSpan]:
        """Trace a request with its content; the span is not kept where `trace_content` forbids it.

        The attributes are those that MLflow's UI shows.
        """
        if self._config.trace_content != "full":
            yield RecordedSpan("Completions", SpanType.CHAT_MODEL, None)
            return
        parameters = {name: value for name, value in request.items() if name not in _NOT_SENT}
        attributes = {name: value for name, value in parameters.items() if name != "messages"}
        attributes[SpanAttributeKey.MESSAGE_FORMAT] = "openai"
        with start_span("Completions", SpanType.CHAT_MODEL, attributes) as span:
            span.inputs = parameters
            if not span.has_room(_size_of_pictures(self._content)):
                span.inputs = parameters | {"messages": request["messages"][:1]}
            yield span

    def _count(self, answer: Answer, span: RecordedSpan) -> int | None:
        """Add an answer's tokens to the page's; return them, None if they are not known."""
        if answer.usage is None:
            return None
        self.usage = (self.usage or Usage()) + answer.usage
        if self._config.trace_content == "full":
            span.attributes |= _usage_attributes(answer.usage, self._config)
        else:  # the page's span has the tokens of all requests
            note(_usage_attributes(self.usage, self._config))
        return answer.usage.input + answer.usage.output


def _size_of_pictures(content: str | list[Any]) -> int:
    parts = [] if isinstance(content, str) else content
    return sum(len(part["image_url"]["url"]) for part in parts if "image_url" in part)


def _usage_attributes(usage: Usage, config: ExtractorConfig) -> dict[str, Any]:
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


class RetryBudget:
    """The retries that one page has left."""

    def __init__(self, max_retries: int, delay_s: float, max_seconds: float) -> None:
        """Begin to count.

        Args:
            max_retries: Most retries.
            delay_s: The first wait, s; it doubles with every retry.
            max_seconds: No retry begins later than this, s from now.
        """
        self._left = max_retries
        self._delay_s = delay_s
        self._deadline = time.monotonic() + max_seconds

    def next_delay(self, asked_s: float | None = None) -> float | None:
        """Take one retry; the server asks to wait `asked_s` seconds, None if it does not tell.

        Returns:
            How long to wait, s; None when there is no retry left, the server asks for more than
            is waited for, or the wait would end too late.
        """
        # Jitter: requests that failed together must not come back together.
        delay = self._delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        if asked_s is not None:
            if asked_s > LONGEST_PAUSE_S:
                return None
            delay += max(asked_s, 0.0)
        if self._left <= 0 or time.monotonic() + delay > self._deadline:
            return None
        self._left -= 1
        self._delay_s = min(2 * self._delay_s, _LONGEST_DELAY_S)
        return delay
