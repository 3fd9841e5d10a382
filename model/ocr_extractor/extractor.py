"""The MLflow model: documents in, question-answer pairs out."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from ocr_extractor.build import build_reader, find_tiny_ocr
from ocr_extractor.config import ExtractorConfig, serving_settings
from ocr_extractor.contract import Extraction, to_frame
from ocr_extractor.documents.input_frame import PageSelection, is_source, read_sources, to_documents
from ocr_extractor.errors import ConfigError, DocumentError, PromptError, RequestError
from ocr_extractor.prompts.followed_alias import FollowedPrompt
from ocr_extractor.prompts.prompt import SNAPSHOT_ARTIFACT, Registry, check_replacement, load_prompt
from ocr_extractor.runtime import cancellation, trace_export

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from PIL.Image import Image

    from ocr_extractor.documents.input_frame import Source
    from ocr_extractor.engines.openai.batch import BatchServer
    from ocr_extractor.engines.openai.cost import Estimate
    from ocr_extractor.engines.openai.engine import OpenAIChatEngine


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
        self._followed: FollowedPrompt | None = None
        if config.follow_alias:
            self._followed = FollowedPrompt(prompt, config.prompt_refresh_s, registry)
        self._reader = build_reader(config, prompt, context.artifacts, self._followed)
        self._tiny_ocr = find_tiny_ocr(config, context.artifacts)

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
        one = is_source(source)
        sources = [cast("Source", source)] if one else list(cast("Iterable[Source]", source))
        numbers = None if pages is None else ",".join(map(str, pages))
        if numbers == "":
            raise RequestError("pages is empty: give numbers from 1, or None for all pages.")
        config = self._reader.config
        documents = read_sources(sources, config.max_documents, config.max_document_bytes)
        selection = PageSelection.parse(numbers or "")
        extractions = self._reader.read_all(documents, additional_rules, selection)
        return extractions[0] if one else extractions

    def estimate(self, documents: list[bytes], output_tokens_per_page: float) -> Estimate | None:
        """Estimate what reading documents will take, without asking the LLM; None without an LLM.

        The LLM is expected to write `output_tokens_per_page`.
        """
        reader = self._reader
        if reader.config.engine == "local":
            return None
        from ocr_extractor.engines.openai.cost import estimate

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
        """Tell whether the prompt has a schema, so that `values` and `fields` are given."""
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

        if not isinstance(engine := self._reader.engine, OpenAIChatEngine):
            raise ConfigError(
                "The local engine has no LLM to ask: log an extractor with engine=openai."
            )
        return engine

    # For callers that do not import this package, but load a logged copy of it.
    stopped_by = staticmethod(cancellation.stopped_by)
    flush_traces = staticmethod(trace_export.flush_traces)
    unwritten_traces = staticmethod(trace_export.unwritten_traces)
    traces_dropped = staticmethod(trace_export.dropped_traces)

    def document_text(self, document: bytes) -> str:
        """Return a document's text as `page_input=text` shows pages to an LLM.

        Raises:
            DocumentError: It cannot be opened, or a page cannot be read.
        """
        from ocr_extractor.ocr.page_text import document_text, load_reader

        words = self._reader.word_reader or load_reader(self._tiny_ocr)
        return document_text(document, self._reader.opener, words)


def _read_params(params: dict[str, Any] | None) -> tuple[str, PageSelection]:
    given = params or {}
    pages = PageSelection.parse(str(given.get("pages") or ""))
    return str(given.get("additional_rules") or ""), pages
