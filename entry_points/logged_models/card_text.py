"""Writes the card of an extractor that is logged: what it reads, learned from, and is not for."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from mlflow.entities.model_registry import PromptVersion

from entry_points.logged_models.card import SCORES
from entry_points.training.origin import Kind, is_own, origin
from ocr_extractor.config import ExtractorConfig
from ocr_extractor.documents.image import IMAGE_FORMATS
from ocr_extractor.errors import shorten
from ocr_extractor.fields.schema import Schema

# Settings that name places, or that have a line of their own.
_UNTOLD = {"cache", "base_url", "engine", "prompt_uri", "llm"}
_MOST_FIELDS, _MOST_SETTINGS = 1000, 600  # characters


def write_card(
    config: ExtractorConfig,
    prompt: PromptVersion,
    schema: Schema | None,
    packages: Collection[str],
    weights: Path | None = None,
) -> str:
    """Return the card of an extractor, in Markdown.

    Args:
        config: Its settings.
        prompt: Its prompt version.
        schema: The schema of that version, None where pairs are read.
        packages: The names of the packages that it needs.
        weights: The folder of its own weights of the local engine, None for the bundled ones.
    """
    sections = {
        "Reads": _reads(config, schema),
        "Made of": _made_of(config, prompt),
        "Trained on": _trained_on(config, schema, weights),
        "Limits": _limits(config, schema, weights),
        "Licences": _licences(packages, weights),
    }
    text = "# Model card\n"
    for title, lines in sections.items():
        text += f"\n## {title}\n\n" + "".join(f"- {line}\n" for line in lines)
    return f"{text}{SCORES}Not evaluated yet.\n"


def _reads(config: ExtractorConfig, schema: Schema | None) -> Iterator[str]:
    megabytes = config.max_document_bytes / 1e6
    yield (
        f"Documents: {', '.join(IMAGE_FORMATS)} and PDF, of at most {config.max_pages} pages and "
        f"{megabytes:g} MB."
    )
    if schema is None or config.with_pairs:
        yield "Question-answer pairs of forms."
    if schema is not None:
        named = f" of {_code(schema.title)}" if schema.title else ""
        leaves = [f"{_code(path)} ({leaf.type})" for path, leaf in schema.leaves().items()]
        yield f"Fields{named}, {len(leaves)}: {_some(leaves, _MOST_FIELDS)}."
    if config.engine == "local":
        yield "Text in Latin script."
    else:
        yield "Text that the LLM reads; OCR reads Latin script."


def _made_of(config: ExtractorConfig, prompt: PromptVersion) -> Iterator[str]:
    if config.engine == "local":
        yield "The engine `local`; no LLM is asked."
    else:
        first = "The engine `local` reads first. " if config.escalate_below is not None else ""
        yield (
            f"{first}The engine `openai` with the LLM {_code(config.llm)}: pages are sent to its "
            f"server (`page_input={config.page_input}`)."
        )
    follows = ", or the version that its alias `production` names" if config.follow_alias else ""
    yield f"Prompt: {_code(f'prompts:/{prompt.name}/{prompt.version}')}{follows}."
    changed = [
        _code(f"{name}={json.dumps(value, ensure_ascii=False)}")
        for name, value in config.model_dump(exclude=_UNTOLD, exclude_defaults=True).items()
    ]
    if changed:
        yield f"Settings that are not the defaults: {_some(changed, _MOST_SETTINGS)}."
    yield f"Traces hold {'pages and texts' if config.trace_content == 'full' else 'no text'}."


def _trained_on(
    config: ExtractorConfig, schema: Schema | None, weights: Path | None
) -> Iterator[str]:
    for kind in _kinds(config, schema):
        whose = "own" if is_own(kind, weights) else "bundled"
        yield f"{kind.capitalize()} ({whose} weights): {origin(kind, weights)}"
    if config.engine == "openai":
        yield f"{_code(config.llm)}: its provider says."
    if config.engine == "local" or config.grounding or config.page_input != "image":
        yield "Words: RapidOCR's networks, trained by the PaddleOCR project."


def _kinds(config: ExtractorConfig, schema: Schema | None) -> list[Kind]:
    """Return for what the local engine's weights are used."""
    if config.engine == "openai" and config.escalate_below is None:
        return []
    kinds: list[Kind] = [] if schema is None else ["fields"]
    if schema is None or config.with_pairs or config.include_blank:
        kinds.append("pairs")
    return kinds


def _limits(config: ExtractorConfig, schema: Schema | None, weights: Path | None) -> Iterator[str]:
    yield "Scores hold only for documents like those on which they were measured."
    kinds = _kinds(config, schema)
    if not all(is_own(kind, weights) for kind in kinds):
        yield (
            "The bundled weights' confidence is calibrated on drawn documents; on others it may be "
            "too high."
        )
    if "pairs" in kinds and not config.include_blank:
        yield "Fields that were left blank are not given among the pairs."
    if config.engine == "openai":
        yield "The LLM may invent values: " + (
            "`grounded` is false for those that OCR does not find on the page."
            if config.grounding
            else "without the setting `grounding` none is looked up on the page or has a box."
        )


def _licences(packages: Collection[str], weights: Path | None) -> Iterator[str]:
    yield "This code and its bundled weights: Apache-2.0."
    if weights:
        yield "Own weights: the terms of the documents that they learned from."
    by_licence: dict[str, list[str]] = {}
    for package in packages:
        by_licence.setdefault(_licence(package), []).append(package)
    for licence, names in by_licence.items():
        yield f"{licence}: {', '.join(names)}."


def _licence(package: str) -> str:
    """Return the licence that an installed package states."""
    metadata = importlib.metadata.metadata(package)
    classifiers = (each.split(" :: ") for each in metadata.get_all("Classifier", []))
    classified = [parts[-1] for parts in classifiers if parts[0] == "License"]
    named, text = (metadata.get_all(key, []) for key in ("License-Expression", "License"))
    return next((shorten(each, 60) for each in (*named, *classified, *text)), "not stated")


def _code(text: str) -> str:
    return "`" + shorten(text).replace("`", "'") + "`"


def _some(items: Sequence[str], most: int) -> str:
    """Return items, separated by commas, of at most `most` characters; the others are counted."""
    shown = list(items)
    while len(text := ", ".join(shown)) > most:
        shown.pop()
    left = len(items) - len(shown)
    return f"{text} and {left} more" if left else text
