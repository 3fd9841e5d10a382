"""The extractor's settings: `model_config`, validated once, frozen."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ocr_extractor.documents.limits import PageLimits
from ocr_extractor.errors import ConfigError, shorten

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# Small, multimodal and without a shutdown date in openai 3.54's own list of models.
DEFAULT_LLM = "gpt-5.4-mini"

_LIMITS = PageLimits()

_Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class ExtractorConfig(BaseModel):
    """Everything that can be set when the model is logged, loaded or served.

    Attributes:
        engine: The engine that reads the pages: "openai" or "local".
        prompt_uri: The pinned prompt version, `prompts:/<name>/<version>`.
        follow_alias: Whether the version that the prompt's alias `production` names replaces the
            pinned one, in a loaded model too.
        prompt_refresh_s: How long a lookup of the alias is valid, s. The next call after that
            starts another lookup, and does not wait for it.
        llm: The LLM's name as its server knows it.
        base_url: A compatible server's URL; "" leaves the server to the environment.
        page_input: The LLM's input for a page: its "image", the "text" that OCR reads on it (the
            prompt's `ocr_text`), or "both".
        ocr_quality: How RapidOCR reads: "best" (PP-OCRv6 small) or "fast" (tiny).
        include_blank: Whether the local engine also returns fields that were left blank.
        grounding: Whether the LLM's texts are looked up among the words that OCR reads on the page,
            for boxes, confidence and `grounded`.
        with_pairs: Whether a prompt with a schema also returns question-answer pairs.
        repair: Whether fields whose checks fail are requested once more; the request names the
            failed checks.
        accept_at: Least confidence, [0, 1], from which a field is `accepted`, by the pattern of its
            path ("total", "items[].amount"); the key "*" is for all others. None accepts nothing.
        escalate_below: With a schema the local engine reads each document first, and the LLM only
            those with a field whose confidence is below this, given as for accept_at. None asks the
            LLM about all documents.
        temperature: Sampling temperature, [0, 2].
        seed: Sampling seed, sent to servers that know one; None sends none.
        max_tokens: Most tokens the LLM may write for a page.
        stream: Whether the LLM's server is asked to stream, so that a completion that repeats
            itself can be stopped; None streams if max_concurrency is 16 or less.
        timeout_s: Longest wait for one request, s.
        max_retries: How often a page's request is repeated after a temporary failure.
        retry_delay_s: Wait before the first retry, s; it doubles up to 8 s, with jitter.
        max_retry_s: No retry of a page begins later than this after its first request, s.
        max_concurrency: Most pages read at once by one loaded model.
        requests_per_minute: Ceiling for one loaded model; 0 for none.
        tokens_per_minute: Ceiling for one loaded model, input and output; 0 for none.
        cache: SQLite file that keeps completions; "" for none.
        cache_bytes: Most bytes of completions in it.
        input_price: USD for a million input tokens, with output_price; None for MLflow's own price
            list.
        output_price: USD for a million output tokens, with input_price; None for MLflow's own price
            list.
        price_factor: Factor on these prices; a batch costs 0.5 of them.
        max_size: Longest side of the image that is sent, px; larger pages are shrunk.
        image_format: Encoding of the image that is sent; "png" loses nothing.
        quality: Quality of "jpeg" and "webp", 1 to 100.
        trace_content: "full" writes page images and pairs to traces, "metadata" does not.
        pdf_dpi: Resolution at which a PDF page becomes pixels, dots per inch.
        max_document_bytes: Largest document, bytes.
        max_pages: Most pages in one document.
        max_page_pixels: Most pixels on one page.
        max_decoded_bytes: Most memory for the decoded pages of all documents, bytes; pages wait for
            their share of it.
        pdf_page_s: Longest time to draw a PDF page, s of CPU time.
        pdf_memory_bytes: Most memory of a process that draws PDFs, bytes.
        max_document_s: Longest time from a document's start to its last page, s.
        max_documents: Most documents in one call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    engine: Literal["openai", "local"]
    prompt_uri: str = Field(pattern=r"^prompts:/[^/@]+/\d+$")
    follow_alias: bool = False
    prompt_refresh_s: float = Field(default=60.0, ge=0.0)
    llm: str = Field(default=DEFAULT_LLM, min_length=1)
    base_url: str = ""
    page_input: Literal["image", "text", "both"] = "image"
    ocr_quality: Literal["best", "fast"] = "best"
    include_blank: bool = False
    grounding: bool = False
    with_pairs: bool = False
    repair: bool = False
    accept_at: dict[str, _Probability] | None = None
    escalate_below: dict[str, _Probability] | None = None
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    seed: int | None = 42
    max_tokens: int = Field(default=8192, ge=16)
    stream: bool | None = None
    timeout_s: float = Field(default=120.0, gt=0.0)
    max_retries: int = Field(default=4, ge=0)
    retry_delay_s: float = Field(default=0.5, ge=0.0)
    max_retry_s: float = Field(default=300.0, ge=0.0)
    max_concurrency: int = Field(default=8, ge=1, le=512)
    requests_per_minute: int = Field(default=0, ge=0)
    tokens_per_minute: int = Field(default=0, ge=0)
    cache: str = ""
    cache_bytes: int = Field(default=200_000_000, ge=0)
    input_price: float | None = Field(default=None, ge=0.0)
    output_price: float | None = Field(default=None, ge=0.0)
    price_factor: float = Field(default=1.0, ge=0.0)
    max_size: int = Field(default=2048, ge=64, le=8192)
    image_format: Literal["png", "jpeg", "webp"] = "png"
    quality: int = Field(default=92, ge=1, le=100)
    trace_content: Literal["full", "metadata"] = "full"
    pdf_dpi: int = Field(default=_LIMITS.pdf_dpi, ge=36, le=600)
    max_document_bytes: int = Field(default=_LIMITS.max_document_bytes, ge=1)
    max_pages: int = Field(default=_LIMITS.max_pages, ge=1)
    # Above it Pillow itself warns of a decompression bomb (Image.MAX_IMAGE_PIXELS).
    max_page_pixels: int = Field(default=_LIMITS.max_page_pixels, ge=1, le=89_478_485)
    max_decoded_bytes: int = Field(default=_LIMITS.max_decoded_bytes, ge=1)
    pdf_page_s: float = Field(default=_LIMITS.pdf_page_s, gt=0.0)
    pdf_memory_bytes: int = Field(default=_LIMITS.pdf_memory_bytes, ge=1)
    max_document_s: float = Field(default=3600.0, gt=0.0)
    # What Spark hands over at once (spark.sql.execution.arrow.maxRecordsPerBatch).
    max_documents: int = Field(default=10_000, ge=1)

    @field_validator("base_url")
    @classmethod
    def _base_url_holds_no_secret(cls, url: str) -> str:
        refuse_secret(url, "base_url")
        return url

    @model_validator(mode="after")
    def _both_prices_or_none(self) -> Self:
        if (self.input_price is None) != (self.output_price is None):
            raise ConfigError(
                "input_price and output_price belong together: set both, or neither for MLflow's "
                "own price list."
            )
        return self

    @property
    def limits(self) -> PageLimits:
        """What a document may cost before it is refused."""
        return PageLimits(**{each.name: getattr(self, each.name) for each in fields(PageLimits)})

    @classmethod
    def from_model_config(cls, settings: dict[str, Any]) -> ExtractorConfig:
        """Validate MLflow's `model_config`.

        Raises:
            ConfigError: A key is unknown or a value is wrong; every mistake is listed.
        """
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            mistakes = "; ".join(_describe(mistake) for mistake in error.errors())
            raise ConfigError(
                f"model_config is wrong: {mistakes}. Known settings: {', '.join(cls.model_fields)}."
            ) from None


def refuse_secret(url: str, name: str, key_variable: str = "OPENAI_API_KEY") -> None:
    """Refuse a server's URL, from the setting or variable `name`, that holds a password or a key.

    Raises:
        ConfigError: Something stands before an @ or after a ?; it is not shown.
    """
    if "@" in url or "?" in url:
        raise ConfigError(
            f"{name} holds a user name, a password or a query (what stands before @ or after ?), "
            "and a setting is stored with the model and shown: write http://host:port/v1, and put "
            f"the server's key into the environment variable {key_variable}."
        )


def serving_settings() -> dict[str, Any]:
    """Return the settings of a served model, as the environment gives them.

    MLflow drops unknown keys before it loads a model; the environment still has them.

    Raises:
        ConfigError: SERVING_MODEL_CONFIG is not a JSON object.
    """
    try:
        settings = json.loads(os.environ.get("SERVING_MODEL_CONFIG") or "{}")
    except json.JSONDecodeError as error:
        settings = error
    if not isinstance(settings, dict):
        raise ConfigError(
            'SERVING_MODEL_CONFIG is not a JSON object: write {"max_size": 1500} into it.'
        )
    return settings


def _describe(mistake: ErrorDetails) -> str:
    name = shorten(".".join(map(str, mistake["loc"])))
    # The value of an unknown setting is not shown: people put API keys there.
    if mistake["type"] in {"extra_forbidden", "missing"}:
        return f"{name}: {mistake['msg']}"
    return f"{name}={shorten(mistake['input'])!r}: {mistake['msg']}"
