"""Evidence of fields: where each text of a raw tree stands among the words of its page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ocr_extractor.contract import Pair
from ocr_extractor.engines.base import Evidence
from ocr_extractor.fields.raw_tree import cell_path, scalars, tables
from ocr_extractor.fields.rows import count_rows
from ocr_extractor.grounding.ground import place, tightened
from ocr_extractor.grounding.row_search import place_rows, text_rows
from ocr_extractor.grounding.text_search import Finding, PageIndex

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocr_extractor.fields.raw_tree import RawTree
    from ocr_extractor.fields.schema import Field, Schema
    from ocr_extractor.ocr.recognition import OcrPage


def find_evidence(
    schema: Schema, tree: RawTree, ocr: OcrPage
) -> tuple[dict[str, Evidence], dict[str, int]]:
    """Look up the texts of a page's fields.

    A scalar is placed as the answer of a pair, whose question is the label of its field that the
    page shows best. The cells of a table's row stand in one row of the page.

    Args:
        schema: The fields.
        tree: What an engine read on the page.
        ocr: What the OCR read on it.

    Returns:
        Evidence by path, boxes in px of the page as given, for every text and every blank.
        `grounded` is False where a text is not found; of a blank it says whether a label is. And
        the rows that the page shows, by table, where they can be counted.
    """
    if not ocr.words:
        return dict.fromkeys(_paths(schema, tree), Evidence(score=0.0, grounded=False)), {}
    index = PageIndex(ocr.words)
    found = _find_scalars(schema, tree, index)
    rows, shown = text_rows(ocr.words), {}
    taken = [finding.box for finding in found.values() if finding.box]
    for table in tables(schema):
        cells = [[row[column.name] for column in table.columns] for row in tree[table.name]]
        placed = place_rows(cells, rows, index)
        if (count := count_rows(cells, placed, rows, taken)) is not None:
            shown[table.name] = count
        for at, findings in enumerate(placed):
            for column, text, finding in zip(table.columns, cells[at], findings, strict=True):
                if text:
                    found[cell_path(table, at, column)] = finding
    boxes = tightened([finding.box for finding in found.values()], ocr.words, ocr.image)
    evidence = {
        path: Evidence(
            ocr.orientation.box_as_given(box),
            min(max(finding.score, 0.0), 1.0),
            bool(finding.mask),
            finding.ocr_score if finding.mask else None,
        )
        for (path, finding), box in zip(found.items(), boxes, strict=True)
    }
    return evidence, shown


def probabilities(evidence: Mapping[str, Evidence]) -> dict[str, Evidence]:
    """Return what the LLM says of the texts' probability, without what the page says."""
    return {
        path: Evidence(probability=each.probability)
        for path, each in evidence.items()
        if each.probability is not None
    }


def shifted(evidence: Mapping[str, Evidence], rows: Mapping[str, int]) -> dict[str, Evidence]:
    """Return evidence with the cells of some tables so many rows further down."""
    moved = {}
    for path, each in evidence.items():
        table, _, cell = path.partition("[")
        row, _, column = cell.partition("]")
        moved[f"{table}[{int(row) + rows[table]}]{column}" if table in rows else path] = each
    return moved


def _paths(schema: Schema, tree: RawTree) -> list[str]:
    paths = [leaf.path for leaf in scalars(schema) if leaf.text(tree) is not None]
    return paths + [
        cell_path(table, at, column)
        for table in tables(schema)
        for at, row in enumerate(tree[table.name])
        for column in table.columns
        if row[column.name]
    ]


def _find_scalars(schema: Schema, tree: RawTree, index: PageIndex) -> dict[str, Finding]:
    read = [(leaf, text) for leaf in scalars(schema) if (text := leaf.text(tree)) is not None]
    pairs = [Pair(_label(leaf.field, index), text or None) for leaf, text in read]
    placed = place(pairs, index)
    found = {}
    for (leaf, text), (label, answer) in zip(read, placed, strict=True):
        found[leaf.path] = answer if text else replace(label, box=None)
    return found


def _label(field: Field, index: PageIndex) -> str:
    """Return the label of a field that the page shows best, "" if it shows none."""
    best, shown = 0.0, ""
    for label in (*field.labels, field.name.replace("_", " ")):
        if (findings := index.find(label)) and findings[0].worth > best:
            best, shown = findings[0].worth, label
    return shown
