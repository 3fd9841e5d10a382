"""A project of its own for each worker: the main job's store, three forms, and an LLM."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from data.funsd import load_folder
from entry_points import ROOT
from tests.conftest import MakeOnce, copy_project
from tests.llm_servers.checking import CheckingLlm
from tests.llm_servers.completions import KEY, completion

SAMPLES = ROOT / "data" / "samples"
Done = subprocess.CompletedProcess[str]
FORMS = ("fax-01", "invoice-01", "personnel-03")


@dataclass(frozen=True)
class Project:
    """Where commands are run, and what they see.

    Attributes:
        folder: The folder the user is in; its store is `mlflow.db` beside `mlruns`.
        dataset: Three of the sample forms.
        llm: What the environment's key and base URL lead to.
        environment: The environment of every command.
        timeout_s: How long a command may take, s.
    """

    folder: Path
    dataset: Path
    llm: CheckingLlm
    environment: dict[str, str]
    timeout_s: float = 900.0

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.tracking_uri, self.tracking_uri)

    def mlflow_run(self, entry_point: str, **parameters: object) -> Done:
        """Run `mlflow run` on the project from the user's folder, in this environment."""
        given = self._given(entry_point, parameters)
        flags = [f for name, value in given.items() for f in ("-P", f"{name}={value}")]
        return self.run(
            "-m", "mlflow", "run", str(ROOT), "--env-manager", "local", "-e", entry_point, *flags
        )

    def command(self, entry_point: str, **parameters: object) -> Done:
        """Run an entry point's module as `mlflow run` does, which itself takes some seconds."""
        given = self._given(entry_point, parameters)
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
        module = f"entry_points.{entry_point}"
        return self.run("-m", module, *flags, MLFLOW_TRACKING_URI=self.tracking_uri)

    @staticmethod
    def _given(entry_point: str, parameters: dict[str, object]) -> dict[str, object]:
        if entry_point in {"main", "evaluate", "predict", "compare", "improve"}:
            return {"cache": "none"} | parameters  # the LLM changes its answers between tests
        return parameters

    def run(self, *arguments: str, **environment: str) -> Done:
        """Run the interpreter in the user's folder; the output has both streams."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=self.timeout_s,
        )


@pytest.fixture(scope="session")
def main_job(make_once: MakeOnce) -> Path:
    """A folder in which the main job was run, once for all workers, and what there is to tell.

    The LLM reads one form of three.
    """

    def fill(folder: Path) -> None:
        (folder / "project").mkdir()
        for part in ("images", "annotations"):
            (folder / "project" / "forms" / part).mkdir(parents=True)
            for path in (SAMPLES / part).iterdir():
                if path.stem in FORMS:
                    shutil.copy(path, folder / "project" / "forms" / part)
        with CheckingLlm() as llm:
            answer_invoice(llm)
            project = project_in(folder / "project", llm)
            done = project.mlflow_run(
                "main", dataset=project.dataset, engine="openai", llm="loopback-vision"
            )
            assert done.returncode == 0, done.stdout
            told = {"printed": done.stdout, "requests": llm.requests, "keys": llm.keys}
            (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")

    return make_once("main-job", fill)


@pytest.fixture(scope="session")
def project(main_job: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy of what the main job has left, for this worker."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(main_job / "project", folder)
    with CheckingLlm() as llm:
        answer_invoice(llm)
        built = project_in(folder, llm)
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(built.tracking_uri)
        yield built
        mlflow.set_tracking_uri(before)


def project_in(folder: Path, llm: CheckingLlm) -> Project:
    """Return the project of a folder, whose commands know the LLM."""
    kept = {"PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_FILE"}
    kept |= {"PYTHONPYCACHEPREFIX", "OMP_NUM_THREADS"}
    environment = {name: value for name, value in os.environ.items() if name in kept}
    bin_folder = Path(sys.executable).parent  # `python` of the entry points' commands
    environment |= {
        "PATH": f"{bin_folder}{os.pathsep}{environment['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": llm.base_url,
        "MLFLOW_MODEL_CATALOG_URI": "",  # prices are taken from MLflow's wheel, not the network
    }
    return Project(folder, folder / "forms", llm, environment)


def answer_invoice(llm: CheckingLlm) -> None:
    """Let the LLM give the invoice's true pairs for every form, and one blank field."""
    [form] = [form for form in load_folder(SAMPLES) if form.form_id == "invoice-01"]
    pairs = [{"question": pair.question, "answer": pair.answer} for pair in form.pairs()]
    blank = {"question": "Left blank", "answer": None}
    llm.answer = completion(json.dumps({"pairs": [*pairs, blank]}))


def run_id_of(done: Done) -> str:
    """Return the run that the main job or evaluate has printed."""
    [run_id] = re.findall(r"^Run (\w{32}) ", done.stdout, re.MULTILINE)
    return str(run_id)


@pytest.fixture(scope="session")
def main_run(main_job: Path, project: Project) -> Done:
    """What the main job has printed, with the paths of this worker's copy."""
    printed = str(told(main_job)["printed"])
    return Done([], 0, printed.replace(str(main_job / "project"), str(project.folder)))


def told(main_job: Path) -> dict[str, Any]:
    """Return what the main job has printed, and sent to the LLM: `requests` and `keys`."""
    return dict(json.loads((main_job / "told.json").read_text(encoding="utf-8")))
