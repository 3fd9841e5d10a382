"""The CSV file that a person reviews: one line for each pair or field."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from data.annotations import LabelledPair
from data.field_schema import value_at
from entry_points.command_line.cli import UsageError
from entry_points.predictions.output import KEY, replacing
from entry_points.predictions.table import from_cell, to_cell
from entry_points.scoring.fields import shown

ACCEPT, DELETE, OPEN = "accept", "delete", ""
_VERDICTS = (ACCEPT, DELETE, OPEN)


@dataclass(frozen=True)
class ReviewLine:
    """A pair or a field under review.

    Attributes:
        doc_id: The document, as predict names it.
        pair: The number among the document's predicted pairs or fields, from 1; "" for one that a
            person has added, and for a document without any.
        page: The page it stands on, from 1.
        question: Its text, as read or as corrected; of a field its path.
        answer: The same, or the field's value; "" for what was left blank.
        verdict: "accept" (the texts are right), "delete", or "" (not reviewed).
        read_by: Ties the line to the prediction that it corrects.
    """

    doc_id: str
    pair: str
    page: str
    question: str
    answer: str
    verdict: str
    read_by: str


def lines_of(row: Mapping[str, Any]) -> list[ReviewLine]:
    """Return the lines of one predicted document, none of them reviewed."""
    doc_id, read_by = row["doc_id"], row[KEY][:16]
    lines = [
        ReviewLine(doc_id, str(number), *texts, OPEN, read_by)
        for number, texts in enumerate(_texts(row), start=1)
    ]
    return lines or [ReviewLine(doc_id, "", "1", "", "", OPEN, read_by)]


def _texts(row: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (page, question, answer) of what was read, or (page, path, value)."""
    if not has_values(row):
        pairs = row["pairs"]
        return [(str(pair["page"]), pair["question"], pair["answer"] or "") for pair in pairs]
    values = json.loads(row["values"])
    return [
        (str(leaf["page"] or 1), leaf["path"], shown(json.loads(leaf["value"] or "null")))
        for leaf in row["fields"]
        if not isinstance(value_at(values, leaf["path"]), list)  # a table: its cells have lines
    ]


def has_values(row: Mapping[str, Any]) -> bool:
    """Tell whether fields were read on a document, and not pairs."""
    return row.get("values") is not None


def write_lines(path: Path, lines: Iterable[ReviewLine]) -> None:
    """Write the whole file, with the mark that makes Excel read UTF-8.

    It replaces the old file, which holds a person's work, in one step when it is complete.
    """
    with replacing(path) as new, new.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, [each.name for each in fields(ReviewLine)])
        writer.writeheader()
        writer.writerows(
            {name: to_cell(text) for name, text in asdict(line).items()} for line in lines
        )


def read_lines(path: Path, rows: Mapping[str, Mapping[str, Any]]) -> list[ReviewLine]:
    """Read the file that a person has edited.

    Args:
        path: The file; a missing one counts as empty.
        rows: The predictions by doc_id.

    Raises:
        UsageError: A line cannot be used; the message says which.
    """
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_read(file, path, rows))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 ({error}): save it as CSV UTF-8.") from error


def _read(file: TextIO, path: Path, rows: Mapping[str, Mapping[str, Any]]) -> Iterator[ReviewLine]:
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader, [])
        if sorted(header) != sorted(each.name for each in fields(ReviewLine)):
            raise UsageError(f"{path} has other columns than label wrote: restore its first line.")
        for cells in filter(None, reader):
            if len(cells) != len(header):
                raise UsageError(
                    f"{path}, line {reader.line_num}: it has {len(cells)} cells instead of "
                    f"{len(header)}: put a text that has a comma between double quotes."
                )
            line = _line_of(dict(zip(header, cells, strict=True)))
            if fault := _fault(line, rows.get(line.doc_id)):
                raise UsageError(f"{path}, line {reader.line_num}: {fault}")
            yield line
    except csv.Error as error:
        raise UsageError(
            f"{path}, line {reader.line_num}: its double quotes do not match ({error}): write each "
            "one that is part of a text twice."
        ) from error


def _line_of(cells: Mapping[str, str]) -> ReviewLine:
    """Read the cells of a line without the white space around them."""
    texts = {name: from_cell(cell.strip()).strip() for name, cell in cells.items()}
    return ReviewLine(**texts | {"doc_id": from_cell(cells["doc_id"])})


def _fault(line: ReviewLine, row: Mapping[str, Any] | None) -> str | None:
    """Return what is wrong with a line; None if nothing is."""
    if row is None:
        return f"{line.doc_id[:80]!r} is not among the predictions."
    checks = {
        f"the verdict is {line.verdict[:80]!r}: write accept or delete, or leave it empty.": (
            line.verdict in _VERDICTS
        ),
        f"{line.doc_id} was read again since: remove its lines; label writes new ones.": (
            line.read_by in {"", row[KEY][:16]}
        ),
        f"{line.doc_id} has no predicted pair {line.pair[:80]!r}: leave that empty.": (
            not line.pair or _within(line.pair, len(_texts(row)))
        ),
        f"{line.doc_id} has no page {line.page[:80]!r}.": _within(
            line.page, row["page_count"] or 1
        ),
        "an answer without a question cannot be accepted.": (
            bool(line.question) or not line.answer or line.verdict != ACCEPT
        ),
    }
    return next((fault for fault, passed in checks.items() if not passed), None)


def _within(number: str, last: int) -> bool:
    return number.isdecimal() and 0 < int(number) <= last


def by_document(lines: Sequence[ReviewLine]) -> dict[str, list[ReviewLine]]:
    """Return each document's lines, both in the order of the file."""
    found: dict[str, list[ReviewLine]] = {}
    for line in lines:
        found.setdefault(line.doc_id, []).append(line)
    return found


def confirmed_by(lines: Sequence[ReviewLine], row: Mapping[str, Any]) -> list[LabelledPair]:
    """Return what a document's lines confirm; a corrected pair keeps the boxes of what was read."""
    pairs = []
    for line in lines:
        if line.verdict == ACCEPT and line.question:
            read = row["pairs"][int(line.pair) - 1] if line.pair and not has_values(row) else {}
            question_box, answer_box = (
                tuple(read[side]) if read.get(side) else None
                for side in ("question_box", "answer_box")
            )
            texts = line.question, line.answer or None
            pairs.append(LabelledPair(*texts, int(line.page), question_box, answer_box))
    return pairs
