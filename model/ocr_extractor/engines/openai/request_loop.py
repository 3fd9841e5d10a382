"""All requests for one page: repeated within bounds, and counted; no other layer retries."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlflow
import openai
from mlflow.entities import SpanType

from ocr_extractor.engines.openai.completion import Answer, Usage
from ocr_extractor.engines.openai.parsing import ParsedCompletion, cut_off
from ocr_extractor.engines.openai.rate_limit import LONGEST_PAUSE_S, RateLimiter
from ocr_extractor.engines.openai.request_spans import request_span
from ocr_extractor.engines.openai.sdk_errors import (
    SDK_ERRORS,
    asks_to_slow_down,
    retry_after_s,
    to_engine_error,
)
from ocr_extractor.engines.openai.token_probabilities import probabilities_of
from ocr_extractor.errors import CompletionError, EngineError
from ocr_extractor.runtime.cancellation import wait
from ocr_extractor.runtime.tracing import start_span

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.engines.openai.answer_form import AnswerForm
    from ocr_extractor.engines.openai.capabilities import Capabilities

# The wait doubles with each retry up to this, s (the same limit as in the openai SDK).
_LONGEST_DELAY_S = 8.0


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
            span.set_attribute("pairs", len(parsed.pairs))
        self.probabilities = probabilities_of(self.text, answer.tokens, parsed.spans)
        return parsed

    def _send(self, times_longer: int = 1) -> Answer:
        """Send a request until it is answered.

        Raises:
            EngineError: It never was, within the bounds of count and time.
        """
        capabilities, delay = self._server.capabilities, 0.0
        while True:
            wait(delay)
            parameters = (
                capabilities.parameters(self._form, times_longer) | capabilities.streaming()
            )
            request = self._request(parameters)
            with (
                self._server.rate_limiter.turn() as turn,
                request_span(request, self._config) as span,
            ):
                self.attempts += 1
                try:
                    # The process may have turned autolog on, whose spans hold content.
                    with mlflow.tracing.context(enabled=False):
                        answer = Answer.of(self._server.send(**request).content)
                except EngineError as error:
                    fault, asked_s, slow = error, None, False
                    span.failed(fault)
                except SDK_ERRORS as error:
                    fault = to_engine_error(error, self._instructions)
                    span.failed(fault)
                    if isinstance(error, openai.APIStatusError) and capabilities.adapt(
                        error, parameters
                    ):
                        delay = 0.0
                        continue
                    asked_s = retry_after_s(error)
                    slow = asks_to_slow_down(error)
                else:
                    span.answered(answer)
                    turn.tokens = self._count(answer)
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

    def _count(self, answer: Answer) -> int | None:
        if answer.usage is None:
            return None
        self.usage = (self.usage or Usage()) + answer.usage
        return answer.usage.input + answer.usage.output


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
