"""A right that the tracking server refuses is named in one sentence, and no password is shown."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from pytest_httpserver import HTTPServer

from entry_points.command_line import cli
from entry_points.command_line.rights import login, unreachable
from entry_points.command_line.tracking import experiment_page, list_of, where_is
from entry_points.logged_models.loading import extractor_config

API = "/api/2.0/mlflow"
RUN_ID = "0" * 32
RUN = {"info": {"run_id": RUN_ID, "experiment_id": "7", "artifact_uri": "mlflow-artifacts:/7/a"}}
Ask = Callable[[MlflowClient], object]
Track = Callable[[str], None]

REFUSED: dict[str, tuple[Ask, str]] = {
    "a run": (lambda client: client.create_run("7"), "EDIT on the experiment: "),
    "a tag of a run": (
        lambda client: client.set_tag(RUN_ID, "a", "b"),
        "EDIT on the experiment: ",
    ),
    "an experiment to read": (
        lambda client: client.get_experiment("7"),
        "READ on the experiment: ",
    ),
    "a tag of a model": (
        lambda client: client.set_registered_model_tag("m", "a", "b"),
        "EDIT on the registered model or prompt: ",
    ),
    "a version to read": (
        lambda client: client.get_model_version("m", "1"),
        "READ on the registered model or prompt: ",
    ),
    "an alias": (
        lambda client: client.set_registered_model_alias("m", "champion", "1"),
        "READ (to follow an alias) or EDIT (to move it) on the model or prompt: ",
    ),
    "a model that is not found otherwise": (
        lambda client: extractor_config("models:/m/1"),
        "READ on the registered model or prompt: ",
    ),
    "an artifact": (
        lambda client: client.log_text(RUN_ID, "text", "a.txt"),
        "EDIT on the experiment: the tracking server refused an artifact;",
    ),
    "artifacts to delete": (
        lambda client: get_artifact_repository("mlflow-artifacts:/7/a").delete_artifacts(),
        "MANAGE on the experiment: the tracking server refused an artifact;",
    ),
    "traces to delete": (
        lambda client: client.delete_traces("7", trace_ids=["tr-1"]),
        "MANAGE on the experiment: ",
    ),
    "a logged model to read": (
        lambda client: client.get_logged_model(f"m-{RUN_ID}"),
        "READ on the experiment: ",
    ),
}


def address(server: HTTPServer) -> str:
    return server.url_for("").rstrip("/")


@pytest.fixture
def refusing(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, track_at: Track
) -> HTTPServer:
    """A tracking server that knows one run and allows nothing; its address has a password."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
    httpserver.expect_request(f"{API}/runs/get").respond_with_json({"run": RUN})
    model = {"registered_model": {"name": "m"}}  # MLflow looks whether it is a prompt
    httpserver.expect_request(f"{API}/registered-models/get").respond_with_json(model)
    refused = re.compile("/.*")
    httpserver.expect_request(refused).respond_with_data("Permission denied", status=403)
    track_at(address(httpserver))
    return httpserver


def last_line(doing: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that does something the server refuses; return the only line it prints."""

    @cli.reports()
    def main(argv: Sequence[str] | None = None) -> int:
        doing()
        return 0

    assert main() == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "s3cret" not in line
    return str(line)


@pytest.mark.parametrize(("ask", "right"), REFUSED.values(), ids=REFUSED)
def test_a_missing_right_is_named(
    refusing: HTTPServer, ask: Ask, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = address(refusing)
    line = last_line(lambda: ask(MlflowClient(server)), capsys)
    assert line.startswith(f"error: the user ann lacks the right {right}")
    assert line.endswith(f"; ask the administrator of {server} for that right.")


@pytest.mark.parametrize("place", ["environment", "address"])
def test_an_unknown_user_is_told_by_name(
    place: str,
    httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    track_at: Track,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = address(httpserver)
    if place == "environment":
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
        track_at(server)
    else:
        track_at(server.replace("//", "//ann:s3cret@"))
    httpserver.expect_request(re.compile("/.*")).respond_with_data("Who are you?", status=401)
    line = last_line(lambda: MlflowClient().create_run("7"), capsys)
    assert line == (
        f"error: the tracking server {server} does not know the user ann with this password: set "
        "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or ask its administrator for an "
        "account."
    )


def test_a_server_that_cannot_be_reached_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, track_at: Track, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{closed.getsockname()[1]}"
        track_at(server.replace("//", "//ann:s3cret@"))
        line = last_line(lambda: MlflowClient().create_run("7"), capsys)
    assert line == (
        f"error: the tracking server {server} cannot be reached (ConnectionError): check "
        "MLFLOW_TRACKING_URI, and give the same command again when the server answers."
    )


def test_the_user_whose_password_the_server_has_checked_is_known(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, track_at: Track
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "somebody")
    answer = {"user": {"id": 7, "username": "ann", "is_admin": False}, "is_basic_auth": True}
    httpserver.expect_request(f"{API}/users/current").respond_with_json(answer)
    track_at(address(httpserver))
    assert login() == "ann"


@pytest.mark.parametrize("claimed", ["", "ann"])
@pytest.mark.parametrize(
    "answer",
    [
        {"response_data": "Not found", "status": 404},
        {"response_data": "<html>", "status": 200},
        {"response_data": '{"user": null}', "status": 200},
    ],
    ids=["no such route", "a page", "no user"],
)
def test_without_logins_it_is_the_name_that_requests_carry(
    answer: dict[str, Any],
    claimed: str,
    httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    track_at: Track,
) -> None:
    if claimed:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", claimed)
    httpserver.expect_request(f"{API}/users/current").respond_with_data(**answer)
    track_at(address(httpserver))
    assert login() == claimed


def test_a_database_knows_no_user(monkeypatch: pytest.MonkeyPatch, track_at: Track) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    track_at("postgresql+psycopg2://bob:s3cret@db:5432/mlflow")
    assert login() == ""


def test_another_server_without_an_answer_is_not_the_tracking_server(track_at: Track) -> None:
    track_at("http://127.0.0.1:5000")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(requests.ConnectionError) as other:
            requests.get(f"http://127.0.0.1:{closed.getsockname()[1]}", timeout=5)
    assert unreachable(other.value) is None


def test_an_error_that_is_no_refusal_stays_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    @cli.reports()
    def main(argv: Sequence[str] | None = None) -> int:
        raise MlflowException("the disk is full")

    with pytest.raises(MlflowException, match="the disk is full"):
        main()


def test_the_addresses_of_a_server_have_no_password(refusing: HTTPServer, track_at: Track) -> None:
    server = address(refusing)
    track_at(server.replace("//", "//ann:s3cret@"))
    assert where_is(RUN_ID) == f"{server}/#/experiments/7/runs/{RUN_ID}"
    assert experiment_page("7") == f"{server}/#/experiments/7"
    assert list_of("prompts") == f"{server}/#/prompts"


@pytest.mark.parametrize("password", ["s3cret", "s3/cr/et="])
def test_a_database_is_shown_without_its_password(track_at: Track, password: str) -> None:
    track_at(f"postgresql+psycopg2://ann:{password}@db:5432/mlflow")
    expected = "mlflow ui --backend-store-uri 'postgresql+psycopg2://***@db:5432/mlflow'"
    assert where_is(RUN_ID) == expected
    assert list_of("models") == "`mlflow ui`"


def test_the_command_that_shows_a_run_can_be_pasted(track_at: Track) -> None:
    track_at("sqlite:////home/ann's runs/a@b/mlflow.db")
    assert shlex.split(where_is(RUN_ID))[-1] == "sqlite:////home/ann's runs/a@b/mlflow.db"
