"""The MLflow model: documents in, question-answer pairs out."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from ocr_extractor.config import ExtractorConfig, serving_settings
from ocr_extractor.contract import Extraction, to_frame
from ocr_extractor.documents.input_frame import to_documents
from ocr_extractor.documents.limits import too_many_bytes
from ocr_extractor.documents.page_ranges import PageSelection
from ocr_extractor.errors import ConfigError, DocumentError, PromptError, RequestError
from ocr_extractor.prompts.followed_alias import FollowedPrompt
from ocr_extractor.prompts.prompt import SNAPSHOT_ARTIFACT, check_replacement, load_prompt
from ocr_extractor.prompts.registry import Registry
from ocr_extractor.reader import DocumentReader
from ocr_extractor.runtime.cancellation import stopped_by
from ocr_extractor.runtime.trace_export import dropped_traces, flush_traces

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator

    from PIL.Image import Image

    from ocr_extractor.engines.base import Engine
    from ocr_extractor.engines.openai.batch import BatchServer
    from ocr_extractor.engines.openai.engine import OpenAIChatEngine
    from ocr_extractor.engines.openai.estimate import Estimate
    from ocr_extractor.ocr.recognition import WordReader
    from ocr_extractor.prompts.prompt import Prompt

    Source = str | os.PathLike[str] | bytes

WEIGHTS_ARTIFACT = "local_weights"
"""The logged model's artifact with its own weights of the local engine, if it has any."""

TINY_OCR_ARTIFACT = "tiny_ocr"
"""The logged model's artifact with the networks that ocr_quality=fast reads with."""


_PATH = (str, os.PathLike)
_ONE = (*_PATH, bytes, bytearray, memoryview)


class OcrExtractor(PythonModel):
    """Reads scanned forms; see `contract.py` for its input, params and output."""

    def load_context(self, context: PythonModelContext) -> None:
        """Validate the settings, load the prompt and start the engine.

        Raises:
            ConfigError: A setting is wrong, the LLM engine has no API key, or the model was logged
                without what `ocr_quality` needs.
            PromptError: The prompt version is not a text prompt, its template cannot be used, or
                it has no place for the text that `page_input` asks for.
        """
        # MLflow's server puts the known ones into model_config itself, its spark_udf does not.
        settings = dict(context.model_config) | serving_settings()
        config = ExtractorConfig.from_model_config(settings)
        registry = Registry()
        snapshot = Path(context.artifacts[SNAPSHOT_ARTIFACT])
        prompt = load_prompt(config.prompt_uri, snapshot, registry)
        tiny_ocr = _find_tiny_ocr(config, context.artifacts)
        weights = context.artifacts.get(WEIGHTS_ARTIFACT)
        self._engine = _build_engine(config, weights, tiny_ocr)
        self._followed = (
            FollowedPrompt(prompt, config.prompt_refresh_s, registry)
            if config.follow_alias
            else None
        )
        words = _build_word_reader(config, tiny_ocr)
        engines = (*_build_first_engine(config, prompt, weights, tiny_ocr), self._engine)
        self._reader = DocumentReader(
            config, prompt, *engines, word_reader=words, followed=self._followed
        )

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow passes it
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Read every document of the frame.

        Args:
            context: Not used: everything was loaded in `load_context`.
            model_input: A column `image` (a document's bytes) and, if wanted, `doc_id`.
            params: `additional_rules` (string): rules for these forms, put into the prompt;
                `pages` (string): the pages of every document to read, "1-3,7"; "" for all;
                `as_struct` (boolean): see below.

        Returns:
            One row a document, in input order; the columns are those of `Extraction`. With
            `as_struct`, a single column `extraction` of dictionaries, as `spark_ddl` describes it.

        Raises:
            RequestError: There is no column `image`, there are more than `max_documents` rows, or
                `pages` is not a list of pages.
            PromptError: The prompt cannot be rendered.
        """
        documents = to_documents(model_input, self._reader.config.max_documents)
        extractions = self._reader.read_all(documents, *_read_params(params))
        return to_frame(extractions, as_struct=bool((params or {}).get("as_struct")))

    def predict_stream(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow passes it
        model_input: pd.DataFrame | dict[str, Any],
        params: dict[str, Any] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Read documents as `predict` does, and yield each one's row as soon as it is finished.

        Args:
            context: Not used.
            model_input: As for `predict`; or one row as a dictionary, which is what MLflow makes
                of a frame of one document.
            params: As for `predict`.

        Yields:
            The row of a document, a value a column of the output.
        """
        frame = pd.DataFrame([model_input]) if isinstance(model_input, dict) else model_input
        documents = to_documents(frame, self._reader.config.max_documents)
        for extraction in self._reader.read_each(documents, *_read_params(params)):
            yield extraction.to_row()

    def read(
        self,
        source: Source | Iterable[Source],
        pages: Iterable[int] | None = None,
        additional_rules: str = "",
    ) -> Extraction | list[Extraction]:
        """Read documents that are on this machine: `unwrap_python_model().read("form.png")`.

        Only this method opens paths: `predict`, and with it REST, takes bytes alone.

        Args:
            source: A document's path or bytes, or several of them.
            pages: The pages of every document to read, from 1; None for all.
            additional_rules: Rules for these forms, put into the prompt.

        Returns:
            The document's extraction, with its path as `doc_id`; of several, a list in their order.
            A document that cannot be read has an `error_code`.

        Raises:
            OSError: A path cannot be opened; nothing was sent to an LLM.
            RequestError: There are more than `max_documents`, or `pages` are not numbers from 1.
            PromptError: The prompt cannot be rendered.
        """
        one = isinstance(source, _ONE)
        sources = [source] if one else list(cast("Iterable[Source]", source))
        numbers = None if pages is None else ",".join(map(str, pages))
        if numbers == "":
            raise RequestError("pages is empty: give numbers from 1, or None for all pages.")
        config = self._reader.config
        images = [_content(each, config.max_document_bytes) for each in sources]
        ids = [str(each) if isinstance(each, _PATH) else None for each in sources]
        frame = pd.DataFrame({"image": images, "doc_id": ids}, dtype=object)
        extractions = self._reader.read_all(
            to_documents(frame, config.max_documents),
            additional_rules,
            PageSelection.parse(numbers or ""),
        )
        return extractions[0] if one else extractions

    @staticmethod
    def stopped_by(stop: threading.Event) -> contextlib.AbstractContextManager[None]:
        """Return a context in which `predict` reads only until `stop` is set, by another thread.

        After that no document, page or request starts, and no retry waits. Work in progress ends
        with the error_code `stopped` in its row, or the call raises an EngineError of that code.
        """
        return stopped_by(stop)

    def estimate(self, documents: list[bytes], output_tokens_per_page: float) -> Estimate | None:
        """Estimate what reading documents will take, without asking the LLM; None without an LLM.

        The LLM is expected to write `output_tokens_per_page`.
        """
        reader = self._reader
        if reader.config.engine == "local":
            return None
        from ocr_extractor.engines.openai.estimate import estimate

        instructions = reader.prompt.render()
        return estimate(
            reader.config, reader.opener, instructions, documents, output_tokens_per_page
        )

    def pages(self, document: bytes) -> list[Image]:
        """Draw a document's upright pages for a report, up to the first that cannot be drawn."""
        drawn: list[Image] = []
        with (
            contextlib.suppress(DocumentError),
            contextlib.closing(self._reader.opener.open(document)) as opened,
        ):
            drawn.extend(opened.page(n).image for n in range(1, opened.page_count + 1))
        return drawn

    def reads_fields(self) -> bool:
        """Say whether the prompt has a schema, so that `values` and `fields` are given."""
        return self._reader.prompt.schema is not None

    def template_fault(self, template: str) -> str | None:
        """Return why a template cannot replace the prompt's own; None if it can."""
        try:
            check_replacement(template, self._reader.prompt)
        except PromptError as error:
            return str(error)
        return None

    def ask(self, question: str, llm: str = "") -> tuple[str, float | None]:
        """Ask an LLM of the engine's server, "" for the one that reads pages, as an optimizer does.

        Returns:
            The answer, and what it cost, USD; None when the price is not known.

        Raises:
            ConfigError: The engine has no LLM.
            EngineError: There is no answer.
        """
        return self._llm_engine().ask(question, llm)

    def followed_prompt(self) -> tuple[str, str] | None:
        """Return URI and source of the prompt that its alias names now; None for a pinned one.

        This asks the registry, and waits for it as long as loading the model does.
        """
        if self._followed is None:
            return None
        prompt = self._followed.refreshed()
        return prompt.uri, prompt.source

    def batch_server(self) -> BatchServer:
        """Return the object that defers requests to batches of the engine's server.

        Raises:
            ConfigError: The engine has no LLM, its server is Azure's, or the prompt may change
                between a request and its answer.
        """
        if self._reader.config.follow_alias:
            raise ConfigError(
                "A batch needs the same prompt until its end: log with follow_alias=false."
            )
        return self._llm_engine().batch_server()

    def _llm_engine(self) -> OpenAIChatEngine:
        from ocr_extractor.engines.openai.engine import OpenAIChatEngine

        if not isinstance(self._engine, OpenAIChatEngine):
            raise ConfigError(
                "The local engine has no LLM to ask: log an extractor with engine=openai."
            )
        return self._engine

    @staticmethod
    def flush_traces(timeout_s: float) -> int:
        """Write the traces that wait.

        Args:
            timeout_s: Longest wait, s; it ends earlier where the tracking store fails, or hangs
                for 5 s.

        Returns:
            How many traces of this process were not written: those that wait, and those dropped.
        """
        return flush_traces(timeout_s)

    @staticmethod
    def traces_dropped() -> int:
        """Return how many traces of this process were dropped so far."""
        return dropped_traces()

    def document_text(self, document: bytes) -> str:
        """Return a document's text as `page_input=text` shows pages to an LLM.

        Raises:
            DocumentError: It cannot be opened, or a page cannot be read.
        """
        from ocr_extractor.ocr.page_text import document_text

        return document_text(document)


def _content(source: Any, max_bytes: int) -> Any:
    """Return a file's bytes, or the error of a file that is too large."""
    if not isinstance(source, _PATH):
        return source
    with Path(source).open("rb") as file:
        if (size := os.fstat(file.fileno()).st_size) > max_bytes:
            return too_many_bytes(size, max_bytes)
        data = file.read(max_bytes + 1)  # a device and a file in /proc state no size
    return too_many_bytes(None, max_bytes) if len(data) > max_bytes else data


def _read_params(params: dict[str, Any] | None) -> tuple[str, PageSelection]:
    given = params or {}
    pages = PageSelection.parse(str(given.get("pages") or ""))
    return str(given.get("additional_rules") or ""), pages


def _find_tiny_ocr(config: ExtractorConfig, artifacts: dict[str, str]) -> Path | None:
    if config.ocr_quality == "best":
        return None
    if TINY_OCR_ARTIFACT not in artifacts:
        raise ConfigError(
            "ocr_quality=fast needs networks that this extractor was logged without: log one with "
            "that setting."
        )
    return Path(artifacts[TINY_OCR_ARTIFACT])


def _build_engine(config: ExtractorConfig, weights: str | None, tiny_ocr: Path | None) -> Engine:
    if config.engine == "local":
        return _build_local_engine(config, weights, tiny_ocr)
    from ocr_extractor.engines.openai.engine import OpenAIChatEngine

    return OpenAIChatEngine(config)


def _build_local_engine(
    config: ExtractorConfig, weights: str | None, tiny_ocr: Path | None
) -> Engine:
    from ocr_extractor.engines.local.engine import BUNDLED_WEIGHTS, LocalEngine

    return LocalEngine(
        tiny_ocr=tiny_ocr,
        include_blank=config.include_blank,
        with_pairs=config.with_pairs,
        weights=Path(weights) if weights else BUNDLED_WEIGHTS,
    )


def _build_first_engine(
    config: ExtractorConfig, prompt: Prompt, weights: str | None, tiny_ocr: Path | None
) -> list[Engine]:
    """Return what reads each document before the LLM does."""
    check_escalation(config, has_schema=prompt.schema is not None)
    if config.escalate_below is None:
        return []
    return [_build_local_engine(config, weights, tiny_ocr)]


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


def _build_word_reader(config: ExtractorConfig, tiny_ocr: Path | None) -> WordReader | None:
    if config.engine == "local" or (config.page_input == "image" and not config.grounding):
        return None
    from ocr_extractor.ocr.recognition import WordReader

    return WordReader(tiny_ocr)
