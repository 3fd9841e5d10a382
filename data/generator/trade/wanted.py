"""Draws schemas: what somebody may want to know of a kind of document, in the words of many."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Literal

from data.generator.trade.canvas import Place
from data.generator.trade.draft import Order

Kind = Literal["receipts", "invoices", "orders", "broadcasts"]

KINDS: tuple[Kind, ...] = ("receipts", "invoices", "orders", "broadcasts")

LANGUAGES = ("en", "de", "fr", "es")

_TABLES = {"receipts": "items", "invoices": "items", "orders": "items", "broadcasts": "lines"}
_TABLE_NAMES = {
    "items": ("items", "line_items", "positions", "articles", "rows", "products"),
    "lines": ("lines", "spots", "line_items", "schedule", "buylines"),
}
_TABLE_TOLD = {
    "items": ("One row for each position", "What was sold", "Line items, not the sums", ""),
    "lines": ("One row for each line of the order", "The spots that were bought", ""),
}
_GROUPS = {
    "seller": ("seller", "supplier", "vendor", "issuer"),
    "supplier": ("supplier", "vendor"),
    "buyer": ("buyer", "customer", "client"),
}
_CHECKS = {
    "receipts": ("{paid} - {total} == {change}",),
    "invoices": ("{net} + {tax} == {total}", "{date} <= {due}"),
    "orders": ("{net} + {tax} == {total}",),
    "broadcasts": ("{gross} - {commission} == {net}", "{start} <= {end}"),
}
_ROW_CHECKS = {
    "items": "{quantity} * {unit_price} == {amount}",
    "lines": "{spots} * {rate} == {amount}",
}
_TAX = {"en": "VAT", "de": "MwSt.", "fr": "TVA", "es": "IVA"}
_ORDERED = {"dmy": "printed day first", "mdy": "printed month first"}
_SLOT = re.compile(r"\{(\w+)\}")


@cache
def concepts(kind: str) -> dict[str, dict[str, Any]]:
    """Return what may be asked of a kind of document, or of the rows of a table, by name."""
    known = tomllib.loads((Path(__file__).parent / "concepts.toml").read_text(encoding="utf-8"))
    if kind == "orders":
        shared = (
            *("contact", "currency", "net", "tax", "total", "customer_number", "tax_rate"),
            *("reference", "contract"),
        )
        known["orders"] |= {name: known["invoices"][name] for name in shared}
    found: dict[str, dict[str, Any]] = known[kind]
    return found


@dataclass(frozen=True)
class Wanted:
    """A schema, and which facts of a drawn document its fields are.

    Attributes:
        schema: The JSON Schema.
        facts: The fact of each leaf, by the leaf's path: `items[].price` -> `items[].unit_price`.
        order: In which documents that go with it print the figures of dates.
    """

    schema: dict[str, Any]
    facts: Mapping[str, str]
    order: Order

    def truth(
        self, values: Mapping[str, Any], places: Mapping[str, tuple[Place, ...]]
    ) -> tuple[dict[str, Any], dict[str, tuple[Place, ...]]]:
        """Return the true values in the schema's shape, and where each leaf stands.

        Args:
            values: Of all facts of a document.
            places: Of those that are printed on it; the others are null.
        """
        shaped: dict[str, Any] = {}
        found: dict[str, tuple[Place, ...]] = {}
        rows: dict[str, dict[str, dict[str, Any]]] = {}
        for leaf, fact in self.facts.items():
            if "[]" not in leaf:
                *groups, name = leaf.split(".")
                target = shaped
                for group in groups:
                    target = target.setdefault(group, {})
                target[name] = values[fact] if fact in places else None
                if fact in places:
                    found[leaf] = places[fact]
                continue
            table, name = leaf.split("[].")
            shaped[table] = []
            each = re.compile(re.escape(fact).replace(r"\[\]", r"\[(\d+)\]"))
            for path in places:
                if match := each.fullmatch(path):
                    rows.setdefault(table, {}).setdefault(match[1], {})[name] = path
        for table, numbered in rows.items():
            names = [leaf.split("[].")[1] for leaf in self.facts if leaf.startswith(f"{table}[]")]
            for place, number in enumerate(sorted(numbered, key=int)):
                cells = numbered[number]
                shaped[table].append(
                    {name: values[cells[name]] if name in cells else None for name in names}
                )
                found |= {f"{table}[{place}].{name}": places[at] for name, at in cells.items()}
        return shaped, found


def draw_wanted(
    kind: Kind, rng: Random, order: Order = "dmy", language: str | None = None
) -> Wanted:
    """Draw a schema for a kind of document.

    Args:
        kind: Of the documents.
        rng: What decides.
        order: Of the dates in figures on the documents.
        language: In which it may name what is printed; None for several.
    """
    maker = _Maker(rng, order, [language] if language and rng.random() < 0.5 else LANGUAGES)
    known = concepts(kind)
    share = rng.choice((0.3, 0.5, 0.7, 1.0))
    chosen = [name for name in known if rng.random() < share]
    chosen += rng.sample(sorted(set(known) - set(chosen)), max(0, 3 - len(chosen)))
    rng.shuffle(chosen)
    if rng.random() < 0.3:
        maker.groups(known, chosen)
    for name in chosen:
        maker.field(name, known[name])
    if rng.random() < 0.65:
        table = _TABLES[kind]
        columns = concepts(table)
        share = rng.choice((0.4, 0.7, 1.0))
        picked = [name for name in columns if rng.random() < share]
        maker.table(table, {name: columns[name] for name in picked or ["amount"]})
    if rng.random() < 0.3:
        maker.checks([*_CHECKS[kind], _ROW_CHECKS[_TABLES[kind]]])
    return Wanted(maker.schema(kind), maker.facts, order)


class _Maker:
    """Puts a schema together."""

    def __init__(self, rng: Random, order: Order, languages: tuple[str, ...] | list[str]) -> None:
        self.facts: dict[str, str] = {}
        self._rng, self._order, self._languages = rng, order, languages
        self._properties: dict[str, Any] = {}
        self._rules: list[str] = []
        # People write all of their fields in one manner.
        self._told, self._labelled, self._typed = (rng.random() for _ in range(3))
        self._foreign = rng.random() < 0.15

    def schema(self, kind: str) -> dict[str, Any]:
        title = self._rng.choice((kind.removesuffix("s"), "document", kind))
        found = _object(self._properties)
        rules = {"x-checks": self._rules} if self._rules else {}
        return {"title": title, **found, **rules}

    def field(self, name: str, concept: Mapping[str, Any]) -> None:
        shown = self._free(concept, self._properties)
        self._properties[shown] = self._leaf(concept)
        self.facts[shown] = name

    def groups(self, known: Mapping[str, Any], chosen: list[str]) -> None:
        """Move what belongs to a seller or a buyer into an object of its own."""
        for group in sorted({known[name].get("group") for name in chosen} - {None}):
            shown = self._rng.choice([each for each in _GROUPS[group] if each not in self.facts])
            members = [name for name in known if known[name].get("group") == group]
            members = [name for name in members if name in chosen]
            for name in members:
                chosen.remove(name)
                self.facts[f"{shown}.{known[name]['short']}"] = name
            leaves = {known[name]["short"]: self._leaf(known[name]) for name in members}
            self._properties[shown] = _object(leaves)

    def table(self, table: str, columns: Mapping[str, Any]) -> None:
        names = [each for each in _TABLE_NAMES[table] if each not in self._properties]
        shown = self._rng.choice(names)
        leaves: dict[str, Any] = {}
        for name, concept in columns.items():
            column = self._free(concept, leaves)
            leaves[column] = self._leaf(concept)
            self.facts[f"{shown}[].{column}"] = f"{table}[].{name}"
        told = self._rng.choice(_TABLE_TOLD[table])
        described = {"description": told} if told else {}
        self._properties[shown] = {"type": "array", **described, "items": _object(leaves)}

    def checks(self, rules: list[str]) -> None:
        """Add those rules whose fields are in the schema."""
        paths = {fact.rpartition(".")[2]: leaf for leaf, fact in self.facts.items() if "[]" in fact}
        alone = {fact: leaf for leaf, fact in self.facts.items() if "[]" not in fact}
        for rule in rules:
            names = paths if "quantity" in rule or "spots" in rule else alone
            if all(name in names for name in _SLOT.findall(rule)):
                written = {name: names[name].replace("[]", "") for name in _SLOT.findall(rule)}
                self._rules.append(rule.format(**written))

    def _leaf(self, concept: Mapping[str, Any]) -> dict[str, Any]:
        rng, kind = self._rng, concept.get("type", "string")
        json_type = "string" if kind == "date" else kind
        leaf: dict[str, Any] = {"type": [json_type, "null"] if rng.random() < 0.8 else json_type}
        told = rng.choice(concept["told"]) if self._told > 0.2 and rng.random() < 0.9 else ""
        if kind == "date":
            leaf["format"] = "date"
            if rng.random() < 0.6:
                told = f"{told or 'Date'}; {_ORDERED[self._order]}"
            else:
                leaf["x-date-order"] = self._order
        semantic = concept.get("x", "")
        # Their values are not what is printed.
        if semantic in {"currency", "iban"} or (semantic and self._typed > 0.5):
            leaf["x-type"] = semantic
        if told:
            leaf["description"] = told
        labels = self._labels(concept)
        if labels and self._labelled > 0.5:
            leaf["x-labels"] = rng.sample(labels, min(len(labels), rng.randint(1, 6)))
        return leaf

    def _labels(self, concept: Mapping[str, Any]) -> list[str]:
        return sorted(
            {
                label.replace("{tax}", _TAX[language])
                for language in self._languages
                for label in concept.get(language, ())
                if "{rate}" not in label
            }
        )

    def _free(self, concept: Mapping[str, Any], taken: Mapping[str, Any]) -> str:
        """Return a name that no other field has."""
        names: list[str] = list(concept["names"])
        labels = self._labels(concept)
        if labels and self._foreign:
            names.insert(0, re.sub(r"[^\w]+", "_", self._rng.choice(labels).lower()).strip("_"))
        free = [name for name in names if name and name not in taken] or [f"{names[-1]}_2"]
        first = 1 if self._rng.random() < 0.2 or self._foreign else len(free)
        return self._rng.choice(free[:first])


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}
