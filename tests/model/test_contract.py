"""The output keeps its shape: plain JSON values in the columns of MLflow's signature."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow.models.utils import _enforce_schema
from mlflow.types import DataType

from ocr_extractor.contract import (
    OUTPUT_COLUMNS,
    Extraction,
    FieldValue,
    Pair,
    signature,
    spark_ddl,
    to_frame,
)

FIELDS = {
    "values": '{"total": 12.5, "items": []}',
    "fields": (
        FieldValue(
            "total", "12.5", "12,50", "found", 2, (1, 2, 3, 4), 0.9, True, ("a == b",), True
        ),
        FieldValue("items"),
    ),
}


def extraction(**changes: Any) -> Extraction:
    row: dict[str, Any] = {
        "doc_id": "a",
        "pairs": (Pair("Date:", "May 5", 2, 0.5, (1, 2, 3, 4), grounded=True), Pair("Date:", None)),
        "error_code": None,
        "error": None,
        "partial": False,
        "page_count": 2,
        "engine": "openai",
        "prompt_uri": "prompts:/p/1",
        "prompt_source": "registry",
        "input_tokens": 10,
        "output_tokens": 0,
    }
    return Extraction(**(row | changes))


def test_a_row_is_plain_json_in_the_promised_columns() -> None:
    row = extraction().to_row()
    assert tuple(row) == OUTPUT_COLUMNS
    assert json.loads(json.dumps(row)) == row
    assert row["pairs"] == [
        {
            "question": "Date:",
            "answer": "May 5",
            "page": 2,
            "confidence": 0.5,
            "question_box": [1, 2, 3, 4],
            "answer_box": None,
            "grounded": True,
        },
        {
            "question": "Date:",
            "answer": None,
            "page": 1,
            "confidence": None,
            "question_box": None,
            "answer_box": None,
            "grounded": None,
        },
    ]


def test_a_leaf_is_plain_json_null_where_nothing_is_known() -> None:
    row = extraction(**FIELDS).to_row()
    assert json.loads(json.dumps(row)) == row
    assert json.loads(row["values"]) == {"total": 12.5, "items": []}
    assert row["fields"] == [
        {
            "path": "total",
            "value": "12.5",
            "raw": "12,50",
            "status": "found",
            "page": 2,
            "box": [1, 2, 3, 4],
            "confidence": 0.9,
            "grounded": True,
            "checks": ["a == b"],
            "accepted": True,
        },
        {
            "path": "items",
            "value": None,
            "raw": None,
            "status": "absent",
            "page": None,
            "box": None,
            "confidence": None,
            "grounded": None,
            "checks": [],
            "accepted": None,
        },
    ]


def test_a_frame_keeps_none_and_whole_numbers() -> None:
    failed = extraction(page_count=None, input_tokens=None, output_tokens=None, pairs=())
    frame = to_frame([extraction(), failed])
    assert frame["input_tokens"].tolist() == [10, None]
    assert [type(value) for value in frame["page_count"]] == [int, type(None)]
    assert frame["pairs"].tolist()[1] == []


def test_a_frame_of_no_documents_has_all_columns() -> None:
    assert tuple(to_frame([]).columns) == OUTPUT_COLUMNS


def test_the_signature_is_the_contract() -> None:
    of = signature()
    assert [(column.name, column.type, column.required) for column in of.inputs] == [
        ("image", DataType.binary, True),
        ("doc_id", DataType.string, False),
    ]
    assert tuple(of.outputs.input_names()) == OUTPUT_COLUMNS
    assert [(param.name, param.dtype, param.default) for param in of.params] == [
        ("additional_rules", DataType.string, ""),
        ("pages", DataType.string, ""),
        ("as_struct", DataType.boolean, False),
    ]


def test_a_struct_has_the_row_in_one_column() -> None:
    failed = extraction(page_count=None, pairs=())
    frame = to_frame([extraction(), failed], as_struct=True)
    assert list(frame.columns) == ["extraction"]
    assert frame["extraction"].tolist() == [
        each.to_row() | {"fields": []} for each in (extraction(), failed)
    ]
    assert list(to_frame([], as_struct=True).columns) == ["extraction"]


def test_the_ddl_names_every_column_in_order() -> None:
    ddl = spark_ddl()
    assert ddl.startswith("extraction struct<doc_id: string, pairs: array<struct<answer: string, ")
    assert "question_box: array<bigint>>>, error_code: string, " in ddl
    assert ddl.endswith(
        "partial: boolean, page_count: bigint, engine: string, prompt_uri: string, "
        "prompt_source: string, input_tokens: bigint, output_tokens: bigint, "
        "cached_tokens: bigint, attempts: bigint, cache_hits: bigint, cost: double, "
        "values: string, fields: array<struct<accepted: boolean, box: array<bigint>, "
        "checks: array<string>, "
        "confidence: double, grounded: boolean, page: bigint, path: string, raw: string, "
        "status: string, value: string>>>"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pairs": ()},
        {"pairs": ()} | FIELDS,
        {"doc_id": None, "error_code": "timeout", "error": "x", "input_tokens": None},
    ],
    ids=["pairs", "no pairs", "fields", "failed"],
)
def test_every_extraction_fits_the_signature(changes: dict[str, Any]) -> None:
    frame = to_frame([extraction(**changes)])
    _enforce_schema(frame.dropna(axis="columns"), signature().outputs)
