"""The openai SDK's errors as our error codes: what each means, and what to do about it."""

from __future__ import annotations

import json

import openai
import pydantic

from ocr_extractor.errors import CompletionError, EngineError, shorten

# What `chat.completions.parse` was seen to raise (openai 3.54). AttributeError and TypeError are
# what it makes of a body that is no chat completion: HTML, an error object, a list.
SDK_ERRORS = (
    openai.OpenAIError,
    pydantic.ValidationError,
    json.JSONDecodeError,
    UnicodeDecodeError,
    AttributeError,
    TypeError,
)

_ADVICE_BY_STATUS: dict[int, tuple[str, str]] = {
    401: ("authentication_failed", "the server does not accept the API key: check it"),
    403: ("permission_denied", "the API key may not use this LLM: check its rights"),
    404: ("not_found", "the server knows no such LLM or path: check `llm` and OPENAI_BASE_URL"),
    413: ("request_too_large", "the page is too large to send: lower max_size or use jpeg"),
    429: ("rate_limited", "the server limits requests: send fewer at once (max_concurrency)"),
}
_ADVICE_BY_CODE: dict[str, tuple[str, str]] = {
    "insufficient_quota": ("quota_exhausted", "the account has no credit left: top it up"),
    "context_length_exceeded": (
        "context_too_long",
        "the prompt and page are too long for the LLM: lower max_size or shorten the prompt",
    ),
    "content_policy_violation": ("content_filtered", "the server's content filter refused it"),
    "content_filter": ("content_filtered", "the server's content filter refused it"),
}


def to_engine_error(error: Exception) -> EngineError:
    """Turn one of `SDK_ERRORS` into the error that the row carries.

    Args:
        error: What the SDK raised.

    Returns:
        The error; what the server said is cut to 80 characters, the completion is not quoted.
    """
    if isinstance(error, openai.APIStatusError):
        return _status_error(error)
    for kind, code, message, retryable in _BY_TYPE:
        if isinstance(error, kind):
            make = EngineError if issubclass(kind, openai.APIConnectionError) else CompletionError
            return make(code, message, retryable=retryable)
    return EngineError("engine_failed", f"The request failed: {shorten(error)}.")


_BY_TYPE: tuple[tuple[type[Exception], str, str, bool], ...] = (
    (
        openai.APITimeoutError,
        "timeout",
        "The server gave no answer in time: try again or raise timeout_s.",
        True,
    ),
    (
        openai.APIConnectionError,
        "connection_failed",
        "The server cannot be reached: check the network and OPENAI_BASE_URL.",
        True,
    ),
    (
        openai.LengthFinishReasonError,
        "completion_cut_off",
        "The LLM's answer is longer than max_tokens: raise it.",
        False,
    ),
    (
        openai.ContentFilterFinishReasonError,
        "content_filtered",
        "The server's content filter stopped the answer.",
        False,
    ),
    (
        pydantic.ValidationError,
        "invalid_completion",
        "The LLM's answer does not follow the JSON schema: use a server and LLM that support "
        "structured outputs.",
        True,
    ),
    (
        json.JSONDecodeError,
        "invalid_response",
        "The server's answer was cut off or is not JSON: try again.",
        True,
    ),
    (
        UnicodeDecodeError,
        "invalid_response",
        "The server's answer is not UTF-8: try again.",
        True,
    ),
    (
        AttributeError,
        "not_a_completion",
        "The server's answer is no chat completion: check OPENAI_BASE_URL (it often ends in /v1).",
        False,
    ),
    (
        TypeError,
        "not_a_completion",
        "The server's answer has no choices: check OPENAI_BASE_URL and the server's log.",
        False,
    ),
)


def _status_error(error: openai.APIStatusError) -> EngineError:
    status = error.status_code
    passing = status >= 500 or status in {408, 409}
    code, advice = (
        _ADVICE_BY_CODE.get(str(error.code))
        or _ADVICE_BY_CODE.get(str(error.type))
        or _ADVICE_BY_STATUS.get(status)
        or (
            ("server_error", "the server failed: try again later")
            if passing
            else ("request_refused", "the server refuses the request: check `llm` and settings")
        )
    )
    said = error.message.removeprefix(f"Error code: {status}").removeprefix(" - ")
    return EngineError(
        code,
        f"HTTP {status}: {advice} ({shorten(said or 'it does not say why')}).",
        retryable=passing or code == "rate_limited",
    )
