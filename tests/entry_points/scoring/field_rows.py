"""Schemas, and rows of the output as the model gives them, for the tests of fields."""

from __future__ import annotations

import json
from typing import Any

from data.field_schema import FieldSchema, parse_schema

TEXT, NUMBER = {"type": ["string", "null"]}, {"type": ["number", "null"]}
DATE = {"type": ["string", "null"], "format": "date"}
INVOICE = {
    "title": "invoice",
    "type": "object",
    "properties": {
        "number": TEXT,
        "date": DATE,
        "paid": {"type": ["boolean", "null"]},
        "seller": {"type": "object", "properties": {"name": TEXT, "vat": TEXT}},
        "total": {**NUMBER, "x-critical": True},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"text": TEXT, "pieces": {"type": "integer"}, "amount": NUMBER},
            },
        },
    },
    "x-checks": ["sum(items.amount) == total"],
}


def schema() -> FieldSchema:
    return parse_schema(INVOICE, "schema.json")


def values(**changed: Any) -> dict[str, Any]:
    """Return the values of an invoice; by keyword what is different."""
    usual: dict[str, Any] = {
        "number": "A-17",
        "date": "2026-03-09",
        "paid": False,
        "seller": {"name": "Ann Smith & Co.", "vat": None},
        "total": 30.0,
        "items": [
            {"text": "Blue paint", "pieces": 2, "amount": 10.0},
            {"text": "Red paint", "pieces": 4, "amount": 20.0},
        ],
    }
    return usual | changed


def leaf(path: str, value: Any, **changed: Any) -> dict[str, Any]:
    """Return one leaf of the output; by keyword what is different."""
    found = value is not None
    usual: dict[str, Any] = {
        "path": path,
        "value": json.dumps(value) if found else None,
        "raw": str(value) if found else None,
        "status": "found" if found else "absent",
        "page": 1 if found else None,
        "box": None,
        "confidence": 0.9 if found else None,
        "grounded": None,
        "checks": [],
        "accepted": None,
    }
    return usual | changed


def row(read: dict[str, Any], **leaves: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the output.

    Args:
        read: The values that were read.
        leaves: What is different in a leaf, by its path with `__` for `.`.
    """
    listed = []
    for path, value in _flat(read):
        listed.append(leaf(path, value, **leaves.get(path.replace(".", "__"), {})))
    return {
        "values": json.dumps(read),
        "fields": listed,
        "pairs": [],
        "error_code": None,
        "error": None,
    }


def _flat(value: Any, path: str = ""):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield path, None
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{number}]")
    else:
        yield path, value


FAILED: dict[str, Any] = {
    "values": None,
    "fields": None,
    "pairs": [],
    "error_code": "empty_completion",
    "error": "The LLM answered nothing.",
}
