"""The OpenAI client: where its key comes from, and how the key is kept out of every error."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import openai

from ocr_extractor.errors import ConfigError, MissingKeyError

if TYPE_CHECKING:
    import httpx2

THREE_WAYS = (
    "set OPENAI_API_KEY; or set OPENAI_API_KEY_FILE to a file that holds it; or start the "
    "command in a terminal, which asks for it"
)
# Servers without keys (Ollama, vLLM, llama.cpp) still get a header; the SDK insists on one.
_NO_KEY = "not-needed"


def build_client(http_client: httpx2.Client) -> openai.OpenAI:
    """Build the client for OpenAI, Azure or a compatible server, as the environment says.

    It repeats no request: the engine does.

    Args:
        http_client: What sends the requests.

    Returns:
        An Azure client where AZURE_OPENAI_ENDPOINT is set, else one for OPENAI_BASE_URL or OpenAI.

    Raises:
        MissingKeyError: No key can be found and no compatible server is named.
        ConfigError: A key cannot be sent, or Azure's variables are incomplete.
    """
    if os.environ.get("AZURE_OPENAI_ENDPOINT"):
        try:
            return _AzureClient(http_client=http_client, timeout=http_client.timeout, max_retries=0)
        except (openai.OpenAIError, ValueError) as error:
            raise ConfigError(f"Azure's variables are incomplete: {error}") from None
    key = find_api_key()
    if key is None:
        if not os.environ.get("OPENAI_BASE_URL"):
            raise MissingKeyError(f"The openai engine needs an API key: {THREE_WAYS}.")
        key = _NO_KEY
    return _Client(api_key=key, http_client=http_client, timeout=http_client.timeout, max_retries=0)


def find_api_key() -> str | None:
    """Return the key from OPENAI_API_KEY, else from the file OPENAI_API_KEY_FILE, else None.

    Raises:
        MissingKeyError: The file cannot be read or is empty.
        ConfigError: The key has characters that no HTTP header can carry.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    file = os.environ.get("OPENAI_API_KEY_FILE", "")
    if not key and file:
        try:
            key = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise MissingKeyError(
                f"OPENAI_API_KEY_FILE names {file}, which cannot be read: {THREE_WAYS}."
            ) from None
        if not key:
            raise MissingKeyError(f"OPENAI_API_KEY_FILE names {file}, which is empty.")
    if not (key.isascii() and (key.isprintable() or not key)) or " " in key:
        raise ConfigError("The API key holds spaces or non-ASCII characters: copy it anew.")
    return key or None


def _without_key(client: openai.OpenAI, text: str) -> str:
    """Return `text` without the client's key: servers were seen to quote it when they refuse it."""
    return text.replace(client.api_key, "***") if client.api_key else text


# Overridden at the SDK's own seam, so that tracing, which sees exceptions first, never sees a key.
class _Client(openai.OpenAI):
    def _make_status_error(
        self, err_msg: str, *, body: object, response: httpx2.Response
    ) -> openai.APIStatusError:
        return super()._make_status_error(
            _without_key(self, err_msg), body=_scrub(self, body), response=response
        )


class _AzureClient(openai.AzureOpenAI):
    def _make_status_error(
        self, err_msg: str, *, body: object, response: httpx2.Response
    ) -> openai.APIStatusError:
        return super()._make_status_error(
            _without_key(self, err_msg), body=_scrub(self, body), response=response
        )


def _scrub(client: openai.OpenAI, body: object) -> object:
    if isinstance(body, str):
        return _without_key(client, body)
    if isinstance(body, dict):
        return {name: _scrub(client, value) for name, value in body.items()}
    if isinstance(body, list):
        return [_scrub(client, value) for value in body]
    return body
