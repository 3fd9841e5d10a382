"""What a server answered: a chat completion and its token usage, whatever shape it arrived in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import openai.types.chat
from pydantic import BaseModel, ConfigDict, ValidationError

from ocr_extractor.errors import CompletionError, EngineError


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
    def of(cls, result: Any) -> Answer:
        """Read what the SDK returns, which it does not check: HTML, an error object, a list.

        Raises:
            EngineError: It is no chat completion.
        """
        if isinstance(result, openai.types.chat.ChatCompletion):
            if (result.model_extra or {}).get("error"):
                # Not quoted: unlike a refusal's, this text did not go past the key's scrubber.
                raise EngineError(
                    "server_error", "The server reports an error: try again later.", retryable=True
                )
            try:
                body = _Body.model_validate(result)
            except ValidationError:
                pass
            else:
                return cls(_to_usage(body.usage), body.choices)
        raise EngineError(
            "not_a_completion",
            "The server's answer is no chat completion: check the base URL (it often ends in /v1).",
        )

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
