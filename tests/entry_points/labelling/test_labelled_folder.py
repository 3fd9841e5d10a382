"""From reviewed lines of fields to a dataset that can be read."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from data.fields import load_folder
from entry_points import ROOT
from entry_points.command_line.cli import UsageError
from entry_points.label import label
from entry_points.labelling.labelled_folder import LabelledFolder, schema_of
from entry_points.labelling.review_file import ACCEPT, DELETE, read_lines, write_lines
from entry_points.predictions.output import KEY
from tests.entry_points.scoring.field_rows import row, values
from tests.stores import own_store

RECEIPTS = ROOT / "data" / "samples-fields" / "receipts"


@pytest.fixture
def predicted() -> dict[str, dict[str, Any]]:
    """Two receipts as predict wrote them; the total of the first is wrong."""
    rows = {}
    for document in load_folder(RECEIPTS)[:2]:
        read = json.loads(json.dumps(document.values))
        if document.form_id == "receipt-01":
            read["total"] = 1.5
        name = document.image_path.name
        rows[name] = {"doc_id": name, KEY: "0" * 64, "page_count": 1, **row(read)}
    return rows


@pytest.fixture
def experiment(empty_store: Path, tmp_path: Path):
    with own_store(empty_store, tmp_path, "labels") as experiment_id:
        yield experiment_id


def run_label(rows, tmp_path: Path, experiment: str):
    documents = {name: RECEIPTS / "images" / name for name in rows}
    schema = str(RECEIPTS / "schema.json")
    return label(rows, documents, tmp_path / "labelled", experiment, schema)


def test_accepted_lines_become_the_true_fields(predicted, tmp_path: Path, experiment: str):
    first = run_label(predicted, tmp_path, experiment)
    assert first.labelled == []
    assert list(first.unreviewed) == list(predicted)
    review = tmp_path / "labelled" / "review.csv"
    lines = read_lines(review, predicted)
    paths = [line.question for line in lines if line.doc_id == "receipt-01.jpg"]
    assert "items[0].amount" in paths
    assert "items" not in paths
    corrected = [
        replace(
            line,
            verdict=ACCEPT if line.doc_id == "receipt-01.jpg" else line.verdict,
            answer="61.31" if line.question == "total" else line.answer,
        )
        for line in lines
    ]
    write_lines(review, corrected)
    second = run_label(predicted, tmp_path, experiment)
    assert (second.labelled, second.changed) == (["receipt-01.jpg"], ["receipt-01.jpg"])
    [document] = load_folder(tmp_path / "labelled")
    [true] = [each for each in load_folder(RECEIPTS) if each.form_id == "receipt-01"]
    assert document.values == true.values
    assert document.image_path.read_bytes() == true.image_path.read_bytes()
    assert run_label(predicted, tmp_path, experiment).changed == []


def test_a_trace_that_the_store_did_not_take_is_told_at_the_next_start(
    predicted, tmp_path: Path, experiment: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    mlflow.set_experiment(experiment_id=experiment)
    read = predicted["receipt-01.jpg"]
    with mlflow.start_span("read") as span:
        mlflow.update_current_trace(request_preview="receipt-01.jpg")
        span.set_outputs({each: read.get(each) for each in ("pairs", "values")})
    run_label(predicted, tmp_path, experiment)
    review = tmp_path / "labelled" / "review.csv"
    lines = [line for line in read_lines(review, predicted) if line.doc_id == "receipt-01.jpg"]
    write_lines(review, [replace(line, verdict=ACCEPT) for line in lines])
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        refuse = "BEGIN SELECT RAISE(ABORT, 'no'); END"
        store.execute(f"CREATE TRIGGER refuse BEFORE INSERT ON assessments {refuse}")
        with pytest.raises(MlflowException, match="constraint"):
            run_label(predicted, tmp_path, experiment)
        store.execute("DROP TRIGGER refuse")
    told = run_label(predicted, tmp_path, experiment)
    assert (told.changed, told.traced) == (["receipt-01.jpg"], 1)
    [trace] = mlflow.search_traces(locations=[experiment], return_type="list")
    assert sorted(each.name for each in trace.info.assessments) == ["values", "values_accepted"]
    assert run_label(predicted, tmp_path, experiment).changed == []


def test_rows_that_were_deleted_are_gone_and_added_ones_are_there(
    predicted, tmp_path: Path, experiment: str
):
    run_label(predicted, tmp_path, experiment)
    review = tmp_path / "labelled" / "review.csv"
    lines = [line for line in read_lines(review, predicted) if line.doc_id == "receipt-02.jpg"]
    edited = [
        replace(line, verdict=DELETE if line.question.startswith("items[1]") else ACCEPT)
        for line in lines
    ]
    blank = edited[0]
    edited.append(replace(blank, pair="", question="items[7].description", answer="Milk"))
    edited.append(replace(blank, pair="", question="items[7].amount", answer="2"))
    write_lines(review, edited)
    run_label(predicted, tmp_path, experiment)
    [document] = load_folder(tmp_path / "labelled")
    items = document.values["items"]
    assert [each["description"] for each in items] == ["Seife", "Butter 250 g", "Milk"]
    assert items[2] == {"description": "Milk", "quantity": None, "unit_price": None, "amount": 2}


@pytest.mark.parametrize(
    ("path", "answer", "reason"),
    [
        ("total", "12,50", "total is '12,50': write a number, or nothing"),
        ("date", "1.2.2026", "date is '1.2.2026': write a date as YYYY-MM-DD"),
        ("totl", "1", "the schema has no field 'totl'"),
        ("items[].amount", "1", "the schema has no field"),
        ("items[0].price", "1", "the schema has no field"),
        ("company", "x", "company is accepted twice"),
    ],
    ids=["comma", "date", "unknown", "no row", "unknown column", "twice"],
)
def test_a_line_that_cannot_be_used_is_named(
    predicted, tmp_path: Path, experiment: str, path: str, answer: str, reason: str
):
    run_label(predicted, tmp_path, experiment)
    review = tmp_path / "labelled" / "review.csv"
    lines = [replace(line, verdict=ACCEPT) for line in read_lines(review, predicted)]
    lines = [line for line in lines if line.question != path or path == "company"]
    write_lines(review, [replace(lines[0], pair="", question=path, answer=answer), *lines])
    with pytest.raises(UsageError, match=r"the review of receipt-01\.jpg: ") as caught:
        run_label(predicted, tmp_path, experiment)
    assert reason in str(caught.value)


def test_long_names_are_cut_and_stay_different(predicted, tmp_path: Path):
    name, first = next(iter(predicted.items()))
    names = [f"{'ä' * 124}{end}.jpg" for end in ("a", "b")]
    documents = dict.fromkeys(names, RECEIPTS / "images" / name)
    schema = str(RECEIPTS / "schema.json")
    folder = LabelledFolder(tmp_path, dict.fromkeys(names, first), documents, schema)
    for each in names:
        folder.save(each, folder.truth(each, []), 1)
    written = {document.form_id for document in load_folder(tmp_path)}
    assert written == {folder.form_id(each) for each in names}
    assert len(written) == 2
    assert {each[:116] for each in written} == {"ä" * 116}


def test_fields_need_their_schema():
    rows = {"a": row(values())}
    with pytest.raises(UsageError, match="give --schema"):
        schema_of(rows, "")
