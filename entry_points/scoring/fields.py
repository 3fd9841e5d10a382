"""What a document says field by field, and how a reading of it is scored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data.field_schema import FieldSchema, pattern
from data.fields import FieldDocument, Place, to_leaves
from entry_points.scoring.field_cells import Cell, FieldAlignment, Rows, align_fields
from entry_points.scoring.field_score import Became, FieldScore, Share, metric_names
from entry_points.scoring.mistakes import Mistakes
from entry_points.scoring.scores import is_failed, is_unparsed

SAME_BOX = 0.5
"""Least overlap of two boxes (intersection over union) that mean the same place."""


@dataclass(frozen=True, slots=True)
class FieldTruth:
    """What a document says, field by field.

    Attributes:
        schema: Its fields.
        values: The true values in the schema's shape.
        places: Where values stand, by path; empty when that is not known.
    """

    schema: FieldSchema
    values: Mapping[str, Any]
    places: Mapping[str, Place] = field(default_factory=dict)

    @classmethod
    def of(cls, document: FieldDocument) -> FieldTruth:
        """Take the values out of a document."""
        return cls(document.schema, document.values, document.places)

    def stated(self) -> list[tuple[str, str | None]]:
        """Return the path of each value in the document with the value as text, None for null."""
        return [(path, shown(v) or None) for path, v in to_leaves(self.schema, self.values)]

    def align(self, outputs: Mapping[str, Any], *, lenient: bool = False) -> FieldAlignment:
        """Set a row of the output beside the true values; a failed one has missed all of them."""
        read = {} if is_failed(outputs, "values") else json.loads(outputs["values"])
        return align_fields(self.schema, self.values, read, lenient=lenient)

    def score(self, outputs: Mapping[str, Any] | None) -> FieldScore:
        """Score one row of the model's output.

        A failed document (no row, an `error_code`, or no `values`) misses everything and scores 0
        in every metric.
        """
        if outputs is None or is_failed(outputs, "values"):
            return self._failed(outputs)
        leaves = {leaf["path"]: leaf for leaf in outputs["fields"] or ()}
        found = self.align(outputs)
        shares = {
            "value_f1": (_f1(found.cells), 1.0),
            "value_f1_lenient": (_f1(self.align(outputs, lenient=True).cells), 1.0),
            "document_accuracy": (float(all(cell.is_right for cell in found.cells)), 1.0),
            "null_honesty": _null_honesty(found.cells),
            "invalid_rate": _invalid_rate(leaves.values()),
            "grounding_f1": self._grounding(found.cells, leaves),
            "check_pass_rate": self._checks(leaves.values()),
            "coverage": (1.0, 1.0),
            "parse_failure_rate": (0.0, 1.0),
        }
        tally = _tally(self.schema, found, leaves)
        return self._scored(shares, found, tally, _mistakes(found.cells, leaves))

    def judged(self, outputs: Mapping[str, Any]) -> list[tuple[float, bool]]:
        """Return the confidence of each leaf that was read, and whether it is right."""
        return [(confidence, right) for _, confidence, right in self.judged_leaves(outputs)]

    def judged_leaves(self, outputs: Mapping[str, Any]) -> list[tuple[str, float, bool]]:
        """Return (path in the schema, confidence, whether it is right) of each leaf.

        A leaf is right, too, when nothing is there and nothing was read. What has no confidence is
        left out, and so are the leaves of whole tables.
        """
        if is_failed(outputs, "values"):
            return []
        right = {cell.read_path: cell.is_right for cell in self.align(outputs).cells}
        return [
            (pattern(leaf["path"]), leaf["confidence"], right[leaf["path"]])
            for leaf in outputs["fields"] or ()
            if leaf["confidence"] is not None and leaf["path"] in right
        ]

    def document_confidence(self, outputs: Mapping[str, Any]) -> float | None:
        """Return the confidence of the least confident leaf; None where one has none, or it failed.

        Leaves of whole tables, and leaves where nothing was read, need none.
        """
        if is_failed(outputs, "values"):
            return None
        known = [
            leaf["confidence"]
            for leaf in outputs["fields"] or ()
            if leaf["confidence"] is not None or leaf["value"] is not None
        ]
        return min(known) if known and None not in known else None

    def _failed(self, outputs: Mapping[str, Any] | None) -> FieldScore:
        found = self.align(outputs or {})
        cells = found.cells
        names = ("value_f1", "value_f1_lenient", "document_accuracy", "coverage")
        shares = dict.fromkeys(names, (0.0, 1.0))
        shares["null_honesty"] = (0.0, _null_honesty(cells)[1])
        shares["invalid_rate"] = (0.0, 0.0)
        shares["grounding_f1"] = (0.0, float(bool(self.places)))
        shares["check_pass_rate"] = (0.0, float(len(self.schema.checks)))
        shares["parse_failure_rate"] = (float(is_unparsed(outputs)), 1.0)
        missed = tuple(cell.true_path for cell in cells if cell.true_path and cell.true is not None)
        tally = {
            path: {kind: count for kind, count in counts.items() if kind != "null"}
            for path, counts in _tally(self.schema, found, {}).items()
        }
        return self._scored(shares, found, tally, Mistakes(missed=missed), failed=True)

    def _scored(
        self,
        shares: Mapping[str, Share],
        found: FieldAlignment,
        tally: Mapping[str, Mapping[str, int]],
        mistakes: Mistakes,
        *,
        failed: bool = False,
    ) -> FieldScore:
        names = metric_names(self.schema)
        wholes, parts = Counter[str](), Counter[str]()
        for cell in found.cells:
            wholes[cell.leaf] += (cell.true_path is not None) + (cell.read_path is not None)
            parts[cell.leaf] += 2 * (cell.is_right and not failed)
        fields = {name: (float(parts[leaf]), float(wholes[leaf])) for leaf, name in names.items()}
        critical = tuple(names[path] for path in self.schema.critical)
        return FieldScore({**shares, **fields}, tally, critical, mistakes)

    def _grounding(self, cells: Sequence[Cell], leaves: Mapping[str, Mapping[str, Any]]) -> Share:
        """Return the F1 of the boxes: one is right only with a right value.

        Only cells whose true place is known are looked at (ExtractBench): a box of another cell
        can be neither right nor wrong.
        """
        known = [cell for cell in cells if cell.true_path in self.places]
        if not known:
            return 0.0, 0.0
        read = [leaves.get(cell.read_path or "", {}) for cell in known]
        claims = sum(leaf.get("box") is not None for leaf in read)
        right = sum(
            cell.is_right and _is_at(self.places[cell.true_path or ""], leaf)
            for cell, leaf in zip(known, read, strict=True)
        )
        return 2 * right / (len(known) + claims), 1.0

    def _checks(self, leaves: Iterable[Mapping[str, Any]]) -> Share:
        """Return how many of the schema's checks hold; one that could not be made holds."""
        checks = len(self.schema.checks)
        made = {check for leaf in leaves for check in leaf["checks"] or ()}
        failed = made & set(self.schema.checks)  # a table's leaf also says which rows are missing
        return float(max(0, checks - len(failed))), float(checks)


def _f1(cells: Sequence[Cell]) -> float:
    """Return the unified value F1 of one document: a correct null counts as every other value."""
    both = sum((cell.true_path is not None) + (cell.read_path is not None) for cell in cells)
    return 2 * sum(cell.is_right for cell in cells) / both if both else 1.0


def _null_honesty(cells: Sequence[Cell]) -> Share:
    nulls = [cell for cell in cells if cell.true is None and cell.true_path and cell.read_path]
    return float(sum(cell.is_right for cell in nulls)), float(len(nulls))


def _invalid_rate(leaves: Iterable[Mapping[str, Any]]) -> Share:
    read = [leaf["status"] for leaf in leaves if leaf["raw"]]
    return float(read.count("invalid")), float(len(read))


def _is_at(place: Place, leaf: Mapping[str, Any]) -> bool:
    if leaf.get("box") is None or leaf["page"] != place.page:
        return False
    (a, b, c, d), (e, f, g, h) = place.box, leaf["box"]
    common = max(0, min(c, g) - max(a, e)) * max(0, min(d, h) - max(b, f))
    either = (c - a) * (d - b) + (g - e) * (h - f) - common
    return bool(common >= SAME_BOX * either > 0)


def _tally(
    schema: FieldSchema, found: FieldAlignment, leaves: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = {path: Counter() for path in schema.leaves}
    for cell in found.cells:
        counted[cell.leaf][what_became(cell, leaves)] += 1
    tally = {path: dict(counts) for path, counts in counted.items()}
    return tally | {path: _rows(rows) for path, rows in found.rows.items()}


def what_became(cell: Cell, leaves: Mapping[str, Mapping[str, Any]]) -> Became:
    """Return one of `KINDS`; the leaves of the output by path say what could not be normalised."""
    status = leaves.get(cell.read_path or "", {}).get("status")
    return "invalid" if cell.kind == "missed" and status == "invalid" else cell.kind


def _rows(rows: Rows) -> dict[str, int]:
    missing = max(0, rows.true - rows.read)
    extra = max(0, rows.read - rows.true)
    return {"rows": rows.true, "rows missing": missing, "rows extra": extra}


def _mistakes(cells: Sequence[Cell], leaves: Mapping[str, Mapping[str, Any]]) -> Mistakes:
    kinds = [(cell, what_became(cell, leaves)) for cell in cells]
    raw = {path: leaf["raw"] for path, leaf in leaves.items()}
    misread = [
        (f"{cell.read_path}: {raw.get(cell.read_path or '') or shown(cell.read)}", shown(cell.true))
        for cell, kind in kinds
        if kind in {"misread", "invalid"}
    ]
    missed = [cell.true_path for cell, kind in kinds if kind == "missed" and cell.true_path]
    invented = [cell.read_path for cell, kind in kinds if kind == "invented" and cell.read_path]
    return Mistakes(misread=tuple(misread), missed=tuple(missed), invented=tuple(invented))


def shown(value: Any) -> str:
    """Return a value as a person reads it; "" for null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
