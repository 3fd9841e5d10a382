"""What an estimate says before anything is paid for; it agrees with OpenAI's own examples."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pytest_httpserver import HTTPServer

from ocr_extractor.config import DEFAULT_LLM, ExtractorConfig
from ocr_extractor.documents.opener import Opener
from ocr_extractor.engines.openai.cost import Estimate, estimate, estimate_image_tokens

SIDE = st.integers(1, 100_000)


def tiff(*sizes: tuple[int, int]) -> bytes:
    first, *others = [Image.new("L", size, 255) for size in sizes]
    buffer = io.BytesIO()
    first.save(buffer, "TIFF", save_all=True, append_images=others)
    return buffer.getvalue()


def told(documents: list[bytes], **settings: Any) -> Estimate:
    config = {"engine": "openai", "prompt_uri": "prompts:/p/1", "llm": "gpt-4o"} | settings
    validated = ExtractorConfig.from_model_config(config)
    return estimate(validated, Opener(validated.limits), "x" * 400, documents, 50.0)


def test_pages_images_prompt_and_output_count():
    # gpt-4o: 85 + 170 for each 512-px tile; the prompt of 400 characters is 100 tokens a page.
    documents = [tiff((512, 512), (512, 1024)), tiff((500, 500)), b"no document"]
    found = told(documents, input_price=1.0, output_price=10.0)
    tokens = (85 + 170) + (85 + 2 * 170) + (85 + 170) + 3 * 100
    assert (found.pages, found.input_tokens) == (3, tokens)
    assert found.cost == pytest.approx((tokens + 10 * 150) / 1e6)


def test_pages_are_estimated_as_they_are_sent():
    assert told([tiff((1024, 1024))], max_size=512) == told([tiff((512, 512))])


def test_the_prices_are_the_installed_ones(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_MODEL_CATALOG_URI", httpserver.url_for("/newer"))
    found = told([tiff((512, 512))])
    assert found.cost is not None
    assert found.cost > 0
    assert not httpserver.log  # without a network, each start waited 7 s for a newer list


@pytest.mark.parametrize("settings", [{"llm": "my-own"}, {"page_input": "text"}], ids=str)
def test_what_is_not_known_is_not_guessed(settings: dict[str, str]):
    assert told([tiff((512, 512))], **settings) == Estimate(1, None, None)


@pytest.mark.parametrize(
    ("llm", "width", "height", "tokens"),
    [
        # OpenAI's worked examples: 4 tiles, 6 tiles, 1024 patches, 1452 patches.
        ("gpt-4o", 1024, 1024, 85 + 4 * 170),
        ("gpt-4o", 2048, 4096, 85 + 6 * 170),
        ("gpt-4.1-mini", 1024, 1024, 1659),  # 1024 x 1.62 = 1658.9
        ("gpt-4.1-mini", 1800, 2400, 2353),  # 1452 x 1.62 = 2352.2
        ("o4-mini", 1024, 1024, 1762),
        ("gpt-4o-mini", 1024, 1024, 2833 + 4 * 5667),
        ("gpt-4o", 1, 1, 255),
        ("gpt-4.1-mini", 1, 1, 2),
        ("gpt-4.1-nano", 32, 33, 5),
        # A FUNSD page.
        ("gpt-4o", 762, 1000, 85 + 4 * 170),
        (DEFAULT_LLM, 762, 1000, 1245),
    ],
)
def test_published_examples(llm: str, width: int, height: int, tokens: int) -> None:
    assert estimate_image_tokens(llm, width, height) == tokens


def test_a_dated_version_counts_as_its_family() -> None:
    assert estimate_image_tokens("gpt-4o-2024-11-20", 1024, 1024) == 765
    assert estimate_image_tokens("gpt-4o-mini-2024-07-18", 1024, 1024) == 25501


@pytest.mark.parametrize("llm", ["llava", "gpt-4o-audio-preview", "", "my-gpt-4o"])
def test_an_llm_without_a_published_formula_has_no_estimate(llm: str) -> None:
    assert estimate_image_tokens(llm, 1024, 1024) is None


@given(SIDE, SIDE)
def test_patches_stay_within_the_budget_and_do_not_depend_on_the_turn(
    width: int, height: int
) -> None:
    tokens = estimate_image_tokens("gpt-4.1-mini", width, height)
    assert tokens is not None
    assert 2 <= tokens <= 2489  # 1536 x 1.62, rounded up
    assert tokens == estimate_image_tokens("gpt-4.1-mini", height, width)


@given(SIDE, SIDE)
def test_tiles_stay_within_what_fits_2048_by_768_px(width: int, height: int) -> None:
    tokens = estimate_image_tokens("gpt-4o", width, height)
    assert tokens is not None
    assert 85 + 170 <= tokens <= 85 + 8 * 170
    assert tokens == estimate_image_tokens("gpt-4o", height, width)
