"""Fields leave the project as they were read: over REST, in tables, through Spark."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests

from tests.documentation import block
from tests.entry_points.conftest import Project
from tests.entry_points.servers import served
from tests.fields_llm import SCHEMA, FieldsLlm, invoice
from tests.llm_servers.completions import KEY

DOCUMENT, TREES = invoice(2)
SETTINGS = {"page_input": "text", "grounding": True, "pdf_dpi": 100}
VALUES = {
    "company": "Ann and Sons",
    "issued": "2018-03-05",
    "due": "2018-03-18",
    "total": 6.11,
    "items": [
        {"article": "Part 1", "pieces": 2, "amount": 2.37},
        {"article": "Part 2", "pieces": 3, "amount": 3.74},
    ],
}


@pytest.fixture(scope="module")
def uri(project: Project) -> Iterator[str]:
    """A logged extractor with a schema, under a name of its own."""
    schema = project.folder / "invoice.schema.json"
    schema.write_text(json.dumps(SCHEMA), encoding="utf-8")
    before, project.llm.answer = project.llm.answer, FieldsLlm(TREES)
    done = project.command(
        "log",
        engine="openai",
        schema=schema,
        prompt_name="invoice-fields",
        model_name="invoice-reader",
        settings=json.dumps(SETTINGS),
    )
    assert done.returncode == 0, done.stdout
    yield "models:/invoice-reader/1"
    project.llm.answer = before


@pytest.fixture(scope="module")
def inbox(project: Project) -> Path:
    folder = project.folder / "invoices"
    folder.mkdir()
    (folder / "good.pdf").write_bytes(DOCUMENT)
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7 cut off")
    return folder


def assert_fields(row: dict[str, Any]) -> None:
    assert json.loads(row["values"]) == VALUES
    leaves = {leaf["path"]: leaf for leaf in row["fields"]}
    assert leaves["total"]["value"] == "6.11"
    assert leaves["total"]["raw"] == "6.11"
    assert leaves["total"]["grounded"] is True
    assert len(leaves["items[1].amount"]["box"]) == 4
    assert leaves["items"]["status"] == "found"


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_predict_writes_values_and_fields(
    suffix: str, project: Project, uri: str, inbox: Path
) -> None:
    output = project.folder / f"fields.{suffix}"
    project.command("predict", model_uri=uri, input=inbox, output=output)
    if suffix == "parquet":
        rows = {row["doc_id"]: row for row in pq.read_table(output).to_pylist()}
        nothing: Any = None
    else:
        with output.open(encoding="utf-8", newline="") as file:
            rows = {row["doc_id"]: row for row in csv.DictReader(file)}
        rows["good.pdf"]["fields"] = json.loads(rows["good.pdf"]["fields"])
        nothing = ""
    assert_fields(rows["good.pdf"])
    assert rows["bad.pdf"]["values"] == rows["bad.pdf"]["fields"] == nothing
    code = block("python", "pd.read_parquet").replace("values.parquet", str(output))
    if suffix == "csv":
        code = code.replace("read_parquet", "read_csv")
    done = project.run("-c", code)
    assert done.returncode == 0, done.stdout
    assert "Ann and Sons" in done.stdout


def test_the_documented_python_reads_values(project: Project, uri: str) -> None:
    path = project.folder / "invoice.pdf"
    path.write_bytes(DOCUMENT)
    code = block("python", "look at").replace("models:/invoices@champion", uri)
    done = project.run(
        "-c",
        code.replace("invoice.pdf", str(path)),
        MLFLOW_TRACKING_URI=project.tracking_uri,
        OPENAI_API_KEY=KEY,
    )
    assert done.returncode == 0, done.stdout
    assert str(VALUES) in done.stdout


def test_rest_gives_the_typed_object_and_its_leaves(project: Project, uri: str) -> None:
    image = base64.b64encode(DOCUMENT).decode()
    with served(project, f"--model-uri={uri}") as (address, _):
        rows = [{"doc_id": "good", "image": image}, {"doc_id": "bad", "image": "AAAA"}]
        got = requests.post(
            f"{address}/invocations", json={"dataframe_records": rows}, timeout=300
        ).json()
    good, bad = got["predictions"]
    assert_fields(good)
    assert bad["values"] is bad["fields"] is None


@pytest.mark.slow
def test_spark_udf_gives_the_same_and_keeps_nulls(project: Project, uri: str, inbox: Path) -> None:
    pytest.importorskip("pyspark")
    # The documented code, with the rows printed as JSON in place of a file.
    code = (
        block("python", "spark_udf(")
        .replace("models:/ocr-extractor@champion", uri)
        .replace('load("scans")', f'load("{inbox}")')
        .replace(
            'rows.write.parquet("pairs")',
            'print("ROWS " + json.dumps([row.asDict(recursive=True) for row in rows.collect()]))',
        )
    )
    done = project.run("-c", code, MLFLOW_TRACKING_URI=project.tracking_uri, OPENAI_API_KEY=KEY)
    assert done.returncode == 0, done.stdout
    [line] = [line for line in done.stdout.splitlines() if line.startswith("ROWS ")]
    rows = {row["doc_id"].rpartition("/")[2]: row for row in json.loads(line[5:])}
    assert_fields(rows["good.pdf"])
    assert (rows["bad.pdf"]["values"], rows["bad.pdf"]["fields"]) == (None, [])
