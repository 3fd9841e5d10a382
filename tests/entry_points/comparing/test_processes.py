"""What a comparison starts ends with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.entry_points.conftest import Done, Project
from tests.llm_servers.faulty import FaultyLlm, slow
from tests.waiting import wait_for


def test_sigterm_leaves_no_evaluation_behind(project: Project, main_run: Done):
    with FaultyLlm() as llm:
        llm.always = slow(600, pieces=0)
        flags = ["--candidates=openai,openai;max_size=900", "--llm=loopback-vision", "--cache=none"]
        with subprocess.Popen(
            [sys.executable, "-m", "entry_points.compare", f"--dataset={project.dataset}", *flags],
            cwd=project.folder,
            env=project.environment
            | {"MLFLOW_TRACKING_URI": project.tracking_uri, "OPENAI_BASE_URL": llm.base_url},
            start_new_session=True,
        ) as process:
            wait_for(lambda: llm.requests or process.poll() is not None)
            assert process.poll() is None
            process.terminate()
            assert process.wait(300) == 143
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


def test_a_wrong_setting_in_the_last_candidate_is_found_before_the_first_reads(
    project: Project, empty_store: Path, tmp_path: Path
):
    shutil.copy(empty_store, tmp_path)
    file = tmp_path / "candidates.yaml"
    file.write_text("- local\n- {name: smaller, engine: local, max_sise: 700}\n", "utf-8")
    own = replace(project, folder=tmp_path)
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    words = ["-m", "entry_points.compare", "--candidates", str(file)]
    done = own.run(*words, "--dataset", str(project.dataset), MLFLOW_TRACKING_URI=store)
    assert done.returncode == 2, done.stdout
    assert "Candidate 2 of 2: smaller\n" in done.stdout
    assert "max_sise: Extra inputs are not permitted. Known settings: " in done.stdout
    assert "pair_f1" not in done.stdout
