"""The main job as a new user runs it: local engine, no key, no network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from entry_points import ROOT
from tests.entry_points.conftest import Project, run_id_of

# Python imports it before anything else: whatever leaves this machine fails, and says so.
NO_NETWORK = """
import socket

connect = socket.socket.connect

def connect_on_this_machine(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise AssertionError(f"offline, but something connects to {address}")
    return connect(self, address)

socket.socket.connect = connect_on_this_machine
"""


@pytest.fixture
def offline(project: Project, tmp_path: Path) -> Project:
    """Another user's folder: no store yet, no key, no network."""
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    without = {"OPENAI_API_KEY", "OPENAI_BASE_URL"}
    environment = {key: value for key, value in project.environment.items() if key not in without}
    environment["PYTHONPATH"] = f"{tmp_path}:{ROOT}"
    return replace(project, folder=tmp_path, environment=environment)


def test_main_job_reads_the_samples_offline(offline: Project):
    done = offline.mlflow_run("main", dataset=offline.dataset)
    assert done.returncode == 0, done.stdout
    assert "Engine: local (auto: no key and no server in the environment)." in done.stdout
    assert "offline, but" not in done.stdout
    run = offline.client.get_run(run_id_of(done))
    assert run.info.run_name == "evaluate ocr-extractor/1 on forms (local)"
    assert run.data.metrics["coverage"] == 1.0
    assert run.data.metrics["pair_f1"] > 0.4
    assert run.data.metrics["input_tokens"] == 0

    output = offline.folder / "out.jsonl"
    page = offline.dataset / "images" / "personnel-03.jpg"
    assert offline.mlflow_run("predict", input=page, output=output).returncode == 0
    [row] = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert row["engine"] == "local"
    assert row["prompt_source"] == "registry"
    for pair in row["pairs"]:
        x0, y0, x1, y1 = pair["answer_box"]
        assert 0 <= x0 < x1
        assert 0 <= y0 < y1
