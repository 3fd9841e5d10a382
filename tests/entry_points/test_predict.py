"""The entry point predict: folders, files and globs in, one JSON line a document out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from entry_points.command_line.cli import UsageError
from entry_points.predict import main
from entry_points.predictions.documents import find_documents
from tests.entry_points.conftest import Done, Project

COLUMNS = [
    "doc_id",
    "pairs",
    "error_code",
    "error",
    "partial",
    "page_count",
    "engine",
    "prompt_uri",
    "prompt_source",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "attempts",
    "cache_hits",
    "cost",
    "values",
    "fields",
    "document_key",
]


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_reads_a_folder_and_fails_only_the_bad_documents(project: Project, main_run: Done):
    folder = project.folder / "inbox"
    (folder / "1998").mkdir(parents=True)
    good = (project.dataset / "images" / "fax-01.png").read_bytes()
    (folder / "1998" / "good.png").write_bytes(good)
    (folder / "cut-off.png").write_bytes(good[:9000])
    (folder / "empty.pdf").write_bytes(b"")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "notes.txt").write_text("not a document")
    output = project.folder / "out.jsonl"

    done = project.mlflow_run("predict", input=folder, output=output)

    rows = {row["doc_id"]: row for row in read_lines(output)}
    assert {doc_id: row["error_code"] for doc_id, row in rows.items()} == {
        "1998/good.png": None,
        "cut-off.png": "damaged_document",
        "empty.pdf": "empty_document",
        "gone.png": "unreadable_file",
    }
    assert list(rows["1998/good.png"]) == COLUMNS
    assert rows["1998/good.png"]["pairs"][0]["page"] == 1
    assert rows["1998/good.png"]["input_tokens"] == 1300
    assert rows["cut-off.png"]["input_tokens"] is None
    assert done.returncode != 0
    assert "1 of 4 documents read." in done.stdout
    assert "failed: gone.png: unreadable_file" in done.stdout
    name = "predict ocr-extractor/1 on inbox"
    assert project.client.search_runs(["0"], f"attributes.run_name = '{name}'")


def test_exit_code_tells_some_failed_from_all_read(project: Project, main_run: Done):
    bad = project.folder / "bad.png"
    bad.write_bytes(b"no picture")
    output = str(project.folder / "codes.jsonl")
    flags = ("-m", "entry_points.predict", "--cache=none", "--output", output, "--input")
    store = {"MLFLOW_TRACKING_URI": project.tracking_uri}
    assert project.run(*flags, str(bad), **store).returncode == 3
    good = project.dataset / "images" / "fax-01.png"
    assert project.run(*flags, str(good), **store).returncode == 0


def test_rules_reach_the_prompt(project: Project, main_run: Done):
    done = project.command(
        "predict",
        input=project.dataset / "images" / "fax-01.png",
        output=project.folder / "rules.jsonl",
        additional_rules="Write dates as on the form.",
    )
    assert done.returncode == 0, done.stdout
    instructions = project.llm.requests[-1]["messages"][0]["content"]
    assert "Write dates as on the form." in instructions


def test_a_parquet_table_has_the_lines_that_are_kept_beside_it(project: Project, main_run: Done):
    output = project.folder / "out.parquet"
    done = project.command("predict", input=project.dataset / "images", output=output)
    assert done.returncode == 0, done.stdout
    table = pq.read_table(output)
    assert table.column_names == COLUMNS
    assert table.to_pylist() == read_lines(project.folder / "out.parquet.jsonl")
    assert len(table) == 3


def test_asks_for_a_suffix_that_it_knows(capsys: pytest.CaptureFixture[str]):
    assert main(["--output", "predictions.xlsx"]) == 2
    assert capsys.readouterr().err == (
        "error: --output is predictions.xlsx: give it the suffix .jsonl, .parquet or .csv.\n"
    )


def test_an_output_that_cannot_be_written_is_named_before_a_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").touch()
    (tmp_path / "folder.parquet").mkdir()
    nothing = "--model-uri=models:/nothing/1"
    assert main([nothing, "--output", str(tmp_path / "file" / "out.jsonl")]) == 2
    below = f"out.jsonl, which cannot be written ({tmp_path}/file: "
    assert below in capsys.readouterr().err
    assert main([nothing, "--output", str(tmp_path / "folder.parquet")]) == 2
    assert "folder.parquet, which is not a file: name another." in capsys.readouterr().err


def test_the_folder_of_the_output_is_made(project: Project, main_run: Done):
    output = project.folder / "new" / "folder" / "out.jsonl"
    page = project.dataset / "images" / "fax-01.png"
    assert project.command("predict", input=page, output=output).returncode == 0
    assert len(read_lines(output)) == 1


def test_an_openai_model_without_a_key_never_becomes_local(project: Project, main_run: Done):
    nothing = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}
    store = {"MLFLOW_TRACKING_URI": project.tracking_uri}
    done = project.run("-m", "entry_points.predict", **nothing, **store)
    assert done.returncode == 2
    for way in ("OPENAI_API_KEY", "OPENAI_API_KEY_FILE", "terminal"):
        assert way in done.stdout


class TestFindDocuments:
    def test_a_glob_names_documents_from_their_common_folder(self, tmp_path: Path):
        for name in ("a/1.png", "b/1.png", "b/2.PDF"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        found = find_documents(f"{tmp_path}/**/*.*")
        assert [doc_id for doc_id, _ in found] == ["a/1.png", "b/1.png", "b/2.PDF"]

    def test_a_file_is_taken_whatever_its_suffix(self, tmp_path: Path):
        (tmp_path / "scan").touch()
        assert list(find_documents(str(tmp_path / "scan"))) == [("scan", tmp_path / "scan")]

    def test_nothing_found_says_what_to_give(self, tmp_path: Path):
        with pytest.raises(UsageError, match="give a file, a folder or a glob"):
            find_documents(str(tmp_path))

    def test_relative_paths_begin_at_the_project(self, tmp_path: Path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert find_documents("data/samples/images")
