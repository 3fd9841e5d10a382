"""A team's stack: PostgreSQL, an S3 store, `mlflow server` with logins, and people with rights."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient

from data.funsd import load_folder
from entry_points import ROOT
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
# As many forms as monitor asks for; the gate asks for eight.
FORMS = 10
# The experiments of deploy/create_users.py: of people, and of the extractor's server.
WORK, PRODUCTION = "ocr", "ocr-production"
ADMIN = "admin"
# Whose roles deploy/create_users.py makes, and one more ML engineer.
USERS = ("ml-engineer", "prompt-engineer", "extractor")
LEAD = "lead"
EVERYBODY = (ADMIN, *USERS, LEAD)
# What a client of the S3 store has in its environment; it asks no cloud for more.
S3_KEY = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "s3cret of S3",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


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
            "MLFLOW_EXPERIMENT_NAME": PRODUCTION if name == "extractor" else WORK,
        }
        return Person(
            self.project.folder, self.project.dataset, self.project.llm, environment, timeout_s=1800
        )

    @contextmanager
    def logged_in(self, name: str) -> Iterator[MlflowClient]:
        """Be somebody in this process."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_USERNAME", name)
            patch.setenv("MLFLOW_TRACKING_PASSWORD", password(name))
            yield MlflowClient(self.server.uri, self.server.uri)

    def as_admin(self) -> AbstractContextManager[MlflowClient]:
        """Be the administrator in this process, who may see everything."""
        return self.logged_in(ADMIN)


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
def forms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with annotated forms."""
    folder: Path = tmp_path_factory.mktemp("forms")
    for part in ("images", "annotations"):
        (folder / part).mkdir()
    for image in sorted((SAMPLES / "images").glob("*.png"))[:FORMS]:
        shutil.copy(image, folder / "images")
        shutil.copy(SAMPLES / "annotations" / f"{image.stem}.json", folder / "annotations")
    return folder


@pytest.fixture(scope="session")
def llm(forms: Path) -> Iterator[CheckingLlm]:
    with CheckingLlm() as llm:
        llm.answer = PromptedLlm(load_folder(forms))
        yield llm


@pytest.fixture(scope="session")
def team(
    cluster: postgres.Cluster,
    s3: str,
    llm: CheckingLlm,
    forms: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    project = replace(project_in(folder, llm), dataset=forms)
    database = cluster.database("mlflow")
    settings = {
        "default_permission": "NO_PERMISSIONS",
        "database_uri": cluster.database("logins"),
        "admin_username": ADMIN,
        "auth_cache_ttl_seconds": "600",
    }
    lines = [f"{name} = {value}" for name, value in settings.items()]
    (folder / "auth.ini").write_text("\n".join(["[mlflow]", *lines]))
    environment = project.environment | S3_KEY
    environment |= {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password(ADMIN),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key",
        "MLFLOW_S3_ENDPOINT_URL": s3,
    }
    flags = ("--app-name", "basic-auth", "--artifacts-destination", f"s3://{BUCKET}")
    with tracking_server(folder, environment, database, *flags) as server:
        team = Team(server, database, f"{s3}/{BUCKET}", project)
        _create_users(team)
        yield team


def _create_users(team: Team) -> None:
    folder = team.project.folder / "passwords"
    folder.mkdir()
    for name in USERS:
        (folder / f"{name}_password").write_text(password(name))
    done = team.person(ADMIN).run(str(ROOT / "deploy" / "create_users.py"), str(folder))
    assert done.returncode == 0, done.stdout

    def ask(method: str, path: str, **body: Any) -> Any:
        # MLflow's own client of these routes imports the server, whose imports warn.
        url, login = f"{team.server.uri}/api/{path}", (ADMIN, password(ADMIN))
        answer = requests.request(method, url, json=body, auth=login, timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    [role] = [
        each["id"]
        for each in ask("GET", "3.0/mlflow/roles/list")["roles"]
        if each["name"] == "ml-engineer"
    ]
    ask("POST", "2.0/mlflow/users/create", username=LEAD, password=password(LEAD))
    ask("POST", "3.0/mlflow/roles/assign", username=LEAD, role_id=role)


@pytest.fixture(scope="session")
def direct_database(cluster: postgres.Cluster) -> str:
    return cluster.database("direct")


@pytest.fixture(scope="session")
def direct(
    direct_database: str,
    s3: str,
    llm: CheckingLlm,
    forms: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Person]:
    """Somebody's shell where MLflow's server hands no artifacts on: clients ask the S3 store."""
    folder = tmp_path_factory.mktemp("direct")
    project = project_in(folder, llm)
    flags = ("--no-serve-artifacts", "--default-artifact-root", f"s3://{BUCKET}/direct")
    with tracking_server(folder, project.environment, direct_database, *flags) as server:
        environment = project.environment | S3_KEY
        environment |= {"MLFLOW_TRACKING_URI": server.uri, "MLFLOW_S3_ENDPOINT_URL": s3}
        yield Person(folder, forms, llm, environment, timeout_s=1800)
