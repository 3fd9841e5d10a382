from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.dataset import count_documents, load_documents
from data.errors import DatasetError
from data.field_schema import load_schema, parse_schema, pattern
from data.fields import FieldDocument, Place, fits, load_folder
from data.forms import Form
from data.funsd import dataset_digest
from data.splits import split_of
from tests.data.annotations import write
from tests.entry_points.scoring.field_rows import INVOICE, TEXT, values


def write_fields(folder: Path, truths: dict[str, Any], schema: Any = INVOICE) -> Path:
    """Write a dataset: a one-byte image for each truth."""
    for part in ("images", "fields"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "schema.json").write_text(json.dumps(schema))
    for name, truth in truths.items():
        text = truth if isinstance(truth, str) else json.dumps(truth)
        (folder / "fields" / f"{name}.json").write_text(text)
        (folder / "images" / f"{name}.png").write_bytes(name.encode())
    return folder


def test_every_key_of_the_schema_is_there_whatever_the_file_leaves_out(tmp_path: Path) -> None:
    given = {"number": "7", "seller": None, "items": [{"amount": 2}]}
    [document] = load_folder(write_fields(tmp_path, {"a": given}))
    row = {"text": None, "pieces": None, "amount": 2}
    assert document.values == {
        "number": "7",
        "date": None,
        "paid": None,
        "seller": {"name": None, "vat": None},
        "total": None,
        "items": [row],
    }
    assert document.expectations() == {"values": document.values}
    assert document.schema.critical == ("total",)
    assert document.schema.checks == ("sum(items.amount) == total",)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ("{", "no JSON"),
        ("[]", "the file is .*write an object"),
        (values(total="30,00"), r"total is '30,00': write a number, or null"),
        (values(date="3.4.2026"), "date is '3.4.2026': write a date as YYYY-MM-DD"),
        (values(date="2026-02-30"), "date is '2026-02-30'"),
        (values(paid="no"), "paid is 'no': write true or false"),
        (values(number=17), "number is 17: write a text"),
        (values(totl=1), "totl is 1: the schema has no such field"),
        (values(seller={"name": 3}), r"seller\.name is 3"),
        (values(seller={"street": "x"}), r"seller\.street is 'x': the schema has no such field"),
        (values(items={}), r"items is \{\}: write a list of rows"),
        (values(items=[7]), r"items\[0\] is 7: write an object"),
        (values(items=[{}, {"pieces": 1.5}]), r"items\[1\]\.pieces is 1\.5: write a whole number"),
        (values(items=[{"price": 1}]), r"items\[0\]\.price is 1: the schema has no such field"),
    ],
    ids=lambda value: None if isinstance(value, str | dict) else str(value),
)
def test_a_wrong_truth_file_is_named_with_the_path(tmp_path: Path, truth, message: str) -> None:
    folder = write_fields(tmp_path, {"bad": truth})
    with pytest.raises(DatasetError, match=rf"bad\.json.*{message}"):
        load_folder(folder)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ([], "the schema is no field: write an object with `properties`"),
        ({"properties": {"a": {"type": "object"}}}, "a is no field: write one of the types"),
        ({"properties": {"a": {"type": ["string", "number"]}}}, "a is no field"),
        ({"properties": {"a": {"$ref": "#"}}}, "a"),
        ({"properties": {"a": 7}}, "a is no field: write an object such as"),
        ({"properties": {"a": {"type": "array", "items": TEXT}}}, r"a\[\] is no field"),
        ({"properties": {"a": TEXT}, "x-checks": "a == a"}, "x-checks"),
    ],
    ids=["no object", "no type", "two types", "circular", "number", "plain array", "checks"],
)
def test_a_wrong_schema_is_named_with_the_path(tmp_path: Path, schema, message: str) -> None:
    folder = write_fields(tmp_path, {"a": {}}, schema)
    with pytest.raises(DatasetError, match=rf"schema\.json: .*{message}"):
        load_folder(folder)


def test_a_schema_that_pydantic_wrote_is_read() -> None:
    found = parse_schema(
        {
            "$defs": {"Row": {"properties": {"n": {"type": "integer"}}, "type": "object"}},
            "properties": {
                "when": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
                "kind": {"enum": ["a", "b"]},
                "rows": {"items": {"$ref": "#/$defs/Row"}, "type": "array"},
                "one": {"$ref": "#/$defs/Row"},
            },
        },
        "schema.json",
    )
    kinds = {path: leaf.type for path, leaf in found.leaves.items()}
    assert kinds == {"when": "date", "kind": "string", "one.n": "integer", "rows[].n": "integer"}
    assert pattern("rows[12].n") == "rows[].n"


def test_a_folder_of_fields_is_split_drawn_and_counted_like_one_of_forms(tmp_path: Path) -> None:
    names = [f"doc-{number}" for number in range(20)]
    folder = write_fields(tmp_path, dict.fromkeys(names, values()))

    def ids(**wanted: Any) -> list[str]:
        return [document.form_id for document in load_documents(folder, **wanted)]

    assert count_documents(folder) == 20
    assert ids() == sorted(names)
    assert ids(split="validation") == [n for n in sorted(names) if split_of(n) == "validation"]
    assert len(ids(limit=5, seed=3)) == 5
    assert ids(limit=5, seed=3) == ids(limit=5, seed=3) != ids(limit=5)
    assert "doc-3" not in ids(without=["doc-3"])
    with pytest.raises(DatasetError, match="limit is 0"):
        ids(limit=0)
    (folder / "images" / "doc-0.png").unlink()
    with pytest.raises(DatasetError, match=r"doc-0\.json has no image"):
        ids()


def test_the_digest_changes_with_truth_schema_and_boxes(tmp_path: Path) -> None:
    folder = write_fields(tmp_path, {"a": values()})
    seen = {dataset_digest(load_folder(folder))}
    write_fields(tmp_path, {"a": values(number="B")})
    seen.add(dataset_digest(load_folder(folder)))
    write_fields(tmp_path, {"a": values()}, {**INVOICE, "title": "another"})
    seen.add(dataset_digest(load_folder(folder)))
    (folder / "boxes").mkdir()
    (folder / "boxes" / "a.json").write_text('{"number": [1, 2, 3, 40, 50]}')
    [document] = load_folder(folder)
    seen.add(dataset_digest([document]))
    assert len(seen) == 4
    assert document.places == {"number": Place(1, (2, 3, 40, 50))}
    (folder / "boxes" / "a.json").write_text('{"number": [1, 2, 3]}')
    with pytest.raises(DatasetError, match=r"a\.json: number is \[1, 2, 3\]: write \[page"):
        load_folder(folder)


def test_a_folder_with_both_kinds_gives_its_fields(tmp_path: Path) -> None:
    write(tmp_path, "a", [])
    assert [type(each) for each in load_documents(tmp_path)] == [Form]
    write_fields(tmp_path, {"a": values()})
    assert [type(each) for each in load_documents(tmp_path)] == [FieldDocument]


@given(st.floats())
def test_only_a_finite_number_is_a_number(value: float) -> None:
    assert fits("number", value) == (abs(value) < float("inf"))


@pytest.mark.skipif("FIELDS_DIR" not in os.environ, reason="FIELDS_DIR is not set")
@pytest.mark.parametrize("name", ["receipts", "adbuys", "invoices"])
def test_real_truths_are_read(name: str) -> None:
    folder = Path(os.environ["FIELDS_DIR"]) / name
    found = load_folder(folder)
    assert len(found) == count_documents(folder) > 20
    assert load_schema(folder / "schema.json").leaves


def test_the_folder_above_datasets_of_fields_points_to_them(tmp_path: Path):
    for name in ("invoices", "orders"):
        (tmp_path / name / "fields").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"inside it: .*/invoices, .*/orders\."):
        load_documents(tmp_path)


def test_who_has_no_truth_yet_is_told_both_layouts(tmp_path: Path):
    (tmp_path / "fields").mkdir()
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetError, match=r"no \.json file.* fields/<id>\.json and schema\.json"):
        load_documents(tmp_path)
