"""A command's run in MLflow has a name that tells what it did."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from entry_points import ROOT
from entry_points.command_line.tracking import name_run
from entry_points.logged_models.loading import pinned_uri, version_of


@pytest.fixture(scope="module")
def store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{shutil.copy(empty_store, tmp_path_factory.mktemp('store'))}"


@pytest.fixture(autouse=True)
def _own_store(track_at: Callable[[str], None], store: str) -> None:
    track_at(store)


def name_of(run_id: str) -> str:
    return str(mlflow.get_run(run_id).info.run_name)


def test_the_active_run_is_named():
    with mlflow.start_run() as run:
        name_run("evaluate form/1")
    assert name_of(run.info.run_id) == "evaluate form/1"


def test_a_nested_run_keeps_the_name_of_its_parent_s_choice():
    with mlflow.start_run(), mlflow.start_run(run_name="candidate a", nested=True) as run:
        name_run("evaluate form/1")
    assert name_of(run.info.run_id) == "candidate a"


def test_a_command_that_logs_nothing_names_the_run_that_mlflow_run_started(
    monkeypatch: pytest.MonkeyPatch,
):
    run_id = mlflow.MlflowClient().create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    name_run("predict form/1 on inbox")
    assert name_of(run_id) == "predict form/1 on inbox"
    assert mlflow.active_run() is None


def test_without_a_run_nothing_is_logged():
    before = len(mlflow.search_runs(["0"]))
    name_run("predict form/1 on inbox")
    assert len(mlflow.search_runs(["0"])) == before


def test_a_run_of_another_store_stops_no_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    name_run("predict form/1 on inbox")


def test_a_model_is_named_by_its_version_whichever_way_it_was_given():
    client = mlflow.MlflowClient()
    client.create_registered_model("form")
    client.create_model_version("form", "file:///nowhere")
    client.set_registered_model_alias("form", "champion", "1")
    for uri in ("models:/form/1", "models:/form@champion"):
        assert version_of(uri) == "form/1"


@pytest.mark.parametrize("uri", ["file:///srv/ann@example/model", "s3://key@bucket/model"])
def test_an_address_with_an_at_sign_is_no_alias(uri: str):
    assert version_of(uri) == pinned_uri(uri) == uri


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_without_a_name_can_review_and_label():
    code = (
        "import os, pwd; from entry_points.command_line.tracking import user_name; "
        "os.environ.clear(); os.setuid(54321); print(user_name())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "unknown\n", done.stderr
