"""What tokens cost, by the user's prices or MLflow's price list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.tracing.constant import CostKey, TokenUsageKey
from mlflow.tracing.utils import calculate_cost_by_model_and_token_usage

if TYPE_CHECKING:
    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.engines.openai_answer import Usage


def cost_of(usage: Usage, config: ExtractorConfig) -> float | None:
    """Return what tokens cost, USD, None when the LLM's price is not known.

    Args:
        usage: The tokens.
        config: The extractor's settings; its prices, where both are given, go before MLflow's,
            which are the ones that the cost on a trace is computed with.
    """
    if config.input_price is not None and config.output_price is not None:
        dollars = (usage.input * config.input_price + usage.output * config.output_price) / 1e6
        return dollars * config.price_factor
    tokens = {
        TokenUsageKey.INPUT_TOKENS: usage.input,
        TokenUsageKey.OUTPUT_TOKENS: usage.output,
        TokenUsageKey.CACHE_READ_INPUT_TOKENS: usage.cached,
    }
    cost = calculate_cost_by_model_and_token_usage(config.llm, tokens, "openai") or {}
    listed = cost.get(CostKey.TOTAL_COST)
    return listed * config.price_factor if listed else None
