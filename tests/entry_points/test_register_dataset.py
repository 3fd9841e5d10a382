"""The entry point register_dataset: what MLflow has of a folder, and what stands there twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow.genai.datasets import get_dataset

from data.dataset import load_documents
from data.funsd import load_folder
from tests.entry_points.conftest import FORMS, SAMPLES, Done, Project

NAME = "three-forms"


@pytest.fixture(scope="module")
def registered(project: Project) -> Done:
    done = project.command("register_dataset", dataset=project.dataset, name=NAME)
    assert done.returncode == 0, done.stdout
    return done


def records(name: str) -> list[dict[str, Any]]:
    return list(get_dataset(name=name).to_df().to_dict("records"))


def test_registers_ids_hashes_and_pairs_but_no_page(project: Project, registered: Done):
    assert "2 development, 1 validation." in registered.stdout
    assert "No page is on both sides" in registered.stdout
    found = {record["inputs"]["doc_id"]: record for record in records(NAME)}
    assert sorted(found) == sorted(FORMS)
    for form in load_folder(project.dataset):
        record = found[form.form_id]
        assert set(record["inputs"]) == {"doc_id", "document_sha256"}
        assert record["expectations"]["pairs"] == [
            {"question": pair.question, "answer": pair.answer} for pair in form.pairs()
        ]
    assert found["fax-01"]["tags"]["split"] == "validation"
    assert len(json.dumps(found["fax-01"]["tags"])) < 400


def test_follows_the_folder_and_reports_a_page_of_both_splits(project: Project, tmp_path: Path):
    folder = tmp_path / "leaky"
    for part, suffix in (("images", "png"), ("annotations", "json")):
        (folder / part).mkdir(parents=True)
        for source, target in (("invoice-01", "invoice-01"), ("invoice-01", "fax-01")):
            shutil.copy(SAMPLES / part / f"{source}.{suffix}", folder / part / f"{target}.{suffix}")
    done = project.command("register_dataset", dataset=folder)
    assert "invoice-01 (development) is the same page as fax-01 (validation)" in done.stdout
    assert "invoice-01 (dataset leaky) is the same page as invoice-01 (dataset three" in done.stdout
    for part in ("images", "annotations"):
        [gone] = (folder / part).glob("fax-01.*")
        gone.unlink()
    again = project.command("register_dataset", dataset=folder)
    assert "1 records were removed" in again.stdout
    assert [record["inputs"]["doc_id"] for record in records("leaky")] == ["invoice-01"]


def test_documents_with_fields_are_registered_with_their_values(project: Project):
    folder = SAMPLES.parent / "samples-fields" / "receipts"
    done = project.command("register_dataset", dataset=folder, name="receipts")
    assert done.returncode == 0, done.stdout
    found = {each["inputs"]["doc_id"]: each["expectations"] for each in records("receipts")}
    assert found == {each.form_id: each.expectations() for each in load_documents(folder)}
