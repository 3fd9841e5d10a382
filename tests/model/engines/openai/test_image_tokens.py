"""The estimate agrees with the examples that OpenAI publishes with its formulas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_extractor.config import DEFAULT_LLM
from ocr_extractor.engines.openai.image_tokens import estimate_image_tokens

SIDE = st.integers(1, 100_000)


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
