"""A logged extractor reads documents through MLflow's spark_udf, as the documentation shows it."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq

from tests.documentation import block
from tests.entry_points.conftest import Done, Project
from tests.model.sample_documents import pdf

EXAMPLE = block("python", "spark_udf(")


def test_the_example_reads_what_it_can_and_keeps_nulls(
    spark: None, project: Project, main_run: Done
):
    folder = project.folder / "scans"
    folder.mkdir()
    page = (project.dataset / "images" / "fax-01.png").read_bytes()
    for name in ("one", "two"):
        (folder / f"{name}.png").write_bytes(page)
    (folder / "drawn.pdf").write_bytes(pdf())
    (folder / "text.png").write_bytes(b"no picture")
    before = len(project.llm.requests)

    done = project.run("-c", EXAMPLE, MLFLOW_TRACKING_URI=project.tracking_uri)

    assert done.returncode == 0, done.stdout
    rows = {row["doc_id"]: row for row in pq.read_table(project.folder / "pairs").to_pylist()}
    assert {doc_id.rpartition("/")[2] for doc_id in rows} == {
        "one.png",
        "two.png",
        "drawn.pdf",
        "text.png",
    }
    bad = rows.pop(f"file:{folder}/text.png")
    assert (bad["error_code"], bad["page_count"], bad["pairs"]) == ("not_base64", None, [])
    for row in rows.values():
        assert row["error_code"] is row["error"] is row["cost"] is None
        assert (row["page_count"], row["input_tokens"], row["attempts"]) == (1, 1300, 1)
        blank: dict[str, Any] = row["pairs"][-1]
        assert (blank["question"], blank["answer"]) == ("Left blank", None)
    assert len(project.llm.requests) == before + 3  # once a document, not once a column
