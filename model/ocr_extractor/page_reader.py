"""Reads one page: the engine's answer, where it stands on the page, and rows that it left out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ocr_extractor.engines.base import PageReading, with_requests_of
from ocr_extractor.fields.evidence import find_evidence
from ocr_extractor.fields.raw_tree import merged, tables
from ocr_extractor.fields.rows import ask_for_rows, join_rows
from ocr_extractor.grounding.ground import ground

if TYPE_CHECKING:
    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.engines.base import Engine, Page
    from ocr_extractor.fields.schema import Schema
    from ocr_extractor.ocr.recognition import OcrPage


class PageReader:
    """Reads pages with one engine; safe to call from several threads."""

    def __init__(self, engine: Engine, config: ExtractorConfig) -> None:
        """Take the engine.

        Args:
            engine: What reads the pages.
            config: The extractor's settings.
        """
        self._engine = engine
        self._config = config

    def read(
        self, page: Page, ocr: OcrPage | None, instructions: str, schema: Schema | None
    ) -> PageReading:
        """Read one page.

        Args:
            page: The page.
            ocr: Its words; None where nothing needs them.
            instructions: The rendered prompt.
            schema: The fields to read; None for the question-answer pairs.

        Raises:
            EngineError: The page cannot be read.
        """
        reading = self._engine.read(page, instructions, schema)
        if schema is not None:
            if not self._config.with_pairs:
                reading = replace(reading, pairs=())
            reading = self._complete(_proven(reading, ocr, schema), page, ocr, instructions, schema)
        if ocr is not None and self._config.grounding:
            pairs = ocr.lie.give_back(ground(reading.pairs, ocr.words, ocr.image))
            return replace(reading, pairs=pairs)
        # The words were read for other reasons: rows are counted, nothing else is claimed.
        return reading if ocr is None else replace(reading, evidence={})

    def _complete(
        self,
        reading: PageReading,
        page: Page,
        ocr: OcrPage | None,
        instructions: str,
        schema: Schema,
    ) -> PageReading:
        """Ask once for the rows that the page shows, or may show, beyond those that were read."""
        tree = reading.raw_fields
        if tree is None:
            return reading
        cut = reading.failure is not None and reading.failure.code == "completion_cut_off"
        short = [
            table.name
            for table in tables(schema)
            if tree[table.name] and (cut or _is_short(reading, table.name))
        ]
        if not short:
            return reading
        again = self._engine.read(page, instructions + ask_for_rows(tree, short), schema)
        joined = tree if again.raw_fields is None else merged(tree, again.raw_fields)
        for name in short if again.raw_fields else ():
            more = again.raw_fields[name]
            joined[name] = join_rows(tree[name], more, reading.rows_shown.get(name))
        completed = replace(
            with_requests_of(reading, again),
            raw_fields=joined,
            failure=again.failure if cut else reading.failure,
        )
        return _proven(completed, ocr, schema)


def _is_short(reading: PageReading, table: str) -> bool:
    return reading.rows_shown.get(table, 0) > len((reading.raw_fields or {})[table])


def _proven(reading: PageReading, ocr: OcrPage | None, schema: Schema) -> PageReading:
    """Return a reading with the evidence that the page's words give."""
    if ocr is None or reading.raw_fields is None:
        return reading
    evidence, shown = find_evidence(schema, reading.raw_fields, ocr)
    return replace(reading, evidence=evidence, rows_shown=shown)
