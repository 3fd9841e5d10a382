"""A table holds what the lines hold, types and nulls kept, whatever the number of lines."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from entry_points.predictions.output import KEY
from entry_points.predictions.table import from_cell, write_table
from ocr_extractor.contract import OUTPUT_COLUMNS, Extraction, FieldValue, Pair, signature

PAIRS = (
    Pair('a "quoted", one\nin two lines', None, 2, None, (1, 2, 3, 4), None),
    Pair("電話", "=1+1", 1, 0.5),
)

FIELDS = (
    FieldValue("total", "12.5", "-12,50", "found", 2, (1, 2, 3, 4), 0.9, True, ("a == b",), True),
    FieldValue("items"),
)


def row(number: int) -> dict[str, Any]:
    read = Extraction(
        doc_id=str(number) if number else None,
        pairs=PAIRS if number else (),
        error_code=None if number else "timeout",
        error=None if number else "Try again.",
        partial=False,
        page_count=2 if number else None,
        engine="openai",
        prompt_uri="prompts:/p/1",
        prompt_source="registry",
        input_tokens=number or None,
        output_tokens=None,
        cost=0.25 if number else None,
        values='{"total": 12.5, "items": []}' if number > 1 else None,
        fields=FIELDS if number > 1 else None,
    )
    return read.to_row() | {KEY: f"key {number}"}


@pytest.fixture(params=[1, 500, 1001])
def lines(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps(row(n)) + "\n" for n in range(request.param)), "utf-8")
    return path


def expected(lines: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.read_text("utf-8").splitlines()]


def test_parquet_keeps_types_and_nulls(lines: Path):
    target = lines.with_name("out.parquet")
    target.write_bytes(b"an older one")
    write_table(lines, target, target.suffix, signature().outputs)
    table = pq.read_table(target)
    assert table.to_pylist() == expected(lines)
    assert table.schema.field("input_tokens").type == pa.int64()
    assert table.schema.field("partial").type == pa.bool_()
    assert table.schema.field("cost").type == pa.float64()


def test_a_link_without_a_suffix_gets_the_table_that_was_asked_for(lines: Path):
    target = lines.with_name("run-17")
    write_table(lines, target, ".parquet", signature().outputs)
    assert pq.read_table(target).num_rows == len(expected(lines))


def test_csv_has_pairs_and_fields_as_json(lines: Path):
    target = lines.with_name("out.csv")
    write_table(lines, target, target.suffix, signature().outputs)
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [*OUTPUT_COLUMNS, KEY]
    assert [json.loads(each["pairs"]) for each in rows] == [
        each["pairs"] for each in expected(lines)
    ]
    assert rows[0]["doc_id"] == rows[0]["cost"] == rows[0]["values"] == rows[0]["fields"] == ""
    if len(rows) > 2:
        assert rows[2]["values"] == expected(lines)[2]["values"]
        assert json.loads(rows[2]["fields"]) == expected(lines)[2]["fields"]


def test_csv_has_no_formula_and_its_numbers_stay_numbers(tmp_path: Path):
    lines, target = tmp_path / "lines.jsonl", tmp_path / "out.csv"
    lines.write_text(json.dumps(row(1) | {"doc_id": "=1.png", "cost": -0.5}) + "\n", "utf-8")
    write_table(lines, target, target.suffix, signature().outputs)
    with target.open(encoding="utf-8", newline="") as file:
        [read] = csv.DictReader(file)
    assert (read["doc_id"], read["cost"]) == ("'=1.png", "-0.5")
    assert from_cell(read["doc_id"]) == "=1.png"
