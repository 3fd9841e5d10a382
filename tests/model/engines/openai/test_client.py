"""The key is found in three ways, and told apart from one that cannot be sent."""

from __future__ import annotations

from pathlib import Path

import httpx2
import openai
import pytest

from ocr_extractor.engines.openai.client import build_client, find_api_key
from ocr_extractor.errors import ConfigError, MissingKeyError

HTTP = httpx2.Client()
AZURE = {
    "AZURE_OPENAI_ENDPOINT": "https://loopback.openai.azure.com",
    "AZURE_OPENAI_API_KEY": "azure-key",
    "OPENAI_API_VERSION": "2024-10-21",
}


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that OPENAI_API_KEY_FILE names; not made yet."""
    path = tmp_path / "key.txt"
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(path))
    return path


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_without_a_key_the_three_ways_are_named() -> None:
    with pytest.raises(MissingKeyError) as refused:
        build_client(HTTP)
    for way in ("OPENAI_API_KEY;", "OPENAI_API_KEY_FILE", "terminal"):
        assert way in str(refused.value)


@pytest.mark.parametrize("text", ["sk-1", "sk-1\n", " sk-1\r\n"])
def test_the_key_comes_from_the_environment_or_a_file(
    text: str, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_file.write_text(text, encoding="utf-8")
    assert build_client(HTTP).api_key == "sk-1"
    monkeypatch.setenv("OPENAI_API_KEY", text.replace("1", "2"))
    assert build_client(HTTP).api_key == "sk-2"


@pytest.mark.parametrize("value", ["", " \n"])
def test_an_empty_variable_counts_as_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_API_KEY_FILE", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.setenv(name, value.strip())
    monkeypatch.setenv("OPENAI_BASE_URL", value)
    assert find_api_key() is None
    with pytest.raises(MissingKeyError):
        build_client(HTTP)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert str(build_client(HTTP).base_url) == "https://api.openai.com/v1/"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe\x00"])
def test_a_key_file_that_holds_no_key_is_named(content: bytes | None, key_file: Path) -> None:
    if content is not None:
        key_file.write_bytes(content)
    with pytest.raises(MissingKeyError, match=r"key\.txt, which .*: set OPENAI_API_KEY;"):
        build_client(HTTP)


def test_a_key_in_place_of_its_files_name_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY_FILE", "sk-proj-1")
    with pytest.raises(MissingKeyError, match="may be the key itself") as refused:
        build_client(HTTP)
    assert "sk-" not in str(refused.value)


def test_a_folder_is_no_key_file(key_file: Path) -> None:
    key_file.mkdir()
    with pytest.raises(MissingKeyError, match="cannot be read"):
        build_client(HTTP)


@pytest.mark.parametrize("key", ["sk-über", "sk-1 sk-2", "sk-1\nsk-2", "sk-\x7f1", "sk-1\u2026"])
@pytest.mark.parametrize("source", ["OPENAI_API_KEY", "file", "AZURE_OPENAI_API_KEY"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(
    source: str, key: str, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "file":
        key_file.write_text(key, encoding="utf-8")
    elif source == "OPENAI_API_KEY":
        monkeypatch.setenv(source, key)
    else:
        set_all(monkeypatch, AZURE | {source: key})
    with pytest.raises(ConfigError, match="copy it again") as refused:
        build_client(HTTP)
    assert "sk-" not in str(refused.value)


def test_a_compatible_server_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", " http://127.0.0.1:11434/v1 ")
    client = build_client(HTTP)
    assert str(client.base_url) == "http://127.0.0.1:11434/v1/"
    assert client.api_key  # the SDK insists on one


@pytest.mark.parametrize(
    "url",
    ["localhost:8000/v1", "127.0.0.1:8000", "/v1", "http://host:port/v1", "http://", "https:///v1"],
)
def test_what_is_no_url_of_a_server_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ConfigError, match=f"OPENAI_BASE_URL is {url}"):
        build_client(HTTP)


@pytest.mark.parametrize(
    ("name", "key_variable"),
    [
        ("OPENAI_BASE_URL", "OPENAI_API_KEY"),
        ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"),
    ],
)
def test_a_password_in_a_servers_variable_is_refused_and_not_shown(
    name: str, key_variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, AZURE if name in AZURE else {"OPENAI_API_KEY": "sk-1"})
    monkeypatch.setenv(name, "https://me:s3cret@host/v1")
    with pytest.raises(ConfigError, match=f"^{name} holds .*variable {key_variable}") as refused:
        build_client(HTTP)
    assert "s3cret" not in str(refused.value)


def test_the_timeout_is_the_http_clients_and_the_sdk_repeats_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variables in ({"OPENAI_API_KEY": "sk-1"}, AZURE):
        set_all(monkeypatch, variables)
        client = build_client(httpx2.Client(timeout=12.5))
        assert (client.timeout, client.max_retries) == (httpx2.Timeout(12.5), 0)


def test_azures_variables_make_an_azure_client(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, AZURE | {"AZURE_OPENAI_API_KEY": "azure-key\n"})
    client = build_client(HTTP)
    assert isinstance(client, openai.AzureOpenAI)
    assert client.api_key == "azure-key"
    assert str(client.base_url) == "https://loopback.openai.azure.com/openai/"


@pytest.mark.parametrize(
    ("missing", "error", "named"),
    [
        ("AZURE_OPENAI_API_KEY", MissingKeyError, "AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN"),
        ("OPENAI_API_VERSION", ConfigError, "OPENAI_API_VERSION"),
    ],
)
def test_incomplete_azure_variables_are_named(
    missing: str, error: type[Exception], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, {name: value for name, value in AZURE.items() if name != missing})
    with pytest.raises(error, match=named):
        build_client(HTTP)


def test_the_setting_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, AZURE | {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})
    client = build_client(HTTP, "http://127.0.0.1:2/v1")
    assert not isinstance(client, openai.AzureOpenAI)
    assert str(client.base_url) == "http://127.0.0.1:2/v1/"
    with pytest.raises(ConfigError, match="base_url is localhost"):
        build_client(HTTP, "localhost:2")
