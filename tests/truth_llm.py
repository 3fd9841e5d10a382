"""An LLM on loopback that copies true values as a page prints them, with errors that are known."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from typing import Any

from babel.dates import format_date

from data.field_schema import FieldSchema
from data.fields import FieldDocument, to_leaves
from tests.llm_servers.completions import completion

Tree = dict[str, Any]
INVENTED = "Qwxz Vjkq 90210"
ERRORS = ("none", "wrong format", "swapped day and month", "missing rows", "invented value")


def printed_forms(kind: str, value: Any, order: str) -> Iterator[str]:
    """Yield how a true value may be printed, the likeliest first.

    Args:
        kind: The type of its leaf.
        value: The value, not null.
        order: The order of dates in figures, dmy or mdy.
    """
    if kind == "date":
        day = date.fromisoformat(value)
        for (d, m, y), between in product(
            [("%d", "%m", "%Y"), ("%-d", "%-m", "%Y"), ("%d", "%m", "%y"), ("%-d", "%-m", "%y")],
            "/.-",
        ):
            parts = {"d": d, "m": m, "y": y}
            yield day.strftime(between.join(parts[each] for each in order))
        yield value
        for locale, width in product(("en_GB", "en_US", "de", "fr"), ("long", "medium")):
            yield format_date(day, width, locale=locale)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        for decimals in (2, 3, 4):
            if round(value, decimals) == value:
                english = f"{value:,.{decimals}f}"
                german = english.translate(str.maketrans(",.", ".,"))
                yield from (english, german, english.replace(",", ""), german.replace(".", ""))
        if value == int(value):
            yield str(int(value))
    else:
        yield str(value)
        yield from {"EUR": ("€",), "USD": ("US$",), "GBP": ("£",)}.get(str(value), ())


def as_printed(kind: str, value: Any, order: str, text: str) -> str:
    """Return a value as the text has it; in its likeliest form where the text does not have it."""
    forms = list(printed_forms(kind, value, order))
    shown = squeezed(text)
    return next((form for form in forms if squeezed(form) in shown), forms[0])


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text).casefold()


@dataclass
class TruthLlm:
    """For `CheckingLlm.answer`: one document, whose text the prompt holds.

    Attributes:
        document: What is read.
        order: The order of its dates in figures.
        error: One of `ERRORS`.
        page_texts: Of a document of several pages, to tell which rows stand where; as the prompt
            has them.
        spoiled: The paths that were given wrong, in the first answer.
    """

    document: FieldDocument
    order: str
    error: str = "none"
    page_texts: Sequence[str] = ()
    spoiled: set[str] = field(default_factory=set)

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        return completion(json.dumps(self.answer(body["messages"][0]["content"])))

    def answer(self, told: str) -> Tree:
        """Return the raw texts of the page that the prompt shows."""
        schema, values = self.document.schema, copy.deepcopy(dict(self.document.values))
        tree: Tree = {
            path: self._text(leaf.type, values.get(path), told)
            for path, leaf in schema.scalars.items()
        }
        for path, columns in schema.tables.items():
            tree[path] = [
                {name: self._text(leaf.type, row[name], told) for name, leaf in columns.items()}
                for row in values[path]
                if self._stands_on(row, told)
            ]
        self._spoil(schema, tree)
        return tree

    def _text(self, kind: str, value: Any, told: str) -> str | None:
        return None if value is None else as_printed(kind, value, self.order, told)

    def _stands_on(self, row: Mapping[str, Any], told: str) -> bool:
        """Tell whether a row stands on the page of the prompt more than on any other."""
        if len(self.page_texts) < 2:
            return True
        found = [self._likeness(row, text) for text in self.page_texts]
        here = next(n for n, text in enumerate(self.page_texts) if text and text in told)
        return found.index(max(found)) == here

    def _likeness(self, row: Mapping[str, Any], text: str) -> int:
        shown = squeezed(text)
        forms = (
            printed_forms("", value, self.order) for value in row.values() if value is not None
        )
        return sum(any(squeezed(form) in shown for form in each) for each in forms)

    def _spoil(self, schema: FieldSchema, tree: Tree) -> None:
        kinds = {path: leaf.type for path, leaf in schema.scalars.items() if tree[path] is not None}
        if self.error == "wrong format":
            for path in [path for path, kind in kinds.items() if kind in {"number", "date"}][-1:]:
                tree[path] = "as agreed"
                self.spoiled.add(path)
        if self.error == "swapped day and month":
            for path in (path for path, kind in kinds.items() if kind == "date"):
                day = date.fromisoformat(str(self.document.values[path]))
                if day.day <= 12 and day.day != day.month:
                    tree[path] = day.replace(month=day.day, day=day.month).strftime(
                        "%d/%m/%Y" if self.order == "dmy" else "%m/%d/%Y"
                    )
                    self.spoiled.add(path)
        if self.error == "missing rows":
            for path in schema.tables:
                if len(tree[path]) > 3:
                    del tree[path][-2:]
                    self.spoiled.add(path)
        if self.error == "invented value":
            path = next(path for path, leaf in schema.scalars.items() if leaf.type == "string")
            tree[path] = INVENTED
            self.spoiled.add(path)


def value_f1(document: FieldDocument, read: Mapping[str, Any]) -> float:
    """Compute ExtractBench's unified value F1 without the project's scoring: by trying pairings."""
    from scipy.optimize import linear_sum_assignment

    def same(path: str, one: Any, other: Any) -> bool:
        kind = document.schema.leaves[path].type
        if one is None or other is None:
            return one is None and other is None
        if kind in {"number", "integer"}:
            return bool(round(abs(one - other), 6) <= 0.005)
        if kind == "string":
            one, other = (
                "".join(c for c in str(each) if c.isalnum()).casefold() for each in (one, other)
            )
        return bool(one == other)

    right = sum(same(path, document.values[path], read[path]) for path in document.schema.scalars)
    total = 2 * len(document.schema.scalars)
    for table, columns in document.schema.tables.items():
        ours, theirs = document.values[table], read[table]
        gain = [
            [sum(same(f"{table}[].{name}", a[name], b[name]) for name in columns) for b in theirs]
            for a in ours
        ]
        if ours and theirs:
            rows, others = linear_sum_assignment(gain, maximize=True)
            right += sum(gain[row][other] for row, other in zip(rows, others, strict=True))
        total += (len(ours) + len(theirs)) * len(columns)
    return 2 * right / total


def wrong_leaves(document: FieldDocument, row: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the leaves of a row of the output that do not have the true value, by their path."""
    true = dict(to_leaves(document.schema, document.values))
    wrong = {}
    for leaf in row["fields"]:
        value, truth = json.loads(leaf["value"] or "null"), true.get(leaf["path"])
        if isinstance(value, str) and isinstance(truth, str):
            value, truth = squeezed(value), squeezed(truth)
        if value != truth:
            wrong[leaf["path"]] = leaf
    return wrong
