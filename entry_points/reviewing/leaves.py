"""What is reviewed of a document: its leaves by path. Pairs are rows of a table `pairs`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from data.annotations import LabelledPair
from data.errors import DatasetError
from data.field_schema import FieldSchema, parse_schema, pattern
from data.fields import from_leaves, parse_value
from entry_points.scoring.fields import shown
from ocr_extractor.fields import members
from ocr_extractor.fields.normalisation import Hints, normalise
from ocr_extractor.fields.schema import Schema

PAIRS, QUESTION, ANSWER = "pairs", "question", "answer"
_PAIRS_SCHEMA = {
    "title": "pairs",
    "type": "object",
    "properties": {
        PAIRS: {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {QUESTION: {"type": "string"}, ANSWER: {"type": ["string", "null"]}},
            },
        }
    },
}
_NUMBER = re.compile(r"\[(\d+)\]")
# A text that a person types into a field, characters.
_LONGEST = 10_000


class Leaf(BaseModel):
    """One value under review.

    Attributes:
        raw: The text as it is printed; None for what is not on the document.
        value: What the text means, a JSON scalar; None unless the status is "found".
        status: As in the output of the model.
        page: The page it stands on, from 1.
        box: px of the page.
        ok: Whether a person, or `accept_at`, has accepted it.
        confidence: The model's; None for what a person has entered.
        grounded: The same.
        origin: Its path in the prediction, "" for a row that was added.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    raw: Annotated[str, Field(max_length=_LONGEST)] | None = None
    value: str | bool | int | float | None = None
    status: Literal["found", "blank", "absent", "invalid"] = "absent"
    page: Annotated[int, Field(ge=1)] | None = None
    box: tuple[int, int, int, int] | None = None
    ok: bool = False
    confidence: float | None = None
    grounded: bool | None = None
    origin: Annotated[str, Field(max_length=200)] = ""


Leaves = Mapping[str, Leaf]


class Task:
    """The kind of values that are reviewed."""

    def __init__(self, document: Mapping[str, Any] | None) -> None:
        """Take a schema.

        Args:
            document: The JSON Schema of the fields; None for pairs.

        Raises:
            SchemaError: It cannot be used.
            DatasetError: The same.
        """
        self.is_pairs = document is None
        self.schema = Schema.parse(_PAIRS_SCHEMA if document is None else document)
        self.shape: FieldSchema = parse_schema(self.schema.document, "the schema")
        self._fields = self.schema.leaves()

    def read(self, row: Mapping[str, Any]) -> dict[str, Leaf]:
        """Return the leaves as predicted; a failed document has its scalars, as absent."""
        leaves = dict.fromkeys(self.shape.scalars, Leaf())
        found = self._of_pairs(row) if self.is_pairs else self._of_fields(row)
        return leaves | dict(found)

    def _of_fields(self, row: Mapping[str, Any]) -> Iterator[tuple[str, Leaf]]:
        for leaf in row["fields"] or ():
            if pattern(path := leaf["path"]) in self._fields:
                value = json.loads(leaf["value"] or "null")
                kept = ("status", "page", "box", "confidence", "grounded")
                ok = bool(leaf["accepted"])
                told = {name: leaf[name] for name in kept}
                yield path, _predicted(leaf["raw"], **told, value=value, ok=ok, origin=path)

    @staticmethod
    def _of_pairs(row: Mapping[str, Any]) -> Iterator[tuple[str, Leaf]]:
        for number, pair in enumerate(row["pairs"]):
            for side in (QUESTION, ANSWER):
                text, path = pair[side], f"{PAIRS}[{number}].{side}"
                yield (
                    path,
                    _predicted(
                        text or "",
                        value=text,
                        status="found" if text else "blank",
                        page=pair["page"],
                        box=pair[f"{side}_box"],
                        ok=side == QUESTION,  # it is judged with its answer
                        confidence=pair["confidence"],
                        grounded=pair["grounded"],
                        origin=path,
                    ),
                )

    def settled(self, leaves: Leaves, changed: Leaves, read: Leaves) -> dict[str, Leaf]:
        """Return changed leaves with their values.

        Args:
            leaves: All of the document, the changed ones as they were sent.
            changed: Those whose values are computed.
            read: The leaves as predicted; a leaf that equals its prediction keeps its value.
        """
        raws = {path: leaf.raw for path, leaf in leaves.items()}
        hints = Hints.of(self.schema, from_leaves(self.shape, raws))
        return {path: self._settled(path, leaf, read, hints) for path, leaf in changed.items()}

    def _settled(self, path: str, leaf: Leaf, read: Leaves, hints: Hints) -> Leaf:
        first = read.get(leaf.origin)
        if first is not None and (leaf.raw, leaf.status) == (first.raw, first.status):
            return leaf.model_copy(
                update={"value": first.value, "ok": leaf.ok and first.status != "invalid"}
            )
        if leaf.raw is None or leaf.status == "absent":
            return leaf.model_copy(update={"raw": None, "value": None, "status": "absent"})
        if not leaf.raw.strip():
            return leaf.model_copy(update={"raw": "", "value": None, "status": "blank"})
        found = normalise(self._fields[pattern(path)], leaf.raw, hints)
        if found is None:  # a person may write a value as truth files do, where pages do not
            try:
                found = parse_value(self.shape.leaves[pattern(path)], leaf.raw.strip())
            except DatasetError:
                return leaf.model_copy(update={"value": None, "status": "invalid", "ok": False})
        return leaf.model_copy(update={"value": found, "status": "found"})

    def notes(self, row: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the prediction's remarks on whole tables, such as rows that were not read."""
        if self.is_pairs:
            return {}
        known = set(map(str, self.schema.checks))
        notes = {
            leaf["path"]: [each for each in leaf["checks"] if each not in known]
            for leaf in row["fields"] or ()
            if leaf["path"] in self.shape.tables
        }
        return {path: texts for path, texts in notes.items() if texts}

    def checks(self, leaves: Leaves) -> list[dict[str, Any]]:
        """Return where each check fails, as (row or None, numbers)."""
        values = self.values(leaves)
        return [{"failures": check.failures(values)} for check in self.schema.checks]

    def values(self, leaves: Leaves) -> dict[str, Any]:
        """Return the values in the schema's shape."""
        return from_leaves(self.shape, {path: leaf.value for path, leaf in leaves.items()})

    def is_judged(self, path: str) -> bool:
        """Tell whether a leaf is accepted by itself; a question is with its answer."""
        return not (self.is_pairs and path.endswith(f".{QUESTION}"))

    def objections(self, leaves: Leaves) -> dict[str, str]:
        """Return why a document cannot be accepted yet, by path."""
        found = {
            path: f"is {leaf.status}" if leaf.status == "invalid" else "needs a decision"
            for path, leaf in leaves.items()
            if not leaf.ok
        }
        if self.is_pairs:
            found |= {
                path: "is an answer's question: it cannot be blank"
                for path, leaf in leaves.items()
                if path.endswith(f".{QUESTION}") and leaf.status != "found"
            }
        return found

    def confirmed(self, leaves: Leaves) -> list[LabelledPair]:
        """Return what truth files are made of: pairs, or paths with their values."""
        if not self.is_pairs:
            return [
                LabelledPair(path, shown(leaf.value), leaf.page or 1, None, leaf.box)
                for path, leaf in leaves.items()
            ]
        rows: dict[int, dict[str, Leaf]] = {}
        for path, leaf in leaves.items():
            rows.setdefault(row_of(path), {})[path.rpartition(".")[2]] = leaf
        return [
            LabelledPair(
                str(row[QUESTION].value),
                None if row[ANSWER].value is None else str(row[ANSWER].value),
                row[QUESTION].page or row[ANSWER].page or 1,
                row[QUESTION].box,
                row[ANSWER].box,
            )
            for _, row in sorted(rows.items())
        ]

    def kept(self, leaves: Leaves, read: Leaves) -> tuple[int, int]:
        """Return how many predicted values are right as they were read, and how many there were."""
        of = {leaf.origin: leaf for leaf in leaves.values()}
        same = [path for path, leaf in read.items() if path in of and of[path].value == leaf.value]
        if not self.is_pairs:
            return len(same), len(read)
        rows = [row_of(path) for path in same]
        return sum(rows.count(each) == 2 for each in set(rows)), len(read) // 2

    @cached_property
    def described(self) -> list[dict[str, Any]]:
        """The fields and tables in the schema's order, for the page."""
        return [each for member in self.schema.members for each in _described(member)]

    @property
    def described_checks(self) -> list[dict[str, Any]]:
        """The checks in the schema's order, for the page."""
        return [{"text": str(each), "paths": each.paths} for each in self.schema.checks]


def _predicted(raw: str | None, **more: Any) -> Leaf:
    """Return a leaf as predicted; of a very long text a part is shown, and a person must decide."""
    if raw is not None and len(raw) > _LONGEST:
        raw, more = raw[:_LONGEST], more | {"ok": False, "grounded": False}
    return Leaf(raw=raw, **more)


def row_of(path: str) -> int:
    """Return the number of the row that a cell's path has; -1 for a scalar's."""
    found = _NUMBER.search(path)
    return int(found[1]) if found else -1


def _described(member: members.Member, group: str = "") -> Iterator[dict[str, Any]]:
    match member:
        case members.Group(name=name, fields=fields):
            for each in fields:
                yield from _described(each, f"{name}.")
        case members.Table(name=name, columns=columns, description=text):
            inner = [each for column in columns for each in _described(column)]
            yield {"path": name, "description": text, "columns": inner}
        case members.Field(name=name, description=text, type=kind, enum=enum):
            yield {
                "path": group + name,
                "description": text,
                "type": member.semantic_type or kind,
                "enum": list(enum),
                "critical": member.critical,
            }
