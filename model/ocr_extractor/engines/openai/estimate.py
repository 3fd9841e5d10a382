"""Estimates pages, tokens and cost before documents are read."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocr_extractor.documents.encoding import size_for_llm
from ocr_extractor.engines.openai.completion import Usage
from ocr_extractor.engines.openai.image_tokens import estimate_image_tokens
from ocr_extractor.engines.openai.pricing import cost_of
from ocr_extractor.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.documents.opener import Opener

# English text, by OpenAI's own rule of thumb ("What are tokens and how to count them?").
_CHARACTERS_PER_TOKEN = 4


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
