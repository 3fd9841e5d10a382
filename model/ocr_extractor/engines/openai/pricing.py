"""The cost of tokens, from the user's prices or those that were installed with MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.tracing.constant import CostKey, TokenUsageKey
from mlflow.tracing.utils import calculate_cost_by_model_and_token_usage

if TYPE_CHECKING:
    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.engines.openai.completion import Usage


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
