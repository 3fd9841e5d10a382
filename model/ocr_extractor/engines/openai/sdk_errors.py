"""Converts errors of the openai SDK to our error codes: meaning, advice, and whether to retry."""

from __future__ import annotations

import email.utils
import json
import math
import re
import time

import httpx2
import openai

from ocr_extractor.errors import EngineError, shorten

# The errors that `chat.completions.create` raises (openai 3.54).
SDK_ERRORS = (openai.OpenAIError, json.JSONDecodeError, UnicodeDecodeError, RecursionError)

_IMAGE_UNSUPPORTED = (
    "image_unsupported",
    "the LLM or its server does not read images: use one that does (llama.cpp needs --mmproj), or "
    "set page_input=text",
)
_CONTEXT_TOO_LONG = (
    "context_too_long",
    "the prompt and page are too long for the LLM: lower max_size or shorten the prompt",
)
_CONTENT_FILTERED = ("content_filtered", "the server's content filter refused it")
_IMAGE_TOO_LARGE = (
    "request_too_large",
    "the page is too large to send: lower max_size or use jpeg",
)

_ADVICE_BY_STATUS: dict[int, tuple[str, str]] = {
    401: ("authentication_failed", "the server does not accept the API key: check it"),
    403: ("permission_denied", "the API key may not use this LLM: check its rights"),
    404: ("not_found", "the server does not have this LLM or path: check `llm` and the base URL"),
    413: _IMAGE_TOO_LARGE,
    429: ("rate_limited", "the server limits requests: send fewer at once (max_concurrency)"),
}
_ADVICE_BY_CODE: dict[str, tuple[str, str]] = {
    "insufficient_quota": ("quota_exhausted", "the account has no credit left: top it up"),
    "context_length_exceeded": _CONTEXT_TOO_LONG,
    "exceed_context_size_error": _CONTEXT_TOO_LONG,  # llama.cpp
    "content_policy_violation": _CONTENT_FILTERED,
    "content_filter": _CONTENT_FILTERED,
    "batch_unanswered": (
        "batch_unanswered",
        "no batch brought an answer: ask again with retry_errors=true",
    ),
    "image_too_large": _IMAGE_TOO_LARGE,
    "image_file_too_large": _IMAGE_TOO_LARGE,
}
# Servers without codes: OpenAI for text models, vLLM, and llama.cpp, which answers 500.
_ADVICE_BY_WORDS: tuple[tuple[re.Pattern[str], tuple[str, str]], ...] = (
    (
        re.compile("image input is not supported|mmproj|image_url is only|not a multimodal"),
        _IMAGE_UNSUPPORTED,
    ),
    (re.compile("maximum context length|context size|context window"), _CONTEXT_TOO_LONG),
)
_PASSING_CODES = {"rate_limited", "server_error", "batch_unanswered"}
_PASSING_STATUS = {408, 409}
_SLOW_DOWN_STATUS = {429, 503}
# This many letters and digits in a row of the request count as a quotation.
_QUOTE = 10
# What may differ in a quotation: white space and punctuation, also as escapes.
_BETWEEN_LETTERS = re.compile(r"\\[nrt]|[\W_]")


def to_engine_error(error: Exception, sent: str = "") -> EngineError:
    """Turn one of `SDK_ERRORS` into the error that the row carries.

    The words of the server are cut to 80 characters, and left out if they quote what was `sent`.
    """
    if isinstance(error, openai.APIStatusError):
        return _status_error(error, sent)
    if isinstance(error, openai.APITimeoutError):
        return EngineError(
            "timeout",
            "The server gave no complete answer in time: try again or raise timeout_s.",
            retryable=True,
        )
    if isinstance(error, openai.APIConnectionError):
        return _connection_error(error)
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError, RecursionError)):
        return invalid_response()
    return EngineError("engine_failed", f"The request failed: {shorten(error)}.")


def not_a_completion(*, reports_error: bool = False) -> EngineError:
    """Return the error of an answer with status 200 that is no chat completion."""
    if reports_error:
        return EngineError(
            "server_error", "The server reports an error: try again later.", retryable=True
        )
    return EngineError(
        "not_a_completion",
        "The server's answer is not a chat completion: check the base URL (it often ends in /v1).",
    )


def invalid_response() -> EngineError:
    """Return the error of an answer whose JSON cannot be read."""
    return EngineError(
        "invalid_response",
        "The server's answer was cut off, is not JSON or is nested too deep: try again.",
        retryable=True,
    )


def response_too_large(most_bytes: int) -> EngineError:
    """Return the error of an answer that has too many bytes, once it is decompressed."""
    return EngineError(
        "response_too_large",
        f"The server's answer has more than {most_bytes:,} bytes: check the base URL and `llm`.",
    )


def asks_to_slow_down(error: Exception) -> bool:
    """Tell whether the server is overloaded, so that all requests must wait."""
    return isinstance(error, openai.APIStatusError) and error.status_code in _SLOW_DOWN_STATUS


def retry_after_s(error: Exception) -> float | None:
    """Return how long the server asks to wait, s; None if it does not tell.

    Azure and OpenAI's SDK know Retry-After-Ms; Retry-After holds seconds or a date.
    """
    if not isinstance(error, openai.APIStatusError):
        return None
    headers = error.response.headers
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, ""))
        except ValueError:
            continue
        return None if math.isnan(seconds) else seconds * unit_s
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    try:
        return None if date is None else email.utils.mktime_tz(date) - time.time()
    except (ValueError, OverflowError):  # not a date
        return None


def _connection_error(error: openai.APIConnectionError) -> EngineError:
    if isinstance(error.__cause__, EngineError):
        return error.__cause__  # raised by our HTTP client, wrapped by the SDK
    cause = shorten(error.__cause__ or error)
    if "SSL" in cause:
        return EngineError(
            "tls_failed",
            f"No secure connection ({cause}): check https in the base URL and SSL_CERT_FILE.",
        )
    return EngineError(
        "connection_failed",
        f"The server cannot be reached ({cause}): check the network and the base URL.",
        retryable=True,
    )


def _status_error(error: openai.APIStatusError, sent: str) -> EngineError:
    status = error.status_code
    if 300 <= status < 400:
        return _redirected(error.response)
    words = error.message.lower()
    code, advice = (
        _ADVICE_BY_CODE.get(str(error.code))
        or _ADVICE_BY_CODE.get(str(error.type))
        or next((advice for pattern, advice in _ADVICE_BY_WORDS if pattern.search(words)), None)
        or _ADVICE_BY_STATUS.get(status)
        or (
            ("server_error", "the server failed: try again later")
            if status >= 500 or status in _PASSING_STATUS
            else ("request_refused", "the server refuses the request: check `llm` and settings")
        )
    )
    if asks_to_slow_down(error) and (wait_s := retry_after_s(error) or 0.0) > 0:
        advice += f"; it asks to wait for {wait_s:,.0f} s"
    said = shorten(error.message.removeprefix(f"Error code: {status}").removeprefix(" - "))
    if _quotes(said, sent):
        said = "its words are left out: they quote the request"
    return EngineError(
        code,
        f"HTTP {status}: {advice} ({said or 'it does not say why'}).",
        retryable=code in _PASSING_CODES,
    )


def _redirected(response: httpx2.Response) -> EngineError:
    """Return the error of a redirect, which would take the page and the key to another server."""
    try:
        target = response.url.join(response.headers.get("location", ""))
    except httpx2.InvalidURL:
        target = httpx2.URL("")
    where = f"{target.scheme}://{target.netloc.decode('ascii')}{target.path}"
    return EngineError(
        "redirected",
        f"HTTP {response.status_code}: the server redirects to {shorten(where)}, and pages are "
        "sent only to the base URL: if you trust that server, set the base URL to it.",
    )


def _quotes(said: str, sent: str) -> bool:
    said, sent = (_BETWEEN_LETTERS.sub("", text) for text in (said, sent))
    starts = range(len(said) - _QUOTE + 1)
    return any(said[start : start + _QUOTE] in sent for start in starts)
