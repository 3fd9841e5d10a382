"""The passes over an opened document: a cheap engine before the LLM, and a repair after it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ocr_extractor.engines.base import with_requests_of
from ocr_extractor.fields.assembly import assemble, pattern_of
from ocr_extractor.runtime.tracing import faults_reported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.contract import FieldValue
    from ocr_extractor.documents.input_frame import PageSelection
    from ocr_extractor.documents.opener import Document
    from ocr_extractor.engines.base import PageReading
    from ocr_extractor.errors import DocumentError
    from ocr_extractor.fields.assembly import DocumentFields
    from ocr_extractor.page_reader import Instruct, PageReader
    from ocr_extractor.prompts.prompt import Prompt

# A column's cells are shown up to this number: enough to see what kind of text was given.
_CELLS_SHOWN = 40


@dataclass(frozen=True)
class Call:
    """What is the same for all documents of one call: how to read pages, and which."""

    prompt: Prompt
    instruct: Instruct
    pages: PageSelection


@dataclass(frozen=True)
class Contents:
    """What was read on a document.

    Attributes:
        engine: The name of the engine that read it, or was to read it.
        page_count: Its pages; None when it could not be opened.
        readings: The readings of its pages by number, in order; failed pages have none.
        failure: Why it, or one of its pages, could not be read; None if all were read.
        fields: Its fields; None without a schema, and when no page gave an answer.
    """

    engine: str
    page_count: int | None = None
    readings: dict[int, PageReading] = field(default_factory=dict)
    failure: DocumentError | None = None
    fields: DocumentFields | None = None


@dataclass(frozen=True)
class DocumentPasses:
    """The passes over one opened document.

    Attributes:
        config: The extractor's settings.
        call: The call that the document belongs to.
        document: The document.
        deadline: The moment, s of `time.monotonic`, after which no page is waited for.
    """

    config: ExtractorConfig
    call: Call
    document: Document
    deadline: float

    def escalate(self, first: PageReader, second: PageReader) -> Contents:
        """Read with the first engine, and again with the second where a field is doubtful.

        If the second engine fails altogether, what the first one read is kept beside its error.
        """
        local = self.read(first)
        below = self.config.escalate_below
        if local.fields and not local.failure and local.fields.reaches(below):
            return local
        llm = self.read(second, local.fields)
        if llm.fields is None and llm.failure is not None and local.fields is not None:
            readings = {
                number: with_requests_of(reading, llm.readings[number])
                if number in llm.readings
                else reading
                for number, reading in local.readings.items()
            }
            return replace(local, readings=readings, failure=llm.failure)
        return llm

    def read(self, reader: PageReader, second_opinion: DocumentFields | None = None) -> Contents:
        """Read the pages with one engine, and repair the fields if `repair` asks for it.

        Args:
            reader: Reads the pages.
            second_opinion: The fields that another engine read; None without one.
        """
        numbers = self.call.pages.of(self.document.page_count)
        readings, failure = reader.read_all(
            self.document, numbers, self.call.instruct, self.call.prompt.schema, self.deadline
        )
        with faults_reported():
            fields = self._assemble(readings, None, second_opinion)
        name = reader.engine.name
        contents = Contents(name, self.document.page_count, readings, failure, fields)
        return self._repaired(contents, reader, second_opinion) if self.config.repair else contents

    def _assemble(
        self,
        readings: dict[int, PageReading],
        other: DocumentFields | None,
        second_opinion: DocumentFields | None,
    ) -> DocumentFields | None:
        schema = self.call.prompt.schema
        if schema is None:
            return None
        return assemble(schema, readings, self.config.accept_at, other, second_opinion)

    def _repaired(
        self, contents: Contents, reader: PageReader, second_opinion: DocumentFields | None
    ) -> Contents:
        """Read pages once more if checks of their fields fail; keep the better answer.

        The better answer passes more checks. Where the other one has another value, a leaf's
        confidence is lower. A local engine would give the same answer again.
        """
        fields, readings = contents.fields, contents.readings
        asked = any(each.attempts or each.from_cache for each in readings.values())
        if fields is None or not fields.failed or contents.failure or not asked:
            return contents
        added = repair_instructions(fields)
        again, _ = reader.read_all(
            self.document,
            pages_to_repair(fields),
            lambda ocr: self.call.instruct(ocr) + added,
            self.call.prompt.schema,
            self.deadline,
        )
        first, second = dict(readings), dict(readings)
        for number, reading in again.items():
            first[number] = with_requests_of(readings[number], reading)
            whole = reading.failure is None and reading.raw_fields is not None
            second[number] = with_requests_of(reading, readings[number]) if whole else first[number]
        with faults_reported():
            repaired = self._assemble(second, fields, second_opinion)
            if repaired is not None and repaired.passed > fields.passed:
                return replace(contents, readings=second, fields=repaired)
            kept = self._assemble(first, repaired, second_opinion)
        return replace(contents, readings=first, fields=kept)


def pages_to_repair(fields: DocumentFields) -> list[int]:
    """Return the numbers of the pages that hold a leaf of a failed check, in order."""
    used = (leaf for check in fields.failed for leaf in fields.used_by(check))
    return sorted({leaf.page for leaf in used if leaf.page is not None})


def repair_instructions(fields: DocumentFields) -> str:
    """Return what is added to the instructions to read pages again: what failed, and its texts."""
    failures = "\n".join(
        f"- {check}. You gave: {_shown(fields.used_by(check))}" for check in fields.failed
    )
    return (
        "\n\nYou have read this document before, and these checks of its values failed:\n"
        f"{failures}\nAt least one of these texts is not what the document says. Read this page "
        "again, and copy each field character by character from its own place."
    )


def _shown(leaves: Sequence[FieldValue]) -> str:
    texts: dict[str, list[str | None]] = {}
    for leaf in leaves:
        if leaf.raw is not None:
            texts.setdefault(pattern_of(leaf.path), []).append(leaf.raw)
    return "; ".join(
        f"{pattern} = {json.dumps(raws[:_CELLS_SHOWN], ensure_ascii=False)[1:-1]}"
        for pattern, raws in texts.items()
    )
