"""What a comparison starts ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.entry_points.conftest import Done, Project
from tests.faulty_llm import serve


def test_sigterm_leaves_no_evaluation_behind(project: Project, main_run: Done):
    with serve() as llm:
        llm.always = lambda _: time.sleep(60)
        flags = ["--candidates=openai,openai;max_size=900", "--llm=loopback-vision", "--cache=none"]
        with subprocess.Popen(
            [sys.executable, "-m", "entry_points.compare", f"--dataset={project.dataset}", *flags],
            cwd=project.folder,
            env=project.environment
            | {"MLFLOW_TRACKING_URI": project.tracking_uri, "OPENAI_BASE_URL": llm.base_url},
            start_new_session=True,
        ) as process:
            while not llm.requests:
                assert process.poll() is None
                time.sleep(0.1)
            process.terminate()
            assert process.wait(60) == 143
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
