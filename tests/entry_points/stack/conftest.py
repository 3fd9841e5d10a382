"""A team's stack: PostgreSQL, an S3 store, `mlflow server` with logins, and people with rights."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient

from data.funsd import load_folder
from tests import postgres
from tests.entry_points.conftest import SAMPLES, Project, project_in
from tests.entry_points.servers import free_port
from tests.entry_points.tracking_servers import TrackingServer, tracking_server
from tests.llm_servers.checking import CheckingLlm
from tests.llm_servers.prompted import PromptedLlm
from tests.waiting import wait_for

# The driver, the S3 server and client, and what `--app-name basic-auth` imports.
PACKAGES = ("psycopg2", "moto", "boto3", "flask_wtf")
BUCKET = "ocr"
MODEL, DRAFTS, PROMPT = "ocr-extractor", "ocr-extractor-drafts", "ocr-question-answer"
# As many forms as the gate asks for.
FORMS = 8
ADMIN = "admin"
# Who works in `ocr`, and the server of the model, which works in `ocr-production`.
RIGHTS = {
    "ml-engineer": [
        ("experiment", "ocr", "EDIT"),
        ("registered_model", MODEL, "EDIT"),
        ("prompt", PROMPT, "EDIT"),
    ],
    "prompt-engineer": [
        ("experiment", "ocr", "EDIT"),
        ("registered_model", MODEL, "READ"),
        ("registered_model", DRAFTS, "EDIT"),
        ("prompt", PROMPT, "EDIT"),
    ],
    "extractor": [
        ("experiment", "ocr", "READ"),
        ("experiment", "ocr-production", "EDIT"),
        ("registered_model", MODEL, "READ"),
        ("prompt", PROMPT, "READ"),
        ("run", "*", "DENY"),
        ("logged_model", "*", "READ"),
    ],
}
# Another person for each of them with the same rights.
ROLE_OF = {name: name for name in RIGHTS} | {"lead": "ml-engineer"}


def password(name: str) -> str:
    return f"s3cret of {name}"


@dataclass(frozen=True)
class Person(Project):
    """Somebody's shell: the address of the server, a login and an experiment are set in it."""

    @property
    def tracking_uri(self) -> str:
        return self.environment["MLFLOW_TRACKING_URI"]


@dataclass(frozen=True)
class Team:
    """The stack, and how people reach it.

    Attributes:
        server: `mlflow server`.
        database: The address of its database, for who uses that directly.
        bucket: The address of the bucket that holds the artifacts.
        project: A folder with forms, and an LLM that reads as well as its prompt is.
    """

    server: TrackingServer
    database: str
    bucket: str
    project: Project

    def person(self, name: str) -> Person:
        environment = self.project.environment | {
            "MLFLOW_TRACKING_URI": self.server.uri,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": password(name),
            "MLFLOW_EXPERIMENT_NAME": "ocr-production" if name == "extractor" else "ocr",
        }
        return Person(
            self.project.folder, self.project.dataset, self.project.llm, environment, timeout_s=1800
        )

    @contextmanager
    def as_admin(self) -> Iterator[MlflowClient]:
        """Be the administrator in this process, who may see everything."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN)
            patch.setenv("MLFLOW_TRACKING_PASSWORD", password(ADMIN))
            yield MlflowClient(self.server.uri, self.server.uri)


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    if (programs := postgres.programs()) is None:
        pytest.skip("PostgreSQL is not installed")
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (.ci/requirements.txt has them)")
    with postgres.running(programs, free_port()) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def s3(cluster: postgres.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 store with a bucket."""
    port = free_port()
    with (tmp_path_factory.mktemp("s3") / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None
        try:
            return requests.put(f"{url}/{BUCKET}", timeout=60).ok
        except requests.ConnectionError:
            return False

    try:
        wait_for(answers)
        yield url
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="session")
def llm() -> Iterator[CheckingLlm]:
    with CheckingLlm() as llm:
        yield llm


@pytest.fixture(scope="session")
def team(
    cluster: postgres.Cluster, s3: str, llm: CheckingLlm, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    project = project_in(folder, llm)
    _copy_forms(project.dataset)
    llm.answer = PromptedLlm(load_folder(project.dataset))
    database = cluster.database("mlflow")
    settings = {
        "default_permission": "NO_PERMISSIONS",
        "database_uri": cluster.database("logins"),
        "admin_username": ADMIN,
        "auth_cache_ttl_seconds": "600",
    }
    lines = [f"{name} = {value}" for name, value in settings.items()]
    (folder / "auth.ini").write_text("\n".join(["[mlflow]", *lines]))
    environment = project.environment | {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password(ADMIN),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key",
        "MLFLOW_S3_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    flags = ("--app-name", "basic-auth", "--artifacts-destination", f"s3://{BUCKET}")
    with tracking_server(folder, environment, database, *flags) as server:
        team = Team(server, database, f"{s3}/{BUCKET}", project)
        with team.as_admin() as client:
            _give_rights(client)
        yield team


def _give_rights(client: MlflowClient) -> None:
    ids = {name: client.create_experiment(name) for name in ("ocr", "ocr-production")}

    def post(path: str, **body: Any) -> dict[str, Any]:
        # MLflow's own client of these routes imports the server, whose imports warn.
        url = f"{client.tracking_uri}/api/{path}"
        answer = requests.post(url, json=body, auth=(ADMIN, password(ADMIN)), timeout=60)
        assert answer.ok, answer.text
        return dict(answer.json()) if answer.content else {}

    roles = {}
    for name, rights in RIGHTS.items():
        role = post("3.0/mlflow/roles/create", workspace="default", name=name)["role"]["id"]
        for kind, what, right in rights:
            grant = {"resource_type": kind, "resource_pattern": ids.get(what, what)}
            post("3.0/mlflow/roles/permissions/add", role_id=role, **grant, permission=right)
        roles[name] = role
    for name, role in ROLE_OF.items():
        post("2.0/mlflow/users/create", username=name, password=password(name))
        post("3.0/mlflow/roles/assign", username=name, role_id=roles[role])


def _copy_forms(folder: Path) -> None:
    for part in ("images", "annotations"):
        (folder / part).mkdir(parents=True)
    for image in sorted((SAMPLES / "images").glob("*.png"))[:FORMS]:
        shutil.copy(image, folder / "images")
        shutil.copy(SAMPLES / "annotations" / f"{image.stem}.json", folder / "annotations")
