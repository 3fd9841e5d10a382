"""Joins what the pages have into the values of a document: one object, and its leaves."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ocr_extractor.contract import FieldValue
from ocr_extractor.engines.base import Evidence
from ocr_extractor.fields.confidence import confidence_of, is_accepted
from ocr_extractor.fields.normalisation import Hints, normalise
from ocr_extractor.fields.raw_tree import cell_path, scalars, tables
from ocr_extractor.fields.rows import drop_page_break_rows
from ocr_extractor.fields.schema import Field, Group, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ocr_extractor.engines.base import PageReading
    from ocr_extractor.fields.checks import Check
    from ocr_extractor.fields.raw_tree import Scalar
    from ocr_extractor.fields.schema import Schema

_INDEX = re.compile(r"\[\d+\]")
_UNKNOWN = Evidence()


@dataclass(frozen=True)
class DocumentFields:
    """What a document has for the fields of a schema.

    Attributes:
        values: The typed object.
        leaves: Its leaves, in the schema's order, a table before its cells.
        passed: How many checks hold.
        failed: The checks that do not hold; one that needs a value that is null is in neither.
    """

    values: dict[str, Any]
    leaves: tuple[FieldValue, ...]
    passed: int
    failed: tuple[Check, ...]

    def reaches(self, least: Mapping[str, float] | None) -> bool:
        """Tell whether no leaf's confidence is below the threshold of its pattern.

        Tables, and values that are null, may have no confidence.
        """
        return all(
            (leaf.confidence is None and leaf.value is None)
            or is_accepted(pattern_of(leaf.path), leaf.confidence, least) is not False
            for leaf in self.leaves
        )

    def used_by(self, check: Check) -> list[FieldValue]:
        """Return the leaves that a check uses."""
        return [leaf for leaf in self.leaves if pattern_of(leaf.path) in check.paths]


def pattern_of(path: str) -> str:
    """Return the pattern of a leaf's path: `items[].amount` for `items[3].amount`."""
    return _INDEX.sub("[]", path)


@dataclass(frozen=True)
class _Raw:
    """A leaf as it was read, with its path in the document."""

    path: str
    field: Field
    text: str | None
    page: int | None = None
    evidence: Evidence = _UNKNOWN


def assemble(
    schema: Schema,
    pages: Mapping[int, PageReading],
    accept_at: Mapping[str, float] | None,
    other: DocumentFields | None = None,
    second_opinion: DocumentFields | None = None,
) -> DocumentFields | None:
    """Join the pages' texts, normalise and check them.

    A scalar is taken from the first page that has it: a page on which the OCR found it, too, comes
    before one on which it did not, and a text before a blank. Where the engine itself says how sure
    it is, the surest page counts. Rows come in the pages' order.

    Args:
        schema: The fields.
        pages: The pages' readings by number, in order.
        accept_at: The setting.
        other: What another answer of the LLM gave for the same document, None without one.
        second_opinion: What another engine read on it, None without one.

    Returns:
        None where no page gave an answer.
    """
    read = {number: page for number, page in pages.items() if page.raw_fields is not None}
    if not read:
        return None
    tree = _chosen(schema, read)
    hints = Hints.of(schema, _mapped(tree, lambda raw: raw.text))
    leaves = {leaf.path: leaf for leaf in _leaves(tree, hints)}
    for table in tables(schema):
        leaves[table.name] = _counted(leaves[table.name], table, read)
    values = _mapped(tree, lambda raw: json.loads(leaves[raw.path].value or "null"))
    held = [(check, check.holds(values)) for check in schema.checks]
    failed = tuple(check for check, holds in held if holds is False)
    others = {leaf.path: leaf.value for leaf in other.leaves} if other else {}
    opinions = {leaf.path: leaf for leaf in second_opinion.leaves} if second_opinion else {}
    judged = tuple(
        _judged(
            leaf,
            failed,
            accept_at,
            repeated=others.get(leaf.path, leaf.value) == leaf.value,
            opinion=opinions.get(leaf.path),
        )
        for leaf in leaves.values()
    )
    return DocumentFields(values, judged, sum(holds is True for _, holds in held), failed)


def _chosen(schema: Schema, pages: Mapping[int, PageReading]) -> dict[str, Any]:
    """Return an object of the schema's shape with each leaf as the pages have it best."""
    scalar = {leaf.keys: _choose(leaf, pages) for leaf in scalars(schema)}
    tree: dict[str, Any] = {}
    for member in schema.members:
        match member:
            case Field(name=name):
                tree[name] = scalar[name,]
            case Group(name=name, fields=fields):
                tree[name] = {field.name: scalar[name, field.name] for field in fields}
            case Table(name=name):
                tree[name] = _join(member, pages)
    return tree


def _choose(leaf: Scalar, pages: Mapping[int, PageReading]) -> _Raw:
    """Return the leaf from the page that has it best."""
    found = [
        _Raw(leaf.path, leaf.field, text, number, page.evidence.get(leaf.path, _UNKNOWN))
        for number, page in pages.items()
        if (text := leaf.text(page.raw_fields or {})) is not None
    ]
    # max() keeps the first of equals.
    return max(
        found,
        key=lambda raw: (bool(raw.text), raw.evidence.grounded is not False, _own_score(raw)),
        default=_Raw(leaf.path, leaf.field, None, evidence=_absence(leaf, pages)),
    )


def _own_score(raw: _Raw) -> float:
    """Return how sure the engine itself is, 0 if the score only compares its text with the OCR."""
    score = raw.evidence.score if raw.evidence.grounded is None else None
    return score or 0.0


def _absence(leaf: Scalar, pages: Mapping[int, PageReading]) -> Evidence:
    """Return how sure it is that no page has a leaf: the product, if every page has a score."""
    scores = [page.evidence.get(leaf.path, _UNKNOWN).score for page in pages.values()]
    known = [score for score in scores if score is not None]
    return Evidence(score=math.prod(known) if len(known) == len(scores) else None)


def _join(table: Table, pages: Mapping[int, PageReading]) -> list[dict[str, _Raw]]:
    """Return the rows of all pages, each cell by its column's name."""
    given = [(page.raw_fields or {})[table.name] for page in pages.values()]
    joined: list[dict[str, _Raw]] = []
    for (number, page), kept in zip(pages.items(), drop_page_break_rows(table, given), strict=True):
        for at, row in kept:
            joined.append(
                {
                    column.name: _Raw(
                        cell_path(table, len(joined), column),
                        column,
                        row[column.name],
                        number,
                        page.evidence.get(cell_path(table, at, column), _UNKNOWN),
                    )
                    for column in table.columns
                }
            )
    return joined


def _mapped(tree: Any, of: Callable[[_Raw], Any]) -> Any:
    """Return a tree of the same shape, with what `of` makes of each leaf."""
    match tree:
        case dict():
            return {name: _mapped(each, of) for name, each in tree.items()}
        case list():
            return [_mapped(each, of) for each in tree]
    return of(tree)


def _leaves(tree: Mapping[str, Any], hints: Hints) -> Iterator[FieldValue]:
    for name, member in tree.items():
        match member:
            case list():
                cells = [raw for row in member for raw in row.values()]
                page = cells[0].page if cells else None
                yield FieldValue(name, status="found" if cells else "absent", page=page)
                yield from (_leaf(raw, hints) for raw in cells)
            case dict():
                yield from (_leaf(raw, hints) for raw in member.values())
            case _:
                yield _leaf(member, hints)


def _leaf(raw: _Raw, hints: Hints) -> FieldValue:
    """Return a leaf with its normalised value; its confidence is yet the score of its evidence."""
    if raw.text is None:
        return FieldValue(raw.path, confidence=raw.evidence.score)
    leaf = FieldValue(
        raw.path,
        raw=raw.text,
        status="blank",
        page=raw.page,
        box=raw.evidence.box,
        confidence=raw.evidence.confidence,
        grounded=raw.evidence.grounded,
    )
    if not raw.text:
        return leaf
    value = normalise(raw.field, raw.text, hints)
    if value is None:
        return replace(leaf, status="invalid")
    return replace(leaf, status="found", value=json.dumps(value, ensure_ascii=False))


def _counted(leaf: FieldValue, table: Table, pages: Mapping[int, PageReading]) -> FieldValue:
    """Return a table's own leaf with its missing rows, where the pages' rows were counted."""
    read = {number: len((page.raw_fields or {})[table.name]) for number, page in pages.items()}
    shown = sum(max(page.rows_shown.get(table.name, 0), read[n]) for n, page in pages.items())
    if not any(table.name in page.rows_shown for page in pages.values()):
        return leaf
    missing = shown - sum(read.values())
    checks = (f"rows: {shown - missing} of {shown} read",) if missing else ()
    return replace(leaf, confidence=(shown - missing) / shown, checks=checks)


def _judged(
    leaf: FieldValue,
    failed: tuple[Check, ...],
    accept_at: Mapping[str, float] | None,
    *,
    repeated: bool,
    opinion: FieldValue | None,
) -> FieldValue:
    """Return a leaf with the checks that it fails and the confidence that they leave."""
    pattern = pattern_of(leaf.path)
    checks = tuple(str(check) for check in failed if pattern in check.paths)
    agrees = opinion is not None and (opinion.status, opinion.value) == (leaf.status, leaf.value)
    confidence = confidence_of(
        leaf.status,
        leaf.confidence,
        len(checks),
        repeated=repeated,
        agreeing=opinion.confidence if opinion and agrees and leaf.status == "found" else None,
    )
    return replace(
        leaf,
        checks=(*leaf.checks, *checks),
        confidence=confidence,
        accepted=is_accepted(pattern, confidence, accept_at),
    )
