"""predict with spark_master: the rows of predict on one machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.entry_points.conftest import Done, Project


def table(path: Path) -> dict[str, dict[str, Any]]:
    rows = pq.read_table(path).to_pylist()
    named = {row["doc_id"]: row for row in rows}
    assert len(named) == len(rows)
    return named


@pytest.fixture(scope="module")
def inbox(project: Project) -> Path:
    """Two good documents, one of them in a folder, and three that fail, each in its way."""
    inbox = project.folder / "spark inbox"
    (inbox / "1998 [a]").mkdir(parents=True)
    page = (project.dataset / "images" / "fax-01.png").read_bytes()
    (inbox / "1998 [a]" / "50%20 é.PNG").write_bytes(page)
    shutil.copy(project.dataset / "images" / "invoice-01.png", inbox)
    (inbox / "cut-off.png").write_bytes(page[:9000])
    (inbox / "empty.pdf").write_bytes(b"")
    (inbox / "gone.png").symlink_to(inbox / "nowhere.png")
    (inbox / "notes.txt").write_text("not a document")
    return inbox


def predict(project: Project, **parameters: object) -> Done:
    return project.command("predict", spark_master="local[2]", **parameters)


@pytest.mark.usefixtures("spark", "main_run")
def test_reads_what_is_missing_and_nothing_twice(project: Project, inbox: Path):
    output = project.folder / "spark.parquet"
    asked = len(project.llm.requests)

    done = predict(project, input=inbox, output=output)

    assert done.returncode != 0
    assert "Spark: 2 tasks at once, each with {'max_concurrency': 4, 'cache': ''}." in done.stdout
    assert "2 of 5 documents read." in done.stdout
    assert "failed: gone.png: unreadable_file: Spark returned no content for it" in done.stdout
    assert len(project.llm.requests) == asked + 2

    alone = project.folder / "alone.parquet"
    project.command("predict", input=inbox, output=alone)
    asked = len(project.llm.requests)
    ours, theirs = table(output), table(alone)
    assert pq.read_table(output).column_names == pq.read_table(alone).column_names
    for name in ("1998 [a]/50%20 é.PNG", "invoice-01.png", "cut-off.png"):
        assert ours.pop(name) == theirs.pop(name)
    for name in ("empty.pdf", "gone.png"):  # Spark gives no content for either
        assert ours[name]["error_code"] == "unreadable_file"
        assert ours[name]["page_count"] is None
    assert ours["gone.png"]["document_key"] == theirs["gone.png"]["document_key"]

    shutil.copy(inbox / "invoice-01.png", inbox / "new.png")
    shutil.copy(inbox / "invoice-01.png", inbox / "cut-off.png")
    done = predict(project, input=inbox, output=output)
    assert "4 of 6 documents read.\n4 of them were there already." in done.stdout
    assert len(project.llm.requests) == asked + 2
    assert table(output)["cut-off.png"]["error_code"] is None

    (inbox / "gone.png").unlink()
    shutil.copy(inbox / "invoice-01.png", inbox / "gone.png")
    (inbox / "empty.pdf").unlink()
    done = predict(project, input=inbox, output=output, retry_errors="true")
    assert done.returncode == 0, done.stdout
    assert "5 of 5 documents read.\n4 of them were there already." in done.stdout
    assert len(project.llm.requests) == asked + 3
    assert len(table(output)) == 6  # the row of a document that is gone stays


@pytest.mark.usefixtures("spark", "main_run")
def test_a_model_is_handed_no_more_at_once_than_its_share_needs(project: Project, tmp_path: Path):
    """One large file and 31 small ones are one wave, of which a task gets more than 16."""
    settings = '{"max_documents": 16}'
    project.command("log", engine="openai", model_name="sixteen", settings=settings)
    for number in range(31):
        shutil.copy(project.dataset / "images" / "invoice-01.png", tmp_path / f"{number}.png")
    (tmp_path / "large.png").write_bytes(bytes(30_000_000))
    output = project.folder / "sixteen.parquet"
    done = predict(project, input=tmp_path, output=output, model_uri="models:/sixteen/1")
    assert "31 of 32 documents read." in done.stdout, done.stdout


def test_says_what_to_install(project: Project, main_run: Done, tmp_path: Path):
    (tmp_path / "pyspark.py").write_text("raise ImportError")
    path = f"{tmp_path}:{project.environment['PYTHONPATH']}"
    flags = ("--spark-master", "local[2]", "--output", "x.parquet")
    store = {"MLFLOW_TRACKING_URI": project.tracking_uri, "PYTHONPATH": path}
    done = project.run("-m", "entry_points.predict", *flags, **store)
    assert done.returncode == 2
    assert "error: --spark-master needs pyspark, which is not installed, and Java" in done.stdout
    assert "-m pip install 'pyspark>=4.3,<5'`" in done.stdout


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"output": "x.jsonl"}, "--output is x.jsonl: on Spark it is a folder"),
        ({"input": "data/samples/images/*.png", "output": "x.parquet"}, "on Spark it is a folder"),
    ],
    ids=["output", "input"],
)
def test_says_what_spark_cannot_take(
    flags: dict[str, str], told: str, project: Project, main_run: Done
):
    done = predict(project, **flags)
    assert done.returncode != 0
    assert told in done.stdout
