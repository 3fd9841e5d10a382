"""Train, log with the weights, evaluate: the real commands on four forms, or four documents."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.entry_points.conftest import SAMPLES, Project

FORMS = ("fax-01", "invoice-01", "personnel-03", "memo-01")


def copy_forms(folder: Path) -> None:
    for part in ("images", "annotations"):
        (folder / part).mkdir(exist_ok=True)
        for path in (SAMPLES / part).iterdir():
            if path.stem in FORMS:
                shutil.copy(path, folder / part)


def test_trained_weights_travel_with_the_extractor_that_is_logged_with_them(
    project: Project, tmp_path: Path
):
    copy_forms(tmp_path)
    done = project.command("train", dataset=tmp_path, folds=2, cache=tmp_path / "words")
    assert done.returncode == 0, done.stdout
    weights = done.stdout.split("local_weights=")[1].split()[0]
    run = project.client.get_run(weights.split("/")[1])
    assert {"pair_f1", "label_accuracy", "link_average_precision"} <= run.data.metrics.keys()
    assert len(list((tmp_path / "words").iterdir())) == len(FORMS)

    name = "trained-extractor"
    done = project.command("log", engine="local", model_name=name, local_weights=weights)
    assert done.returncode == 0, done.stdout
    done = project.command("evaluate", model_uri=f"models:/{name}/1", dataset=tmp_path, limit=1)
    assert done.returncode == 0, done.stdout
    assert "models:/trained-extractor/1: 1 forms, 0 failed" in done.stdout

    again = project.command(
        "log", engine="local", model_name=name, local_weights=f"models:/{name}/1"
    )
    assert again.returncode == 0, again.stdout


def test_weights_for_fields_travel_with_the_extractor_too(project: Project, tmp_path: Path):
    receipts = SAMPLES.parent / "samples-fields" / "receipts"
    done = project.command(
        "train", dataset=receipts, folds=2, cache=tmp_path, learning_curve="true"
    )
    assert done.returncode == 0, done.stdout
    assert "4 documents, each read by models trained on the other half" in done.stdout
    weights = done.stdout.split("local_weights=")[1].split()[0]
    run = project.client.get_run(weights.split("/")[1])
    assert {"value_f1", "field_f1/total", "calibration_error"} <= run.data.metrics.keys()

    name, prompt = "trained-receipts", "trained-receipts-fields"
    logged = project.command(
        "log",
        engine="local",
        model_name=name,
        prompt_name=prompt,
        schema=receipts / "schema.json",
        local_weights=weights,
    )
    assert logged.returncode == 0, logged.stdout
    done = project.command("evaluate", model_uri=f"models:/{name}/1", dataset=receipts, limit=1)
    assert done.returncode == 0, done.stdout
    assert f"models:/{name}/1: 1 forms, 0 failed" in done.stdout
    assert "the local weights have learned from 1 of these forms" in done.stdout
    assert "-P without=receipt-01\n" in done.stdout
    done = project.command(
        "evaluate", model_uri=f"models:/{name}/1", dataset=receipts, precision=0.9
    )
    assert done.returncode == 2
    assert "learned from 4 of these 4" in done.stdout


def test_a_folder_with_annotations_and_fields_trains_both(project: Project, tmp_path: Path):
    both = tmp_path / "both"
    shutil.copytree(SAMPLES.parent / "samples-fields" / "receipts", both)
    copy_forms(both)
    done = project.command("train", dataset=both, folds=2, cache=tmp_path / "words")
    assert done.returncode == 0, done.stdout
    weights = done.stdout.split("local_weights=")[1].split()[0]
    run = project.client.get_run(weights.split("/")[1])
    assert {"value_f1", "pair_f1"} <= run.data.metrics.keys()


@pytest.mark.parametrize(
    ("entry_point", "parameters", "message"),
    [
        ("train", {"limit": 3}, "3 forms in 5 folds: training needs 4 forms or more"),
        ("log", {"engine": "local", "local_weights": "runs:/nothing/here"}, "cannot be fetched"),
    ],
    ids=["too-few-forms", "no-such-run"],
)
def test_mistakes_end_in_one_sentence(project: Project, entry_point, parameters, message):
    done = project.command(entry_point, **parameters)
    assert done.returncode != 0
    assert message in done.stdout
    assert "Traceback" not in done.stdout.partition("error:")[0]
