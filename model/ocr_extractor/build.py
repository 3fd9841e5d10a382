"""Builds what a loaded model reads with: its engines and its OCR, from settings and artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ocr_extractor.errors import ConfigError
from ocr_extractor.reader import DocumentReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.engines.base import Engine
    from ocr_extractor.ocr.recognition import WordReader
    from ocr_extractor.prompts.followed_alias import FollowedPrompt
    from ocr_extractor.prompts.prompt import Prompt

WEIGHTS_ARTIFACT = "local_weights"
"""The logged model's artifact with its own weights of the local engine, if it has any."""

TINY_OCR_ARTIFACT = "tiny_ocr"
"""The logged model's artifact with the networks that ocr_quality=fast reads with."""


def build_reader(
    config: ExtractorConfig,
    prompt: Prompt,
    artifacts: Mapping[str, str],
    followed: FollowedPrompt | None,
) -> DocumentReader:
    """Build the reader of a model's documents, with its engines.

    Args:
        config: The settings.
        prompt: The pinned prompt.
        artifacts: The paths of the logged model's artifacts by name.
        followed: What replaces the pinned prompt, None for nothing.

    Raises:
        ConfigError: A setting asks for what the model or its prompt does not have, or the LLM
            engine has no API key.
        PromptError: The prompt has no place for the text that `page_input` asks for.
    """
    check_escalation(config, has_schema=prompt.schema is not None)
    tiny_ocr = find_tiny_ocr(config, artifacts)
    engines: list[Engine] = []
    if config.engine == "openai":
        from ocr_extractor.engines.openai.engine import OpenAIChatEngine

        engines = [OpenAIChatEngine(config)]
    if config.engine == "local" or config.escalate_below is not None:
        engines.insert(0, _build_local_engine(config, artifacts, tiny_ocr))
    words = _build_word_reader(config, tiny_ocr)
    return DocumentReader(config, prompt, *engines, word_reader=words, followed=followed)


def check_escalation(config: ExtractorConfig, *, has_schema: bool) -> None:
    """Check that `escalate_below` is given only where two engines can read fields.

    Raises:
        ConfigError: The engine is the local one, or the prompt has no schema.
    """
    if config.escalate_below is not None and (config.engine == "local" or not has_schema):
        raise ConfigError(
            "escalate_below lets the LLM read what the local engine is unsure of in the fields of "
            "a schema: log with engine=openai and a prompt that has a schema, or without it."
        )


def find_tiny_ocr(config: ExtractorConfig, artifacts: Mapping[str, str]) -> Path | None:
    """Return the folder of networks that `ocr_quality` asks for, None for the default ones.

    Raises:
        ConfigError: The model was logged without them.
    """
    if config.ocr_quality == "best":
        return None
    if TINY_OCR_ARTIFACT not in artifacts:
        raise ConfigError(
            "ocr_quality=fast needs networks that this extractor was logged without: log one with "
            "that setting."
        )
    return Path(artifacts[TINY_OCR_ARTIFACT])


def _build_local_engine(
    config: ExtractorConfig, artifacts: Mapping[str, str], tiny_ocr: Path | None
) -> Engine:
    from ocr_extractor.engines.local.engine import BUNDLED_WEIGHTS, LocalEngine

    return LocalEngine(
        tiny_ocr=tiny_ocr,
        include_blank=config.include_blank,
        with_pairs=config.with_pairs,
        weights=Path(artifacts.get(WEIGHTS_ARTIFACT, BUNDLED_WEIGHTS)),
    )


def _build_word_reader(config: ExtractorConfig, tiny_ocr: Path | None) -> WordReader | None:
    """Return what reads the words of pages; None where nobody needs them."""
    if config.engine == "local" or (config.page_input == "image" and not config.grounding):
        return None
    from ocr_extractor.ocr.recognition import WordReader

    return WordReader(tiny_ocr)
