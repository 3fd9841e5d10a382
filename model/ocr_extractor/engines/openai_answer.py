"""What a server answered: a chat completion and its token usage, whatever shape it arrived in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from ocr_extractor.engines.openai_errors import not_a_completion
from ocr_extractor.errors import CompletionError

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion


class _Part(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class _Message(_Part):
    content: str | None = None
    refusal: str | None = None


class _Choice(_Part):
    finish_reason: str | None = None
    message: _Message


class _PromptDetails(_Part):
    cached_tokens: int | None = None


class _Usage(_Part):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _PromptDetails | None = None


class _Body(_Part):
    choices: list[_Choice]
    usage: _Usage | None = None


@dataclass(frozen=True)
class Usage:
    """Tokens as the server counted them.

    Attributes:
        input: Tokens of the prompt and the page, cached ones included.
        output: Tokens the LLM wrote.
        cached: Tokens of the prompt that the server had in its cache.
    """

    input: int = 0
    output: int = 0
    cached: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input, self.output + other.output, self.cached + other.cached
        )


@dataclass(frozen=True)
class Answer:
    """One chat completion.

    Attributes:
        usage: What it cost, None when the server does not say.
    """

    usage: Usage | None
    _choices: list[_Choice]

    @classmethod
    def of(cls, result: ChatCompletion) -> Answer:
        """Read what the SDK returns, whose parts it does not check.

        Raises:
            EngineError: It is no chat completion.
        """
        try:
            body = _Body.model_validate(result)
        except ValidationError:
            raise not_a_completion() from None
        return cls(_to_usage(body.usage), body.choices)

    @property
    def cut_off(self) -> bool:
        """Whether the server says that the completion reached its limit."""
        return bool(self._choices) and self._choices[0].finish_reason == "length"

    def text(self) -> str:
        """Return the completion.

        Raises:
            CompletionError: There is none: refused, filtered or empty.
        """
        if not self._choices:
            raise _empty()
        choice = self._choices[0]
        if choice.message.refusal:
            raise CompletionError("refused", "The LLM refuses to read this page.")
        if choice.finish_reason == "content_filter":
            raise CompletionError(
                "content_filtered", "The server's content filter stopped the answer."
            )
        if choice.message.content is None:
            raise _empty()
        return choice.message.content


def _to_usage(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    details = usage.prompt_tokens_details
    cached = details.cached_tokens if details else None
    return Usage(usage.prompt_tokens, usage.completion_tokens, cached or 0)


def _empty() -> CompletionError:
    return CompletionError("empty_completion", "The LLM gave no answer: try again.", retryable=True)
