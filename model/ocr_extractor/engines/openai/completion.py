"""Reads the answer of a server: a completion, its token usage and its tokens' probabilities."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from math import exp, isfinite
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from ocr_extractor.engines.openai.parsing import empty
from ocr_extractor.engines.openai.sdk_errors import invalid_response, not_a_completion
from ocr_extractor.errors import CompletionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Token = tuple[bytes, float]
"""A token and its log probability, at most 0."""

# No LLM reads or writes as many tokens at once.
_MOST_TOKENS = 10_000_000
# One is requested; a server that answers more than a few is faulty or hostile.
MOST_CHOICES = 16


def _to_count(value: object) -> int | None:
    """Return a number of tokens; None for a value that cannot be one."""
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None


def read_tokens(content: Any) -> tuple[Token, ...]:
    """Read the tokens of a choice's `logprobs.content`; none if one of them is not as it should be.

    A token may be a part of a character, so `bytes` counts where it is given.
    """
    try:
        return tuple(_token(each) for each in content or ())
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return ()


def _token(given: Any) -> Token:
    raw, logprob = given.get("bytes"), float(given["logprob"])
    if not isfinite(logprob):
        raise ValueError(logprob)
    text = bytes(raw) if isinstance(raw, list) else given["token"].encode("utf-8", "surrogatepass")
    return text, min(logprob, 0.0)


_Count = Annotated[int | None, BeforeValidator(_to_count)]


class _Message(BaseModel):
    role: str = "assistant"
    content: str | None = None
    refusal: str | None = None


class _Logprobs(BaseModel):
    content: Annotated[tuple[Token, ...], BeforeValidator(read_tokens)] = ()


class _Choice(BaseModel):
    finish_reason: str | None = None
    message: _Message
    logprobs: _Logprobs | None = None


class _PromptDetails(BaseModel):
    cached_tokens: _Count = None


class UsageReport(BaseModel):
    """Tokens in the API's own names; None for values that are missing or impossible."""

    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    prompt_tokens_details: _PromptDetails | None = None


class _Body(BaseModel):
    model: str | None = None
    choices: list[_Choice] = Field([], max_length=MOST_CHOICES)
    usage: UsageReport | None = None
    error: Any = None


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
    """One chat completion; its usage is None if the server reports none, or impossible numbers."""

    usage: Usage | None
    _body: _Body

    @classmethod
    def of(cls, body: bytes) -> Answer:
        """Read the body of an answer with status 200.

        The SDK does not read it: it makes objects of everything that a server sends, which takes
        gigabytes for a few megabytes.

        Raises:
            EngineError: It is no chat completion.
        """
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError):
            begins_as_object = body.lstrip()[:1] in {b"", b"{"}
            raise (invalid_response() if begins_as_object else not_a_completion()) from None
        try:
            completion = _Body.model_validate(parsed)
        except ValidationError:
            raise not_a_completion() from None
        if completion.error:
            raise not_a_completion(reports_error=True)
        if "choices" not in completion.model_fields_set:
            raise not_a_completion()
        return cls(_to_usage(completion.usage), completion)

    @property
    def cut_off(self) -> bool:
        """Whether the server says that the completion reached its limit."""
        return bool(self._body.choices) and self._body.choices[0].finish_reason == "length"

    def text(self) -> str:
        """Return the completion.

        Raises:
            CompletionError: There is none: refused, filtered or empty.
        """
        if not self._body.choices:
            raise empty()
        choice = self._body.choices[0]
        if choice.message.refusal:
            raise CompletionError("refused", "The LLM refuses to read this page.")
        if choice.finish_reason == "content_filter":
            raise CompletionError(
                "content_filtered", "The server's content filter stopped the answer."
            )
        if choice.message.content is None:
            raise empty()
        return choice.message.content

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens of the completion with their log probabilities; none if they are not known."""
        choice = self._body.choices[0] if self._body.choices else None
        return choice.logprobs.content if choice and choice.logprobs else ()

    def to_dict(self) -> dict[str, Any]:
        """Return what was read of the answer, in the API's own names, for a trace."""
        return self._body.model_dump(
            exclude_none=True, exclude={"error": True, "choices": {"__all__": {"logprobs"}}}
        )


def _to_usage(usage: UsageReport | None) -> Usage | None:
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    details = usage.prompt_tokens_details
    cached = (details.cached_tokens if details else None) or 0
    return Usage(
        usage.prompt_tokens,
        usage.completion_tokens,
        cached if cached <= usage.prompt_tokens else 0,
    )


def probabilities_of(
    text: str, tokens: Sequence[Token], spans: Mapping[str, tuple[int, int]]
) -> dict[str, float]:
    """Return the probability of texts in a completion: that of their least probable token.

    Args:
        text: The completion.
        tokens: Its tokens, in order.
        spans: Where each text stands, characters [start, end), by any key.

    Returns:
        In [0, 1], by key; nothing where the tokens are not those of the completion.
    """
    said, whole = text.encode("utf-8", "surrogatepass"), b"".join(each for each, _ in tokens)
    # Some servers name the token that ends the answer, or white space around it.
    if not tokens or (before := whole.find(said)) < 0:
        return {}
    widths = (len(each.encode("utf-8", "surrogatepass")) for each in text)
    at = list(accumulate(widths, initial=before))
    starts = list(accumulate((len(each) for each, _ in tokens[:-1]), initial=0))
    probabilities = {}
    for key, (start, end) in spans.items():
        first, behind = bisect_right(starts, at[start]) - 1, bisect_left(starts, at[end])
        probabilities[key] = exp(min(logprob for _, logprob in tokens[first:behind]))
    return probabilities
