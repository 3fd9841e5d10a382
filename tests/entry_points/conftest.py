"""A project of its own for the tests: a store, three forms, and a loopback LLM behind it."""

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

import mlflow
import pytest
from mlflow import MlflowClient

from data.funsd import load_folder
from entry_points import ROOT
from tests import loopback_llm
from tests.loopback_llm import KEY, LoopbackLlm

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
    llm: LoopbackLlm
    environment: dict[str, str]
    timeout_s: float = 900.0

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.tracking_uri, self.tracking_uri)

    def mlflow_run(
        self, entry_point: str, **parameters: object
    ) -> subprocess.CompletedProcess[str]:
        """Run `mlflow run` on the project from the user's folder, in this environment."""
        if entry_point in {"main", "evaluate", "predict", "compare", "improve"}:
            parameters.setdefault("cache", "none")  # the LLM changes its answers between tests
        flags = [f for name, value in parameters.items() for f in ("-P", f"{name}={value}")]
        return self.run(
            "-m", "mlflow", "run", str(ROOT), "--env-manager", "local", "-e", entry_point, *flags
        )

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
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("project")
    for part in ("images", "annotations"):
        (folder / "forms" / part).mkdir(parents=True)
        for path in (SAMPLES / part).iterdir():
            if path.stem in FORMS:
                shutil.copy(path, folder / "forms" / part)
    server = loopback_llm.serve()
    llm = next(server)
    kept = {"PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_FILE"}
    environment = {name: value for name, value in os.environ.items() if name in kept}
    bin_folder = Path(sys.executable).parent  # `python` of the entry points' commands
    environment |= {
        "PATH": f"{bin_folder}{os.pathsep}{environment['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": llm.base_url,
        "MLFLOW_MODEL_CATALOG_URI": "",  # prices are taken from MLflow's wheel, not the network
    }
    built = Project(folder, folder / "forms", llm, environment)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(built.tracking_uri)
    yield built
    mlflow.set_tracking_uri(before)
    server.close()


def answer_invoice(llm: LoopbackLlm) -> None:
    """Let the LLM give the invoice's true pairs for every form, and one blank field."""
    [form] = [form for form in load_folder(SAMPLES) if form.form_id == "invoice-01"]
    pairs = [{"question": pair.question, "answer": pair.answer} for pair in form.pairs()]
    blank = {"question": "Left blank", "answer": None}
    llm.answer = loopback_llm.completion(json.dumps({"pairs": [*pairs, blank]}))


def run_id_of(done: Done) -> str:
    """Return the run that the main job or evaluate has printed."""
    [run_id] = re.findall(r"^Run (\w{32}) ", done.stdout, re.MULTILINE)
    return str(run_id)


@pytest.fixture(scope="session")
def main_run(project: Project) -> Done:
    """The main job, run once: the LLM reads one form of three. Its requests are the first kept."""
    answer_invoice(project.llm)
    for kept in (project.llm.requests, project.llm.images, project.llm.keys):
        kept.clear()
    done = project.mlflow_run(
        "main", dataset=project.dataset, engine="openai", llm="loopback-vision"
    )
    assert done.returncode == 0, done.stdout
    return done
