"""Predicted, corrected, evaluated: the way from a reading to a team's own truth."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest

from data.funsd import load_folder
from entry_points.command_line.cli import UsageError
from entry_points.label import REVIEW
from entry_points.label import label as label_rows
from entry_points.labelling.review_file import ACCEPT, lines_of, write_lines
from entry_points.predictions.output import KEY
from tests.entry_points.conftest import Done, Project, run_id_of
from tests.llm_servers.prompted import PromptedLlm


@pytest.fixture(scope="module")
def labelled(project: Project, main_run: Done) -> Path:
    """Two forms, predicted without a mistake; a person has yet to say so."""
    llm = PromptedLlm(load_folder(project.dataset), rules=())
    before, project.llm.answer = project.llm.answer, llm
    scans = project.folder / "scans"
    scans.mkdir()
    for name in ("fax-01", "invoice-01"):
        shutil.copy(project.dataset / "images" / f"{name}.png", scans)
    predicted = project.command("predict", input=scans, output=project.folder / "scans.jsonl")
    assert predicted.returncode == 0, predicted.stdout
    project.llm.answer = before
    output = project.folder / "labelled"
    done = label(project)
    assert done.returncode == 0, done.stdout
    assert "0 documents labelled" in done.stdout
    assert "Not reviewed: 2 documents" in done.stdout
    return output


def label(project: Project) -> Done:
    return project.command(
        "label",
        predictions=project.folder / "scans.jsonl",
        input=project.folder / "scans",
        output=project.folder / "labelled",
    )


def reviewed(output: Path, doc_id: str) -> list[dict[str, str]]:
    """Accept the lines of a document, and return them."""
    with (output / "review.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    for line in lines:
        if line["doc_id"] == doc_id:
            line["verdict"] = "accept"
    save(output, lines)
    return lines


def save(output: Path, lines: list[dict[str, str]]) -> None:
    with (output / "review.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def pairs_of(folder: Path, form_id: str) -> list[tuple[str, str]]:
    [form] = [form for form in load_folder(folder) if form.form_id == form_id]
    return sorted((pair.question, pair.answer) for pair in form.pairs())


def assessments(project: Project, doc_id: str) -> dict[str, Any]:
    traces = mlflow.search_traces(locations=["0"], return_type="list")
    # The newest: tests of other files may have read the document, too.
    trace = max(
        (trace for trace in traces if trace.info.request_preview == doc_id),
        key=lambda trace: trace.info.request_time,
    )
    return {each.name: each.value for each in trace.info.assessments}


def test_the_true_pairs_accepted_are_the_truth(project: Project, labelled: Path):
    reviewed(labelled, "invoice-01.png")
    done = label(project)
    assert "1 documents labelled, 1 of them now." in done.stdout
    assert "fax-01.png" in done.stdout
    assert pairs_of(labelled, "invoice-01") == pairs_of(project.dataset, "invoice-01")
    known = assessments(project, "invoice-01.png")
    assert known["pairs_accepted"] == 1.0
    assert sorted((each["question"], each["answer"]) for each in known["pairs"]) == pairs_of(
        project.dataset, "invoice-01"
    )
    before, project.llm.answer = project.llm.answer, PromptedLlm(load_folder(labelled), rules=())
    evaluated = project.command("evaluate", dataset=labelled)
    project.llm.answer = before
    assert evaluated.returncode == 0, evaluated.stdout
    assert project.client.get_run(run_id_of(evaluated)).data.metrics["pair_f1"] == 1.0


def test_corrections_count_and_what_was_made_up_goes(project: Project, labelled: Path):
    lines = reviewed(labelled, "fax-01.png")
    fax = [line for line in lines if line["doc_id"] == "fax-01.png"]
    fax[0]["answer"] = "corrected"
    fax[1]["verdict"] = "delete"
    added = fax[0] | {"pair": "", "question": "Added by hand", "answer": ""}
    save(labelled, [*lines, added])
    done = label(project)
    assert "2 documents labelled, 1 of them now." in done.stdout
    found = pairs_of(labelled, "fax-01")
    assert (fax[0]["question"], "corrected") in found
    assert len(found) == len(fax) - 1
    [form] = [form for form in load_folder(labelled) if form.form_id == "fax-01"]
    assert [entity.text for entity in form.blank_questions()] == ["Added by hand"]
    assert assessments(project, "fax-01.png")["pairs_accepted"] == pytest.approx(
        (len(fax) - 2) / len(fax)
    )


def test_a_document_that_is_no_regular_file_is_not_copied(project: Project, tmp_path: Path):
    document, output = tmp_path / "a.png", tmp_path / "labelled"
    document.symlink_to("/dev/null")
    row = {"doc_id": "a.png", "pairs": [], "page_count": 1, KEY: "f" * 64}
    output.mkdir()
    write_lines(output / REVIEW, [replace(line, verdict=ACCEPT) for line in lines_of(row)])
    with pytest.raises(UsageError, match=r"cannot be copied: a\.png is not a regular file"):
        label_rows({"a.png": row}, {"a.png": document}, output, experiment_id="0")
    assert not list((output / "images").iterdir())
    assert not list((output / "annotations").iterdir())
