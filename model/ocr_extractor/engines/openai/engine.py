"""The openai engine: chat completions of an LLM behind any OpenAI-compatible server."""

from __future__ import annotations

import base64
import json
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import mlflow
import openai
from pydantic import Field, TypeAdapter, ValidationError

from ocr_extractor.documents.encoding import encode_for_llm
from ocr_extractor.engines.base import Evidence, Page, PageReading
from ocr_extractor.engines.openai.answer_form import PAIRS, fields_of
from ocr_extractor.engines.openai.batch import BatchServer
from ocr_extractor.engines.openai.batched_requests import requests_in_force
from ocr_extractor.engines.openai.cache import CompletionCache, cache_key
from ocr_extractor.engines.openai.capabilities import Capabilities
from ocr_extractor.engines.openai.client import build_client, find_base_url
from ocr_extractor.engines.openai.completion import Answer
from ocr_extractor.engines.openai.cost import cost_of, estimate_image_tokens
from ocr_extractor.engines.openai.rate_limit import RateLimiter
from ocr_extractor.engines.openai.request_loop import LLMServer, PageExchange
from ocr_extractor.engines.openai.sdk_errors import SDK_ERRORS, to_engine_error
from ocr_extractor.engines.openai.transport import build_http_client
from ocr_extractor.errors import CompletionError, EngineError
from ocr_extractor.runtime.tracing import note

if TYPE_CHECKING:
    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.engines.openai.answer_form import AnswerForm
    from ocr_extractor.engines.openai.parsing import ParsedCompletion
    from ocr_extractor.fields.schema import Schema

# OpenAI's limit for one image (guide "Images and vision"); compatible servers have none lower.
MAX_IMAGE_BYTES = 20_000_000
# The settings that decide what the LLM is sent.
_DECIDING = {
    "page_input",
    "llm",
    "temperature",
    "seed",
    "max_tokens",
    "max_size",
    "image_format",
    "quality",
}


_PROBABILITIES = " probabilities"
_KEPT = TypeAdapter(dict[str, Annotated[float, Field(ge=0, le=1)]])


class OpenAIChatEngine:
    """Reads a page with a multimodal LLM; safe to call from several threads."""

    name = "openai"

    def __init__(self, config: ExtractorConfig) -> None:
        """Build the client; no request is sent.

        Raises:
            MissingKeyError: No API key can be found.
            ConfigError: The key or Azure's variables are wrong.
        """
        self._config = config
        rate_limiter = RateLimiter(
            config.max_concurrency, config.requests_per_minute, config.tokens_per_minute
        )
        http_client = build_http_client(config.timeout_s, rate_limiter.observe)
        # A model that is deleted must not leave connections open.
        weakref.finalize(self, http_client.close)
        client = build_client(http_client, config.base_url)
        compatible = bool(find_base_url(config.base_url)) and not isinstance(
            client, openai.AzureOpenAI
        )
        self._server = LLMServer(
            client.chat.completions.with_raw_response.create,
            rate_limiter,
            Capabilities(config, compatible=compatible),
        )
        self._client = client
        self._server_url = str(client.base_url)
        self._cache = (
            CompletionCache(Path(config.cache), config.cache_bytes) if config.cache else None
        )

    def read(self, page: Page, instructions: str, schema: Schema | None = None) -> PageReading:
        """Send the page and the instructions; return what the completion says.

        Returns:
            The pairs, or with a schema the fields. A request that failed is the reading's
            `failure`, so that the tokens of all attempts, and what stands before a cut, are not
            lost.

        Raises:
            EngineError: The page's image is too large to be sent.
        """
        form = fields_of(schema, with_pairs=self._config.with_pairs) if schema else PAIRS
        key = self._cache_key(page, instructions, form) if self._cache else ""
        if (kept := self._kept(key, page.number, form)) is not None:
            return PageReading(
                kept.pairs,
                0,
                0,
                cached_tokens=0,
                cost=0.0,
                from_cache=True,
                raw_fields=kept.raw_fields,
                evidence=self._kept_probabilities(key),
            )
        content = self._content(page, form)
        exchange = PageExchange(self._server, self._config, instructions, content, form)
        parsed = exchange.run(page.number)
        usage = exchange.usage
        # A deferred page is read several times: from the cache it would seem to have cost nothing.
        cache = self._cache if requests_in_force() is None else None
        if cache and parsed.fault is None and exchange.text is not None:
            cache.put(key, exchange.text)
            if exchange.probabilities:
                cache.put(key + _PROBABILITIES, json.dumps(exchange.probabilities))
        return PageReading(
            parsed.pairs,
            usage.input if usage else None,
            usage.output if usage else None,
            cached_tokens=usage.cached if usage else None,
            attempts=exchange.attempts,
            cost=cost_of(usage, self._config) if usage else None,
            failure=parsed.fault,
            raw_fields=parsed.raw_fields,
            evidence={
                path: Evidence(probability=each) for path, each in exchange.probabilities.items()
            },
        )

    def ask(self, question: str, llm: str) -> tuple[str, float | None]:
        """Ask an LLM of the same server something else than a page: see `OcrExtractor.ask`.

        Raises:
            EngineError: There is no answer.
        """
        config = self._config
        if llm not in {"", config.llm}:  # the prices in the settings are not its own
            config = config.model_copy(
                update={"llm": llm, "input_price": None, "output_price": None}
            )
        # The pages' retries need capabilities for answers in JSON; here the SDK's own do.
        client = self._client.with_options(max_retries=config.max_retries)
        try:
            # Not traced: while MLflow exports a trace, its optimizer may change import hooks, and
            # with mlflow 3.17.2 the two were seen to wait for each other's import locks forever.
            with mlflow.tracing.context(enabled=False):
                result = client.chat.completions.with_raw_response.create(
                    model=config.llm, messages=[{"role": "user", "content": question}]
                )
        except SDK_ERRORS as error:
            raise to_engine_error(error, question) from None
        answer = Answer.of(result.content)
        return answer.text(), cost_of(answer.usage, config) if answer.usage else None

    def batch_server(self) -> BatchServer:
        """Return the batches of the engine's server.

        Raises:
            ConfigError: It is Azure's.
        """
        return BatchServer(self._client)

    def _kept(self, key: str, page: int, form: AnswerForm) -> ParsedCompletion | None:
        """Return what a kept completion says; one that cannot be read counts as none."""
        if self._cache is None or (text := self._cache.get(key)) is None:
            return None
        try:
            parsed = form.parse(text, page)
        except CompletionError:
            return None
        return parsed if parsed.fault is None else None

    def _kept_probabilities(self, key: str) -> dict[str, Evidence]:
        """Return what is known of the texts of a kept completion."""
        kept = self._cache.get(key + _PROBABILITIES) if self._cache else None
        try:
            probabilities = _KEPT.validate_json(kept or "{}")
        except ValidationError:  # another program may have written anything there
            return {}
        return {path: Evidence(probability=each) for path, each in probabilities.items()}

    def _content(self, page: Page, form: AnswerForm) -> str | list[Any]:
        """Return the user's message; a server for text alone may know no parts."""
        return form.task if self._config.page_input == "text" else [self._picture(page)]

    def _cache_key(self, page: Page, instructions: str, form: AnswerForm) -> str:
        """Name the request: everything that decides the completion, and nothing else."""
        request = self._config.model_dump(include=_DECIDING)
        request |= {
            "instructions": instructions,
            "server": self._server_url,
            "schema": form.json_schema,
        }
        return cache_key(page.image, request)

    def _picture(self, page: Page) -> dict[str, Any]:
        """Return the page as a part of the user's message."""
        config = self._config
        image, size = encode_for_llm(page, config.max_size, config.image_format, config.quality)
        if len(image) > MAX_IMAGE_BYTES:
            raise EngineError(
                "image_too_large",
                f"The page's image has {len(image):,} bytes, the LLM takes {MAX_IMAGE_BYTES:,}: "
                "lower max_size or set image_format=jpeg.",
            )
        note(
            {
                "image.width_px": size[0],
                "image.height_px": size[1],
                "image.bytes": len(image),
                "image.estimated_tokens": estimate_image_tokens(config.llm, *size),
            }
        )
        encoded = base64.b64encode(image).decode("ascii")
        url = f"data:image/{config.image_format};base64,{encoded}"
        return {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
