"""What tokens cost, and what reading documents will cost, estimated before they are read."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import TYPE_CHECKING

from mlflow.tracing.constant import CostKey, TokenUsageKey
from mlflow.tracing.utils import calculate_cost_by_model_and_token_usage

from ocr_extractor.documents.encoding import size_for_llm
from ocr_extractor.engines.openai.completion import Usage
from ocr_extractor.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.documents.opener import Opener

# English text, by OpenAI's own rule of thumb ("What are tokens and how to count them?").
_CHARACTERS_PER_TOKEN = 4

# How an LLM charges for an image (OpenAI, "Images and vision", section on calculating costs): older
# models cut it into 512-px tiles, newer ones into 32-px patches.
_TILE_PX = 512
_TILE_FIT_PX = 2048
_TILE_SHORT_SIDE_PX = 768
_PATCH_PX = 32
_PATCH_BUDGET = 1536

# (base, a tile), in tokens.
_TILE_MODELS = {
    "gpt-4o-mini": (2833, 5667),
    "gpt-4o": (85, 170),
    "gpt-4.1": (85, 170),
    "gpt-5": (70, 140),
    "o1": (75, 150),
    "o3": (75, 150),
}
# Tokens a patch.
_PATCH_MODELS = {
    "gpt-5.4-mini": 1.62,
    "gpt-5.4-nano": 2.46,
    "gpt-5-mini": 1.62,
    "gpt-5-nano": 2.46,
    "gpt-4.1-mini": 1.62,
    "gpt-4.1-nano": 2.46,
    "o4-mini": 1.72,
}


def cost_of(usage: Usage, config: ExtractorConfig) -> float | None:
    """Return the cost of tokens, USD; None if the price of the LLM is not known. See `costs_of`."""
    costs = costs_of(usage, config)
    return costs[CostKey.TOTAL_COST] if costs else None


def costs_of(usage: Usage, config: ExtractorConfig) -> dict[str, float] | None:
    """Return what tokens cost by MLflow's `CostKey`, USD, None when the price is not known.

    The prices in the settings, if both are given, replace those that were installed with MLflow.
    """
    if config.input_price is not None and config.output_price is not None:
        read = usage.input * config.input_price / 1e6
        written = usage.output * config.output_price / 1e6
        costs = {
            CostKey.INPUT_COST: read,
            CostKey.OUTPUT_COST: written,
            CostKey.TOTAL_COST: read + written,
        }
        return {name: dollars * config.price_factor for name, dollars in costs.items()}
    tokens = {
        TokenUsageKey.INPUT_TOKENS: usage.input,
        TokenUsageKey.OUTPUT_TOKENS: usage.output,
        TokenUsageKey.CACHE_READ_INPUT_TOKENS: usage.cached,
    }
    # With a provider's name MLflow would ask GitHub for newer prices, while the page waits.
    listed = calculate_cost_by_model_and_token_usage(config.llm, tokens)
    if not listed or not listed.get(CostKey.TOTAL_COST):
        return None
    return {name: dollars * config.price_factor for name, dollars in listed.items()}


@dataclass(frozen=True)
class Estimate:
    """The estimate for a number of documents.

    Attributes:
        pages: Their pages.
        input_tokens: Tokens of the prompt and the pages' images; None where the LLM's formula is
            not published, or where it is given text.
        cost: The cost of these and of the expected output, USD; None if it is not known.
    """

    pages: int
    input_tokens: int | None
    cost: float | None


def estimate(
    config: ExtractorConfig,
    opener: Opener,
    instructions: str,
    documents: Iterable[bytes],
    output_tokens_per_page: float,
) -> Estimate:
    """Estimate documents; those that cannot be opened count as nothing, and no page is decoded."""
    images: list[int | None] = []
    for data in documents:
        with (
            contextlib.suppress(DocumentError),
            contextlib.closing(opener.open(data)) as document,
        ):
            for number in range(1, document.page_count + 1):
                size = size_for_llm(document.size(number), config.max_size)
                images.append(estimate_image_tokens(config.llm, *size))
    known = [tokens for tokens in images if tokens is not None]
    if config.page_input != "image" or len(known) < len(images):
        return Estimate(len(images), None, None)
    prompt = len(instructions) // _CHARACTERS_PER_TOKEN
    tokens = sum(known) + prompt * len(images)
    usage = Usage(tokens, round(output_tokens_per_page * len(images)))
    return Estimate(len(images), tokens, cost_of(usage, config))


def estimate_image_tokens(llm: str, width: int, height: int) -> int | None:
    """Estimate the input tokens of one image at high detail.

    Args:
        llm: The LLM's name; a dated version ("gpt-4o-2024-11-20") counts as its family.
        width: Width of the image that is sent, px.
        height: Height of the image that is sent, px.

    Returns:
        Tokens, or None for an LLM whose formula is not published.
    """
    if (factor := _PATCH_MODELS.get(_family(llm))) is not None:
        return ceil(_patches(width, height) * factor)
    if (prices := _TILE_MODELS.get(_family(llm))) is not None:
        base, a_tile = prices
        return base + a_tile * _tiles(width, height)
    return None


def _family(llm: str) -> str:
    """Return the known model that `llm` is or is a dated version of, "" if there is none."""
    known = sorted((*_PATCH_MODELS, *_TILE_MODELS), key=len, reverse=True)
    return next((name for name in known if llm == name or llm.startswith(f"{name}-20")), "")


def _patches(width: int, height: int) -> int:
    """Count 32-px patches; an image over the budget is shrunk until whole patches fit it."""
    count = ceil(width / _PATCH_PX) * ceil(height / _PATCH_PX)
    if count <= _PATCH_BUDGET:
        return count
    shrink = sqrt(_PATCH_BUDGET * _PATCH_PX**2 / (width * height))
    across, down = width * shrink / _PATCH_PX, height * shrink / _PATCH_PX
    shrink *= min(max(floor(across), 1) / across, max(floor(down), 1) / down)
    count = ceil(round(width * shrink) / _PATCH_PX) * ceil(round(height * shrink) / _PATCH_PX)
    return min(count, _PATCH_BUDGET)  # a strip thinner than a patch cannot be shrunk to fit


def _tiles(width: int, height: int) -> int:
    """Count 512-px tiles after fitting into 2048 px and shrinking the short side to 768 px."""
    shrink = min(1.0, _TILE_FIT_PX / max(width, height))
    shrink *= min(1.0, _TILE_SHORT_SIDE_PX / (min(width, height) * shrink))
    return ceil(width * shrink / _TILE_PX) * ceil(height * shrink / _TILE_PX)
