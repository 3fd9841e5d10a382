"""monitor end to end: traces in a real store, a verdict, an exit code, and what review opens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import TraceInfo, TraceLocation, TraceState
from pytest_httpserver import HTTPServer

from entry_points import review
from entry_points.command_line.cli import UsageError
from entry_points.monitor import main
from entry_points.monitoring.retention import OldTraces, delete_old_traces
from entry_points.predictions.documents import find_documents
from entry_points.predictions.output import read_rows
from tests.entry_points.monitoring.production import (
    EVALUATED,
    NAME,
    Production,
    StatedEngine,
    page,
    pages,
)

URI = f"models:/{NAME}@champion"


def watch(output: Path, *flags: str) -> int:
    given = ("--since=1h", f"--output={output}", *flags)
    return main([f"--model-uri={URI}", *given])


def last_run() -> Any:
    return mlflow.search_runs(output_format="list", order_by=["attributes.start_time DESC"])[0]


CASES: dict[str, tuple[StatedEngine, int, str, int, str]] = {
    "nothing has changed": (StatedEngine(), 0, "full", 0, "ok"),
    "a paler scanner": (StatedEngine(), 160, "metadata", 4, "look"),
    "answers that are not on the page": (StatedEngine(ungrounded=5), 0, "metadata", 5, "worse"),
    "an LLM that refuses": (StatedEngine(failure="refused"), 0, "full", 5, "worse"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_exit_code_says_what_became_of_production(
    case: str, evaluated: Production, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, ink, trace_content, code, verdict = CASES[case]
    evaluated.settings = {"trace_content": trace_content}
    evaluated.read(pages(12, ink=ink), engine)
    assert watch(tmp_path / "needs") == code
    printed = capsys.readouterr().out
    assert f"Compared with {EVALUATED} documents of run " in printed
    assert "version 1, p/1: 12 documents" in printed
    assert f"Verdict: {verdict}." in printed
    run = last_run()
    assert run.data.tags["verdict"] == verdict
    assert run.data.metrics["documents"] == 12
    html = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/monitor.html")
    assert f'">{verdict}</span>' in html


def test_the_documents_that_need_a_person_open_in_review(
    evaluated: Production, tmp_path: Path
) -> None:
    evaluated.read(pages(2), StatedEngine())
    evaluated.read({"doubtful.png": page(3)}, StatedEngine(confidence=0.1))
    evaluated.read({"invented.png": page(4)}, StatedEngine(ungrounded=9))
    watch(tmp_path / "needs", "--most=2")
    rows = {row["doc_id"]: row for row in read_rows(tmp_path / "needs" / "predictions.jsonl")}
    assert [row["why"] for row in rows.values()] == [
        "9 of 10 not found on the page",
        "confidence 0.12",
    ]
    found = find_documents(str(tmp_path / "needs" / "documents"))
    opened = review.review(rows, dict(found), found.folder, tmp_path / "labelled", "")
    assert opened.ids == ["invented.png", "doubtful.png"]
    assert opened.pages.content("invented.png") == page(4)


def test_rows_of_metadata_traces_are_taken_from_what_predict_wrote(
    evaluated: Production, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated.settings = {"trace_content": "metadata"}
    [bad] = evaluated.read({"bad.png": page(3)}, StatedEngine(confidence=0.1))
    watch(tmp_path / "needs")
    assert "give -P predictions=" in capsys.readouterr().out
    assert list(read_rows(tmp_path / "needs" / "predictions.jsonl")) == []
    predictions = tmp_path / "predictions.jsonl"
    predictions.write_text(json.dumps({**bad.to_row(), "document_key": "k"}) + "\n")
    watch(tmp_path / "needs", f"--predictions={predictions}")
    assert "-P input=<their folder>" in capsys.readouterr().out
    [row] = read_rows(tmp_path / "needs" / "predictions.jsonl")
    assert (row["doc_id"], row["document_key"]) == ("bad.png", "k")
    assert list((tmp_path / "needs" / "documents").iterdir()) == []


def test_a_callers_doc_id_leads_nowhere(evaluated: Production, tmp_path: Path) -> None:
    ids = (
        "../../out.png",
        f"{tmp_path}/out.png",
        "a/b.png",
        "no suffix",
        "x\n.png",
        "..",
        "x" * 300,
        "請" * 100 + ".png",
    )
    evaluated.read(dict.fromkeys(ids, page(3)), StatedEngine(confidence=0.1))
    folder = tmp_path / "a" / "b" / "needs"
    watch(folder)
    named = [row["doc_id"] for row in read_rows(folder / "predictions.jsonl")]
    assert len(set(named)) == len(ids)
    assert all(re.fullmatch(r"tr-[0-9a-f]{32}\.png", name) for name in named)
    files = [path for path in tmp_path.rglob("*.png") if "figures" not in path.parts]
    assert sorted(files) == sorted(folder / "documents" / name for name in named)


def names(production: Production) -> list[str]:
    return sorted(each.doc_id for each in production.records())


def test_production_is_what_the_models_versions_read_outside_of_evaluations(
    evaluated: Production,
) -> None:
    production = evaluated
    second, foreign = production.register(), mlflow.create_external_model(name="other").model_id
    production.read(pages(1, "first"), StatedEngine())
    production.read(pages(1, "second"), StatedEngine(), model_id=second)
    production.read(pages(1, "foreign"), StatedEngine(), model_id=foreign)
    with mlflow.start_run():
        production.read(pages(1, "in a run"), StatedEngine())
    mlflow.set_active_model(model_id=production.model_id)
    with mlflow.start_span("the caller's own"):
        production.read(pages(2, "within"), StatedEngine())
    assert names(production) == [
        "first-00.png",
        "in a run-00.png",
        "second-00.png",
        "within-00.png",
        "within-01.png",
    ]
    versions = {each.doc_id: each.version for each in production.records()}
    assert versions["second-00.png"] == "2"
    within = [each for each in production.records() if each.doc_id.startswith("within")]
    assert [len(each.pages) for each in within] == [1, 1]


REFUSED: dict[str, tuple[Iterable[str], str]] = {
    "no traces": (["--since=2020-01-01..2020-01-02"], "no trace of extractor has counts"),
    "no baseline": ([], "has traces of 0 documents"),
    "no such run": ([f"--baseline={'a' * 32}"], f"run {'a' * 32} does not exist"),
    "no such model": (["--model-uri=models:/nobody@champion"], "names no registered version"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_ends_in_one_sentence(
    case: str, evaluated: Production, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, message = REFUSED[case]
    with mlflow.start_run() as run:
        evaluated.promote_on(run.info.run_id)
    evaluated.read(pages(1), StatedEngine())
    assert watch(tmp_path / "needs", *flags) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "flag",
    [
        "--since=soon",
        "--since=",
        "--since=24",
        "--since=2026-11-02..2026-11-01",
        "--baseline=yesterday",
        "--keep-days=-1",
        "--keep-days=many",
        "--most=0",
        "--delete=yes",
    ],
)
def test_a_wrong_flag_is_refused_before_anything_is_read(flag: str) -> None:
    with pytest.raises(SystemExit) as refused:
        main([flag])
    assert refused.value.code == 2


def test_a_trace_stays_where_the_store_keeps_its_pages(
    httpserver: HTTPServer,
) -> None:
    """S3 says so in its answer, which MLflow does not read."""
    location = TraceLocation.from_experiment_id("1")
    artifacts = "/api/2.0/mlflow-artifacts/artifacts"
    tags = {"mlflow.artifactLocation": httpserver.url_for(f"{artifacts}/1/traces/tr-1/artifacts")}
    trace = TraceInfo("tr-1", location, 0, TraceState.OK, tags=tags)
    page = {"files": [{"path": "page", "is_dir": False, "file_size": 7}]}
    httpserver.expect_request(artifacts, method="GET").respond_with_json(page)
    httpserver.expect_request(re.compile(".*"), method="DELETE").respond_with_json({})
    with pytest.raises(UsageError, match="keeps the pages of the trace tr-1"):
        delete_old_traces(OldTraces([trace], 0, 0, {"tr-1": 7}))


def test_old_traces_go_with_their_pages_and_those_with_labels_stay(
    evaluated: Production, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    production = evaluated
    production.read(pages(3), StatedEngine())
    production.read(pages(1, "labelled"), StatedEngine())
    [labelled] = [each for each in production.records() if each.doc_id == "labelled-00.png"]
    mlflow.log_expectation(trace_id=labelled.trace_id, name="pairs", value=[])
    foreign = mlflow.create_external_model(name="other").model_id
    production.read(pages(1, "foreign"), StatedEngine(), model_id=foreign)

    def left() -> tuple[int, int]:
        files = [path for path in (tmp_path / "artifacts").rglob("attachments/*") if path.is_file()]
        return len(mlflow.search_traces(return_type="list")), len(files)

    def retain(*flags: str) -> str:
        assert main([f"--model-uri={URI}", "--since=none", *flags]) == 0
        return capsys.readouterr().out

    assert left() == (EVALUATED + 5, EVALUATED + 5)
    assert retain("--keep-days=1", "--delete=true").startswith("Deleting 0 traces")
    assert "3 traces older than 0 days" in (told := retain("--keep-days=0"))
    assert "can be deleted" in told
    assert "0.0 MB of pages" in told
    assert left() == (EVALUATED + 5, EVALUATED + 5)
    assert f"3 traces deleted.\n{EVALUATED + 1} others stay" in retain(
        "--keep-days=0", "--delete=true"
    )
    assert left() == (EVALUATED + 2, EVALUATED + 2)
    assert f"{EVALUATED + 1} traces deleted." in retain("--keep-days=0", "--delete=all")
    assert left() == (1, 1)


def test_old_traces_go_in_a_quiet_period(
    evaluated: Production, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated.read(pages(3), StatedEngine())
    quiet = ("--since=2020-01-01..2020-01-02", "--keep-days=0", "--delete=true")
    assert watch(tmp_path / "needs", *quiet) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: no trace of extractor has counts")
    assert "3 traces deleted." in printed.out
