"""A small production: a registered model, engines that read as told, and their traces."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
from PIL import Image, ImageDraw

from entry_points.monitoring.records import Period, Record, WatchedModel, production_records
from ocr_extractor.config import ExtractorConfig
from ocr_extractor.contract import Extraction, Pair
from ocr_extractor.documents.input_frame import InputDocument
from ocr_extractor.engines.base import Engine, Page, PageReading
from ocr_extractor.errors import EngineError
from ocr_extractor.fields.schema import Schema
from ocr_extractor.ocr.recognition import WordReader
from ocr_extractor.prompts.prompt import load_prompt
from ocr_extractor.reader import DocumentReader

NAME = "extractor"
TEMPLATE = "Read the form. {{ additional_rules }}"
ALWAYS = Period(0, 2**53)


EVALUATED = 12


def page(number: int, ink: int = 0) -> bytes:
    """Draw a small form; forms of other numbers are a little different."""
    image = Image.new("L", (120, 160), 255)
    draw = ImageDraw.Draw(image)
    for line in range(10, 150, 10):
        draw.rectangle((10 + number % 5, line, 60 + number, line + 3), fill=ink)
    return encoded(image)


def pages(count: int, name: str = "form", ink: int = 0) -> dict[str, bytes]:
    return {f"{name}-{n:02}.png": page(n, ink) for n in range(count)}


def encoded(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


@dataclass
class StatedEngine:
    """Reads every page as stated."""

    confidence: float = 0.9
    ungrounded: int = 0
    failure: str = ""
    name: str = "openai"

    def read(self, page: Page, instructions: str, schema: Schema | None = None) -> PageReading:
        if self.failure:
            raise EngineError(self.failure, "as stated")
        pairs = [
            Pair(
                f"Question {n}",
                f"Answer {n}",
                confidence=self.confidence,
                grounded=n >= self.ungrounded,
            )
            for n in range(10)
        ]
        return PageReading(
            tuple(pairs), input_tokens=1000, output_tokens=200, attempts=1, cost=0.01
        )


@dataclass
class PromptedEngine:
    """An LLM that knows the pairs of each page by its pixels; a harmful prompt makes it careless.

    Attributes:
        truths: The pairs of each page, by `fingerprint`.
        harm: What stands in the instructions of such a prompt.
    """

    truths: Mapping[str, Sequence[tuple[str, str | None]]]
    harm: str
    name: str = "openai"

    def read(self, page: Page, instructions: str, schema: Schema | None = None) -> PageReading:
        pairs = [Pair(*pair) for pair in self.truths[fingerprint(page.image)]]
        if self.harm in instructions:
            # Each third answer is told in other words than the page's.
            pairs = [
                Pair(pair.question, f"Approx. {n} XQZ") if n % 3 == 0 else pair
                for n, pair in enumerate(pairs)
            ]
        tokens = 20 * len(pairs)
        return PageReading(tuple(pairs), input_tokens=1000, output_tokens=tokens, attempts=1)


def fingerprint(image: Image.Image) -> str:
    return hashlib.sha256(image.convert("L").tobytes()).hexdigest()


@dataclass
class Production:
    """A registered model whose version 1 is the champion, in the active store.

    Attributes:
        settings: Those of its extractors.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def begin(cls) -> Production:
        """Register the model."""
        production = cls()
        production.client.create_registered_model(NAME)
        production.register()
        production.client.set_registered_model_alias(NAME, "champion", "1")
        return production

    @property
    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient()

    @property
    def model_id(self) -> str:
        """The LoggedModel of the champion."""
        version = self.client.get_model_version_by_alias(NAME, "champion")
        return str(version.source).removeprefix("models:/")

    def register(self) -> str:
        """Register one more version, and return the id of its LoggedModel."""
        model_id: str = mlflow.create_external_model(name=NAME).model_id
        self.client.create_model_version(NAME, f"models:/{model_id}", model_id=model_id)
        return model_id

    def promote_on(self, run_id: str) -> None:
        """Leave the evidence of a promotion."""
        self.client.set_model_version_tag(NAME, "1", "promotion.evidence", run_id)

    @property
    def model(self) -> WatchedModel:
        return WatchedModel.find(f"models:/{NAME}@champion")

    def read(
        self,
        documents: Mapping[str, bytes],
        engine: Engine,
        *,
        template: str = TEMPLATE,
        word_reader: WordReader | None = None,
        model_id: str = "",
    ) -> list[Extraction]:
        """Read documents; each leaves its trace."""
        prompt = mlflow.genai.load_prompt(
            "prompts:/p@latest", allow_missing=True, cache_ttl_seconds=0
        )
        if prompt is None or prompt.template != template:
            prompt = mlflow.genai.register_prompt("p", template)
        config = ExtractorConfig.from_model_config(
            {"engine": "openai", "prompt_uri": prompt.uri, "max_concurrency": 2, **self.settings}
        )
        reader = DocumentReader(
            config, load_prompt(prompt.uri, Path("none")), engine, word_reader=word_reader
        )
        mlflow.set_active_model(model_id=model_id or self.model_id)
        return reader.read_all([InputDocument(*each) for each in documents.items()], "")

    def records(self, period: Period = ALWAYS) -> list[Record]:
        return list(production_records(self.model, period))
