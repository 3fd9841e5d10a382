"""The OpenAI client: where its key comes from, and how the key is kept out of every error."""

from __future__ import annotations

import os
from pathlib import Path

import httpx2
import openai

from ocr_extractor.config import refuse_secret
from ocr_extractor.errors import ConfigError, MissingKeyError, shorten

THREE_WAYS = (
    "set OPENAI_API_KEY; or set OPENAI_API_KEY_FILE to a file that holds it; or start the "
    "command in a terminal, which asks for it"
)
_OPENAI_URL = "https://api.openai.com/v1"
# Servers without keys (Ollama, vLLM, llama.cpp) still get a header; the SDK insists on one.
_NO_KEY = "not-needed"
# The parts of a server's error object that are read.
_TOLD = ("code", "type", "param")


def build_client(http_client: httpx2.Client, base_url: str = "") -> openai.OpenAI:
    """Build the client for OpenAI, Azure or a compatible server, the one at `base_url` if given.

    It repeats no request: the engine does.

    Returns:
        Without a `base_url`, an Azure client where AZURE_OPENAI_ENDPOINT is set, else one for
        OPENAI_BASE_URL or OpenAI.

    Raises:
        MissingKeyError: No key can be found and no compatible server is named.
        ConfigError: A key cannot be sent, the base URL is no URL, or Azure's variables are
            incomplete.
    """
    if os.environ.get("AZURE_OPENAI_ENDPOINT") and not base_url:
        return _azure_client(http_client)
    url = find_base_url(base_url)
    key = find_api_key()
    if key is None:
        if url is None:
            raise MissingKeyError(f"The openai engine needs an API key: {THREE_WAYS}.")
        key = _NO_KEY
    return _Client(
        api_key=key,
        # Given even for OpenAI: with an empty OPENAI_BASE_URL the SDK would have no URL.
        base_url=url or _OPENAI_URL,
        http_client=http_client,
        timeout=http_client.timeout,
        max_retries=0,
    )


def find_base_url(setting: str = "") -> str | None:
    """Return the compatible server's URL: the setting's, else OPENAI_BASE_URL's, else None.

    Raises:
        ConfigError: It is no http or https URL, or holds a password.
    """
    url = (setting or os.environ.get("OPENAI_BASE_URL", "")).strip()
    name = "base_url" if setting else "OPENAI_BASE_URL"
    refuse_secret(url, name)
    if url and not _is_http_url(url):
        raise ConfigError(
            f"{name} is {shorten(url)}, which is not a URL: write http://host:port/v1."
        )
    return url or None


def _is_http_url(text: str) -> bool:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and bool(url.host)


def find_api_key() -> str | None:
    """Return the key from OPENAI_API_KEY, else from the file OPENAI_API_KEY_FILE, else None.

    Raises:
        MissingKeyError: The file cannot be read or is empty.
        ConfigError: The key has characters that no HTTP header can carry.
    """
    file = os.environ.get("OPENAI_API_KEY_FILE", "")
    if (key := _key_from("OPENAI_API_KEY")) or not file:
        return key
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        name = file if os.sep in file else "a file (not shown: its name may be the key itself)"
        raise MissingKeyError(
            f"OPENAI_API_KEY_FILE names {name}, which cannot be read: {THREE_WAYS}."
        ) from None
    if not text.strip():
        raise MissingKeyError(f"OPENAI_API_KEY_FILE names {file}, which is empty: {THREE_WAYS}.")
    return _checked(text, f"the file {file}")


def _azure_client(http_client: httpx2.Client) -> openai.AzureOpenAI:
    endpoint = os.environ["AZURE_OPENAI_ENDPOINT"]
    refuse_secret(endpoint, "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY")
    token = _key_from("AZURE_OPENAI_AD_TOKEN")
    key = None if token else _key_from("AZURE_OPENAI_API_KEY")
    if not (token or key):
        raise MissingKeyError(
            "AZURE_OPENAI_ENDPOINT is set: set AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN too."
        )
    try:
        return _AzureClient(
            api_key=key,
            azure_ad_token=token,
            http_client=http_client,
            timeout=http_client.timeout,
            max_retries=0,
        )
    except ValueError as error:
        raise ConfigError(f"Azure's variables are incomplete: {error}.") from None


def _key_from(variable: str) -> str | None:
    return _checked(os.environ.get(variable, ""), variable) or None


def _checked(text: str, source: str) -> str:
    """Return a key without the white space around it.

    Raises:
        ConfigError: It has characters that no HTTP header can carry; if it were
            sent, the error would quote it and so write it to the log and the trace.
    """
    key = text.strip()
    if not key.isascii() or any(character <= " " or character == "\x7f" for character in key):
        raise ConfigError(
            f"The key in {source} holds spaces, control or non-ASCII characters: copy it again."
        )
    return key


class _Client(openai.OpenAI):
    """The SDK's client, whose errors never contain the key."""

    def _make_status_error(
        self, err_msg: str, *, body: object, response: httpx2.Response
    ) -> openai.APIStatusError:
        # The SDK has no public hook for its errors, nor a public name for Azure's token. Servers
        # were seen to quote the key that they refuse. Only short texts of the body are kept: it
        # may have megabytes, nested deeper than Python's recursion limit.
        key = getattr(self, "_azure_ad_token", None) or self.api_key
        error = body.get("error", body) if isinstance(body, dict) else None
        told = error if isinstance(error, dict) else {}
        kept = {name: told[name] for name in _TOLD if isinstance(told.get(name), str)}
        return super()._make_status_error(
            err_msg.replace(key, "***"),
            body={name: text.replace(key, "***") for name, text in kept.items()},
            response=response,
        )


class _AzureClient(_Client, openai.AzureOpenAI):
    """The same for Azure."""
