"""The openai engine: one chat completion a page, from any OpenAI-compatible server."""

from __future__ import annotations

import base64
import contextlib
import threading
import warnings
from typing import TYPE_CHECKING, Any

import mlflow
import openai
from mlflow.tracing.constant import SpanAttributeKey, TokenUsageKey

from ocr_extractor.engines.base import Page, PageReading
from ocr_extractor.engines.image_tokens import estimate_image_tokens
from ocr_extractor.engines.openai_client import build_client, find_base_url
from ocr_extractor.engines.openai_errors import SDK_ERRORS, to_engine_error
from ocr_extractor.errors import CompletionError, EngineError
from ocr_extractor.page import encode_for_llm
from ocr_extractor.parsing import CompletedForm, to_pairs

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from openai.types.chat import ParsedChatCompletion

    from ocr_extractor.config import ExtractorConfig

# OpenAI's limit for one image (guide "Images and vision"); compatible servers have none lower.
MAX_IMAGE_BYTES = 20_000_000

# What takes the place of a parameter that the server refuses; None: the request goes without it.
_SUBSTITUTES = {
    "max_completion_tokens": "max_tokens",
    "max_tokens": "max_completion_tokens",
    "temperature": None,
    "seed": None,
}
_UNSUPPORTED_CODES = {"unsupported_parameter", "unsupported_value", "unknown_parameter"}
_UNSUPPORTED_WORDS = ("unsupported", "not support", "unrecognized", "unknown parameter")


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
        self._client = build_client(config.timeout_s, config.max_retries)
        self._lock = threading.Lock()
        self._refused: set[str] = set()
        # Compatible servers know the old name of the limit; OpenAI and Azure ask for the new one.
        compatible = find_base_url() and not isinstance(self._client, openai.AzureOpenAI)
        self._parameters: dict[str, Any] = {
            "temperature": config.temperature,
            "max_tokens" if compatible else "max_completion_tokens": config.max_tokens,
        }
        if config.seed is not None:
            self._parameters["seed"] = config.seed
        if config.trace_content == "full":
            mlflow.openai.autolog()
            # Autolog dumps the SDK's parsed completion, whose type pydantic cannot know.
            warnings.filterwarnings("ignore", "Pydantic serializer warnings", UserWarning)

    def read(self, page: Page, instructions: str) -> PageReading:
        """Send the page and the instructions; return the pairs of the completion.

        Raises:
            EngineError: The request failed; its code says why.
            CompletionError: The LLM answered, but not with pairs.
        """
        config = self._config
        image, size = encode_for_llm(
            page.image, config.max_size, config.image_format, config.quality
        )
        if len(image) > MAX_IMAGE_BYTES:
            raise EngineError(
                "image_too_large",
                f"The page's image has {len(image):,} bytes, the LLM takes {MAX_IMAGE_BYTES:,}: "
                "lower max_size or set image_format=jpeg.",
            )
        self._note(
            {
                "image.width_px": size[0],
                "image.height_px": size[1],
                "image.bytes": len(image),
                "image.estimated_tokens": estimate_image_tokens(config.llm, *size),
            }
        )
        completion = self._complete(self._messages(image, instructions))
        with mlflow.start_span("parse") as span:
            pairs = to_pairs(_parsed_form(completion).pairs, page.number)
            span.set_attribute("pairs", len(pairs))
        usage = completion.usage
        return PageReading(
            pairs,
            usage.prompt_tokens if usage else None,
            usage.completion_tokens if usage else None,
        )

    def _messages(self, image: bytes, instructions: str) -> list[Any]:
        encoded = base64.b64encode(image).decode("ascii")
        url = f"data:image/{self._config.image_format};base64,{encoded}"
        picture = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
        return [
            {"role": "system", "content": instructions},
            {"role": "user", "content": [picture]},
        ]

    def _complete(self, messages: list[Any]) -> ParsedChatCompletion[CompletedForm]:
        """Ask for a completion, going without the parameters that the LLM refuses."""
        while True:
            parameters = self._parameters
            try:
                with self._traced():
                    completion = self._client.chat.completions.parse(
                        model=self._config.llm,
                        messages=messages,
                        response_format=CompletedForm,
                        **parameters,
                    )
            except openai.BadRequestError as error:
                if not self._adapted(_refused_parameter(error, parameters)):
                    raise to_engine_error(error) from None
                continue
            except SDK_ERRORS as error:
                raise to_engine_error(error) from None
            self._note_usage(completion)
            return completion

    def _adapted(self, refused: str | None) -> bool:
        """Rename or drop the refused parameter for good; False where that is not possible."""
        if refused is None:
            return False
        with self._lock:
            self._refused.add(refused)
            if refused not in self._parameters:  # another thread was faster
                return True
            substitute = _SUBSTITUTES[refused]
            if substitute in self._refused:
                return False
            kept = {name: value for name, value in self._parameters.items() if name != refused}
            if substitute is not None:
                kept[substitute] = self._parameters[refused]
            self._parameters = kept
        return True

    def _traced(self) -> AbstractContextManager[None]:
        """Let autolog record the request, or keep it out of the trace (`trace_content`)."""
        if self._config.trace_content == "full":
            return contextlib.nullcontext()
        return mlflow.tracing.context(enabled=False)

    def _note_usage(self, completion: ParsedChatCompletion[CompletedForm]) -> None:
        """Record what autolog records, where autolog is off."""
        usage = completion.usage
        if self._config.trace_content == "full" or usage is None:
            return
        self._note(
            {
                SpanAttributeKey.MODEL: self._config.llm,
                SpanAttributeKey.MODEL_PROVIDER: "openai",
                SpanAttributeKey.CHAT_USAGE: {
                    TokenUsageKey.INPUT_TOKENS: usage.prompt_tokens,
                    TokenUsageKey.OUTPUT_TOKENS: usage.completion_tokens,
                    TokenUsageKey.TOTAL_TOKENS: usage.total_tokens,
                },
            }
        )

    @staticmethod
    def _note(attributes: dict[str, Any]) -> None:
        if (span := mlflow.get_current_active_span()) is not None:
            span.set_attributes(attributes)


def _parsed_form(completion: ParsedChatCompletion[CompletedForm]) -> CompletedForm:
    """Return the form of a completion.

    Raises:
        CompletionError: There is none, or the LLM refused.
    """
    if not completion.choices:
        raise CompletionError("empty_completion", "The LLM gave no answer: try again.")
    message = completion.choices[0].message
    if message.refusal:
        raise CompletionError("refused", "The LLM refuses to read this page.")
    if message.parsed is None:
        raise CompletionError("empty_completion", "The LLM's answer is empty: try again.")
    return message.parsed


def _refused_parameter(error: openai.BadRequestError, sent: dict[str, Any]) -> str | None:
    """Return the parameter that the LLM does not take at all, None if the error is another."""
    text = error.message.lower()
    if error.code not in _UNSUPPORTED_CODES and not any(
        word in text for word in _UNSUPPORTED_WORDS
    ):
        return None
    if error.param in sent:
        return error.param
    return next((name for name in sent if f"'{name}'" in text), None)
