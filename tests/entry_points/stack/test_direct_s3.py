"""Clients reach the S3 store of the artifacts themselves: MLflow's server hands nothing on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import requests

from tests.entry_points.conftest import Done
from tests.entry_points.stack.conftest import BUCKET, FORMS, MODEL, S3_KEY, Person


@pytest.fixture(scope="module")
def logged(direct: Person) -> Done:
    """What the main job has printed."""
    flags = {"dataset": direct.dataset, "engine": "openai", "llm": "loopback"}
    done = direct.command("main", **flags, limit="all")
    assert done.returncode == 0, done.stdout
    return done


def with_pages(s3: str) -> set[str]:
    """Return the traces that have images in the store."""
    listed = requests.get(f"{s3}/{BUCKET}", params={"prefix": "direct/"}, timeout=60).text
    assert "<IsTruncated>false" in listed
    keys = [part.partition("</Key>")[0] for part in listed.split("<Key>")[1:]]
    return {key.partition("/artifacts/attachments/")[0] for key in keys if "/attachments/" in key}


def test_predict_reads_the_model_and_writes_pages_of_traces(
    logged: Done, direct: Person, s3: str, tmp_path: Path
) -> None:
    before = with_pages(s3)
    assert len(before) >= FORMS
    output = tmp_path / "read.jsonl"
    read = {"input": direct.dataset / "images", "output": output}
    done = direct.command("predict", model_uri=f"models:/{MODEL}@champion", **read)
    assert done.returncode == 0, done.stdout
    assert f"{FORMS} of {FORMS} documents read." in done.stdout
    assert "were not written" not in done.stdout
    assert len(with_pages(s3) - before) == FORMS


NO_PACKAGE, NO_KEY = "No module named 'boto3'", "Unable to locate credentials"
NO_STORE = "Could not connect to the endpoint URL"


@pytest.mark.parametrize(
    ("entry_point", "what"),
    [("main", NO_KEY), ("predict", NO_KEY), ("predict", NO_PACKAGE), ("predict", NO_STORE)],
)
def test_what_is_missing_is_said_in_one_sentence(
    entry_point: str, what: str, logged: Done, direct: Person, tmp_path: Path
) -> None:
    environment = dict(direct.environment)
    if what == NO_PACKAGE:
        (tmp_path / "boto3.py").write_text(
            """raise ModuleNotFoundError("No module named 'boto3'", name="boto3")"""
        )
        environment["PYTHONPATH"] = f"{tmp_path}:{environment['PYTHONPATH']}"
    elif what == NO_KEY:
        environment = {name: environment[name] for name in environment if name not in S3_KEY}
        environment |= {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
    else:
        environment["MLFLOW_S3_ENDPOINT_URL"] = "http://127.0.0.1:9"
    person = replace(direct, environment=environment)
    flags: dict[str, dict[str, object]] = {
        "main": {"dataset": direct.dataset, "engine": "openai", "llm": "loopback"},
        "predict": {"input": direct.dataset / "images", "output": tmp_path / "read.jsonl"},
    }
    done = person.command(entry_point, **flags[entry_point])
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stdout
    errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert errors[0].startswith("error: the artifacts are in an object store")
    assert what in errors[0]
    after = ["error: the extractor was not logged: see above."] if entry_point == "main" else []
    assert errors[1:] == after
