"""What a person has confirmed of a document becomes its truth file: an annotation, or fields."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import mlflow

from data.annotations import LabelledPair, to_annotation
from data.errors import DatasetError
from data.field_schema import FieldSchema, parse_schema, pattern
from data.fields import FIELDS, SCHEMA, from_leaves, parse_value
from data.funsd import ANNOTATIONS
from entry_points.command_line import cli
from entry_points.labelling.feedback import Truth
from entry_points.labelling.review import has_values

_PATH = re.compile(r"[^\[\]]+(\[\d{1,6}\]\.[^\[\]]+)?")


class TruthFiles(Protocol):
    """Makes one kind of truth of what a person has confirmed."""

    @property
    def folder(self) -> Path:
        """Where the files are."""

    def prepare(self) -> None:
        """Make the folder."""

    def truth(self, doc_id: str, confirmed: Sequence[LabelledPair]) -> Truth:
        """Return what is true of a document.

        Args:
            doc_id: The document.
            confirmed: Its pairs; or for each field its path and its value as a person writes it.

        Raises:
            UsageError: One of them cannot be used.
        """

    def text(self, truth: Any, page_count: int) -> str:
        """Return what the truth file of a document holds."""


def truths_of(rows: Mapping[str, Mapping[str, Any]], schema: str, output: Path) -> TruthFiles:
    """Return what writes the truth of predictions: of fields if fields were read.

    Args:
        rows: The predictions by doc_id.
        schema: The schema's file, "" for none.
        output: The dataset's folder.

    Raises:
        UsageError: Fields were read and there is no schema, or it cannot be read.
    """
    document, source = schema_of(rows, schema)
    if document is None:
        return _Pairs(output / ANNOTATIONS)
    return _Fields(output, document, parse_schema(document, source))


def schema_of(rows: Mapping[str, Mapping[str, Any]], schema: str) -> tuple[Any, str]:
    """Return the schema of the fields that were read, and where it is from; None without fields.

    A prompt version in the registry has its schema with it.

    Args:
        rows: The predictions by doc_id.
        schema: The schema's file, "" to ask the registry.

    Raises:
        UsageError: There is none, or it cannot be read.
    """
    with_values = [row for row in rows.values() if has_values(row)]
    if schema and (with_values or not any(row["pairs"] for row in rows.values())):
        return cli.read_file(schema, "--schema"), schema
    if not with_values:
        return None, ""
    uri = with_values[0].get("prompt_uri")
    if uri:
        version = mlflow.genai.load_prompt(uri, allow_missing=True, link_to_model=False)
        if version is not None and version.response_format is not None:
            return version.response_format, uri
    raise cli.UsageError("fields were read: give --schema, the file of their schema.")


class _Pairs:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def truth(
        self,
        doc_id: str,  # noqa: ARG002 - fields need it
        confirmed: Sequence[LabelledPair],
    ) -> list[LabelledPair]:
        return list(confirmed)

    def text(self, truth: Sequence[LabelledPair], page_count: int) -> str:
        return json.dumps(to_annotation(truth, page_count), ensure_ascii=False)


class _Fields:
    def __init__(self, output: Path, document: Any, schema: FieldSchema) -> None:
        self.folder = output / FIELDS
        self._document, self._schema = document, schema

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self._document, ensure_ascii=False, indent=1)
        write_text(self.folder.parent / SCHEMA, text)

    def truth(self, doc_id: str, confirmed: Sequence[LabelledPair]) -> dict[str, Any]:
        """Return the accepted values; a row is there if one of its cells was accepted."""
        leaves = self._schema.leaves
        values: dict[str, Any] = {}
        for path, text in ((each.question, each.answer or "") for each in confirmed):
            if not is_path(path, leaves):
                fault = f"the schema has no field {path[:80]!r}: name one it has."
                raise self._fault(doc_id, fault)
            if path in values:
                fault = f"{path[:80]} is accepted twice: delete one of the lines."
                raise self._fault(doc_id, fault)
            try:
                values[path] = parse_value(leaves[pattern(path)], text)
            except DatasetError as error:
                raise self._fault(doc_id, str(error)) from error
        return from_leaves(self._schema, values)

    def text(
        self,
        truth: Mapping[str, Any],
        page_count: int,  # noqa: ARG002 - pairs need it
    ) -> str:
        return json.dumps(truth, ensure_ascii=False, indent=1) + "\n"

    def _fault(self, doc_id: str, reason: str) -> cli.UsageError:
        return cli.UsageError(f"the review of {doc_id[:80]}: {reason}")


def is_path(path: str, leaves: Container[str]) -> bool:
    """Tell whether a path, `items[3].amount`, is one of a document with these leaves."""
    return bool(_PATH.fullmatch(path)) and pattern(path) in leaves


def write_text(file: Path, text: str) -> bool:
    """Write a file, unless it holds this text already; tell whether it did."""
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    file.write_text(text, encoding="utf-8")
    return True
