"""A real MLflow server tells a real extractor's server that a prompt or a version was promoted.

`python -m pytest -s tests/entry_points/test_webhook.py` prints how long that took.
"""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookEvent

from tests.entry_points.conftest import Done, Project, project_in
from tests.entry_points.following import SECRET, counted, workers
from tests.entry_points.servers import log_of, served
from tests.entry_points.tracking_servers import tracking_server
from tests.llm_servers.checking import CheckingLlm
from tests.waiting import wait_for

MODEL, PROMPT = "ocr-extractor", "ocr-question-answer"
WORKERS = 2
# Between two lookups lies an hour: only an event brings another prompt.
SETTINGS = '{"follow_alias": true, "prompt_refresh_s": 3600}'


@pytest.fixture(scope="module")
def team(project: Project, main_run: Done) -> Iterator[Project]:
    """The project with its store behind an MLflow server that may send to loopback."""
    environment = project.environment | {
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_CACHE_TTL": "1",
    }
    with tracking_server(project.folder, environment, project.tracking_uri) as server:
        client = {"MLFLOW_TRACKING_URI": server.uri, "HOOK": SECRET, "OTHER": "x"}
        yield replace(project, environment=project.environment | client)


@pytest.fixture(scope="module")
def client(team: Project) -> MlflowClient:
    uri = team.environment["MLFLOW_TRACKING_URI"]
    return MlflowClient(uri, uri)


@pytest.fixture(scope="module")
def url(team: Project) -> Iterator[str]:
    flags = (f"--workers={WORKERS}", "--follow-champion=true", "--webhook-secret=HOOK")
    environment = team.environment | {"SERVING_MODEL_CONFIG": SETTINGS}
    with served(team, *flags, **environment) as (address, _):
        yield address
    assert SECRET not in log_of(team, address)


def register(team: Project, url: str, **parameters: str) -> Done:
    flags = {"url": f"{url}/webhooks/mlflow", "webhook_secret": "HOOK"} | parameters
    words = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    return team.run("-m", "entry_points.webhook", *words)


@pytest.fixture(scope="module")
def registered(team: Project, url: str) -> list[Done]:
    """What the command has printed that registered the webhook, and when it was given again."""
    return [register(team, url) for _ in range(2)]


def test_the_command_registers_one_webhook_and_tests_it(
    registered: list[Done], client: MlflowClient, url: str
):
    first, second = registered
    for done, verb in ((first, "Registered"), (second, "Replaced")):
        assert done.returncode == 0, done.stdout
        assert f"{verb} the webhook {MODEL} (" in done.stdout
        assert "Test: a signed delivery arrived." in done.stdout
        assert SECRET not in done.stdout
    [webhook] = client.list_webhooks()
    assert webhook.url == f"{url}/webhooks/mlflow"


def test_another_secret_is_told(team: Project, url: str, registered: list[Done]):
    done = register(team, url, webhook_secret="OTHER", name="wrong")
    assert done.returncode == 1
    assert "Test: the delivery failed: HTTP 401" in done.stdout


def row(team: Project, url: str) -> dict[str, Any]:
    page = (team.dataset / "images" / "fax-01.png").read_bytes()
    body = {"inputs": [{"image": base64.b64encode(page).decode()}]}
    got = requests.post(f"{url}/invocations", json=body, timeout=300)
    assert got.status_code == 200, got.text
    [found] = got.json()["predictions"]
    assert found["error_code"] is None
    return dict(found)


def test_a_promoted_prompt_is_used_by_all_processes(
    team: Project, client: MlflowClient, url: str, registered: list[Done]
):
    assert row(team, url)["prompt_uri"] == f"prompts:/{PROMPT}/1"
    template = str(client.get_prompt_version(PROMPT, "1").template)
    version = client.register_prompt(PROMPT, template + "\nRead carefully.").version
    time.sleep(1)  # MLFLOW_WEBHOOK_CACHE_TTL of the server
    client.set_prompt_alias(PROMPT, "production", version)
    moved = time.monotonic()
    wait_for(lambda: row(team, url)["prompt_uri"] == f"prompts:/{PROMPT}/{version}")
    print(f"\nThe first answer with the new prompt came {time.monotonic() - moved:.2f} s later.")
    new = {f"prompts:/{PROMPT}/{version}"}
    wait_for(lambda: {row(team, url)["prompt_uri"] for _ in range(8)} == new)


def test_a_promoted_model_version_takes_over(
    team: Project, client: MlflowClient, url: str, registered: list[Done]
):
    # The server takes no second version of a logged model; its database does.
    source = str(client.get_model_version(MODEL, "1").source)
    version = team.client.create_model_version(MODEL, source).version
    client.set_registered_model_alias(MODEL, "champion", version)
    moved = time.monotonic()
    wait_for(lambda: workers(url) == {f"{MODEL}/{version}": WORKERS})
    print(f"\nThe new version took over {time.monotonic() - moved:.1f} s later.")
    assert row(team, url)["pairs"]
    assert counted(url, "switches_total") == 1
    experiments = [each.experiment_id for each in client.search_experiments()]
    previews = [trace.info.request_preview for trace in client.search_traces(experiments)]
    assert "warm-up" not in previews


def test_a_lost_key_is_told(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The webhook of a server whose key was another: here, that of this process."""
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    moved: list[Any] = [WebhookEvent("prompt_alias", "created")]
    with CheckingLlm() as llm:
        project = project_in(tmp_path, llm)
        project.client.create_webhook("old", "https://127.0.0.1/hook", moved, secret=SECRET)
        environment = project.environment
        with tracking_server(project.folder, environment, project.tracking_uri) as server:
            client = environment | {"MLFLOW_TRACKING_URI": server.uri, "HOOK": SECRET}
            done = register(replace(project, environment=client), "http://127.0.0.1:9")
    assert done.returncode == 2, done.stdout
    [line] = done.stdout.splitlines()
    assert line.startswith("error: the MLflow server cannot read its webhooks (HTTP 500): ")
    assert "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY" in line


def test_a_database_sends_no_webhooks(project: Project, main_run: Done):
    store = {"MLFLOW_TRACKING_URI": project.tracking_uri, "HOOK": SECRET}
    words = ("-m", "entry_points.webhook", "--url=http://x", "--webhook-secret=HOOK")
    done = project.run(*words, **store)
    assert done.returncode == 2
    assert "error: webhooks are sent by an MLflow server" in done.stdout
