"""Writes what a person has confirmed of a document: its annotation, or its fields."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from data.annotations import LabelledPair, to_annotation
from data.errors import DatasetError
from data.field_schema import FieldSchema, parse_schema, pattern
from data.fields import FIELDS, SCHEMA, from_leaves, parse_value
from data.funsd import ANNOTATIONS
from entry_points.command_line import cli
from entry_points.labelling.feedback import Truth
from entry_points.labelling.review import ACCEPT, ReviewLine, has_values

_PATH = re.compile(r"[^\[\]]+(\[\d{1,6}\]\.[^\[\]]+)?")


class TruthFiles(Protocol):
    """Makes one kind of truth of the lines that a person has reviewed."""

    def prepare(self) -> None:
        """Make the folder."""

    def truth(self, lines: Sequence[ReviewLine], row: Mapping[str, Any]) -> Truth:
        """Return what is true of a document.

        Args:
            lines: Its lines, each with a verdict.
            row: Its prediction.

        Raises:
            UsageError: A line cannot be used.
        """

    def write(self, name: str, truth: Any, row: Mapping[str, Any]) -> bool:
        """Write a document's truth file, unless it stands there already; tell whether it did."""


def truths_of(rows: Mapping[str, Mapping[str, Any]], schema: str, output: Path) -> TruthFiles:
    """Return what writes the truth of predictions: of fields if fields were read.

    Args:
        rows: The predictions by doc_id.
        schema: The schema's file, "" for none.
        output: The dataset's folder.

    Raises:
        UsageError: Fields were read and there is no schema, or it cannot be read.
    """
    if not any(map(has_values, rows.values())):
        return _Pairs(output / ANNOTATIONS)
    if not schema:
        raise cli.UsageError("fields were read: give --schema, the file of their schema.")
    document = cli.read_file(schema, "--schema")
    return _Fields(output, document, parse_schema(document, schema))


class _Pairs:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def truth(self, lines: Sequence[ReviewLine], row: Mapping[str, Any]) -> list[LabelledPair]:
        """Return the accepted pairs; a line that was corrected keeps the boxes of what was read."""
        pairs = []
        for line in lines:
            if line.verdict == ACCEPT and line.question:
                read = row["pairs"][int(line.pair) - 1] if line.pair else {}
                question_box, answer_box = (
                    tuple(read[side]) if read.get(side) else None
                    for side in ("question_box", "answer_box")
                )
                texts = line.question, line.answer or None
                pairs.append(LabelledPair(*texts, int(line.page), question_box, answer_box))
        return pairs

    def write(self, name: str, truth: Sequence[LabelledPair], row: Mapping[str, Any]) -> bool:
        annotation = to_annotation(truth, row["page_count"] or 1)
        text = json.dumps(annotation, ensure_ascii=False)
        return _write(self._folder / f"{name}.json", text)


class _Fields:
    def __init__(self, output: Path, document: Any, schema: FieldSchema) -> None:
        self._output, self._document, self._schema = output, document, schema

    def prepare(self) -> None:
        (self._output / FIELDS).mkdir(parents=True, exist_ok=True)
        _write(self._output / SCHEMA, json.dumps(self._document, ensure_ascii=False, indent=1))

    def truth(
        self,
        lines: Sequence[ReviewLine],
        row: Mapping[str, Any],  # noqa: ARG002 - pairs need it
    ) -> dict[str, Any]:
        """Return the accepted values; a row is there if one of its cells was accepted."""
        leaves = self._schema.leaves
        values: dict[str, Any] = {}
        for line in lines:
            if line.verdict != ACCEPT or not line.question:
                continue
            path = line.question
            if not _PATH.fullmatch(path) or pattern(path) not in leaves:
                raise self._fault(line, f"the schema has no field {path[:80]!r}: name one it has.")
            if path in values:
                raise self._fault(line, f"{path[:80]} is accepted twice: delete one of the lines.")
            try:
                values[path] = parse_value(leaves[pattern(path)], line.answer)
            except DatasetError as error:
                raise self._fault(line, str(error)) from error
        return from_leaves(self._schema, values)

    def write(
        self,
        name: str,
        truth: Mapping[str, Any],
        row: Mapping[str, Any],  # noqa: ARG002 - pairs need it
    ) -> bool:
        text = json.dumps(truth, ensure_ascii=False, indent=1) + "\n"
        return _write(self._output / FIELDS / f"{name}.json", text)

    def _fault(self, line: ReviewLine, reason: str) -> cli.UsageError:
        return cli.UsageError(f"the review of {line.doc_id[:80]}: {reason}")


def _write(file: Path, text: str) -> bool:
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    file.write_text(text, encoding="utf-8")
    return True
