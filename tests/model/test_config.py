"""Settings are validated once, completely, and never show a secret."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_extractor.config import ExtractorConfig
from ocr_extractor.documents.limits import PageLimits
from ocr_extractor.errors import ConfigError

NEEDED = {"engine": "openai", "prompt_uri": "prompts:/ocr-question-answer/1"}


def test_the_defaults_are_what_was_promised() -> None:
    config = ExtractorConfig.from_model_config(NEEDED)
    assert (config.temperature, config.image_format, config.trace_content) == (0.0, "png", "full")
    assert config.limits == PageLimits()


def test_what_is_logged_with_the_model_comes_back_the_same() -> None:
    config = ExtractorConfig.from_model_config({**NEEDED, "max_size": 1500, "seed": None})
    assert ExtractorConfig.from_model_config(config.model_dump()) == config


def test_limits_follow_the_settings() -> None:
    limits: dict[str, Any] = {"max_document_bytes": 1, "max_pages": 2, "max_page_pixels": 3}
    limits |= {"pdf_dpi": 300, "max_decoded_bytes": 4, "pdf_page_s": 5.0, "pdf_memory_bytes": 6}
    config = ExtractorConfig.from_model_config({**NEEDED, **limits})
    assert config.limits == PageLimits(**limits)


@pytest.mark.parametrize(
    "uri", ["prompts:/ocr-question-answer/12", "prompts:/catalog.schema.prompt/1"]
)
def test_prompt_versions_of_plain_and_three_level_names_are_taken(uri: str) -> None:
    assert ExtractorConfig.from_model_config({**NEEDED, "prompt_uri": uri}).prompt_uri == uri


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"engine": "auto"}, "engine='auto'"),
        ({"engine": None}, "engine='None'"),
        ({"prompt_uri": "prompts:/p@production"}, "prompt_uri="),
        ({"prompt_uri": "prompts:/p/latest"}, "prompt_uri="),
        ({"llm": ""}, "llm="),
        ({"temperature": 2.1}, "temperature="),
        ({"temperature": float("nan")}, "temperature="),
        ({"timeout_s": 0}, "timeout_s="),
        ({"timeout_s": float("inf")}, "timeout_s="),
        ({"max_tokens": "many"}, "max_tokens='many'"),
        ({"max_tokens": 1.5}, "max_tokens="),
        ({"max_tokens": "100"}, "max_tokens='100'"),
        ({"max_retries": True}, "max_retries='True'"),
        ({"timeout_s": "1"}, "timeout_s='1'"),
        ({"max_concurrency": 0}, "max_concurrency="),
        ({"max_retries": -1}, "max_retries="),
        ({"max_size": 63}, "max_size="),
        ({"image_format": "tiff"}, "image_format='tiff'"),
        ({"quality": 101}, "quality="),
        ({"trace_content": "none"}, "trace_content="),
        ({"pdf_dpi": 601}, "pdf_dpi="),
        ({"max_page_pixels": 89_478_486}, "max_page_pixels="),
        ({"max_page_size": 1}, "max_page_size"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named_with_its_value(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as refused:
        ExtractorConfig.from_model_config({**NEEDED, **settings})
    assert named in str(refused.value)
    assert "Known settings: engine, prompt_uri" in str(refused.value)


def test_all_mistakes_are_listed_at_once() -> None:
    with pytest.raises(ConfigError, match=r"prompt_uri: Field required; quality=.*; colour: "):
        ExtractorConfig.from_model_config({"engine": "local", "quality": 0, "colour": "red"})


@pytest.mark.parametrize("price", ["input_price", "output_price"])
def test_one_price_alone_is_refused(price: str) -> None:
    with pytest.raises(ConfigError, match="belong together: set both, or neither"):
        ExtractorConfig.from_model_config({**NEEDED, price: 1.0})


def test_long_names_are_cut() -> None:
    with pytest.raises(ConfigError) as refused:
        ExtractorConfig.from_model_config({**NEEDED, "x" * 500: 1})
    assert "x" * 81 not in str(refused.value)


def test_long_values_are_cut() -> None:
    with pytest.raises(ConfigError) as refused:
        ExtractorConfig.from_model_config({**NEEDED, "image_format": "x" * 500})
    assert "x" * 81 not in str(refused.value)


@pytest.mark.parametrize("settings", [{**NEEDED, "api_key": "sk-secret"}, {"api_key": "sk-secret"}])
def test_a_key_put_among_the_settings_is_refused_and_not_shown(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="api_key") as refused:
        ExtractorConfig.from_model_config(settings)
    assert "sk-secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:s3cret@host/v1",
        "https://s3cret@host/v1",
        "me:s3cret@host:8000/v1",
        "http://host/v1?api_key=s3cret",
        "http://me:s3/cret@host/v1",
    ],
)
def test_a_password_in_the_base_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="environment variable OPENAI_API_KEY") as refused:
        ExtractorConfig.from_model_config({**NEEDED, "base_url": url})
    shown = f"{refused.value} {refused.value.__cause__}"
    assert "base_url holds a user name, a password or a query" in shown
    assert "s3" not in shown
    assert "cret" not in shown


def test_a_setting_cannot_be_changed_afterwards() -> None:
    config = ExtractorConfig.from_model_config(NEEDED)
    with pytest.raises(ValueError, match="frozen"):
        config.max_size = 100
