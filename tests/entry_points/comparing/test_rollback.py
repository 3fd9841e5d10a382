"""Rolling back when versions are gone that the history names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from entry_points.command_line.cli import UsageError
from entry_points.comparing.gate import Gate
from entry_points.comparing.history import History
from entry_points.comparing.promotion import promote
from entry_points.rollback import rollback
from tests.entry_points.comparing.conftest import (
    collect_garbage,
    experiment_id,
    log_extractor,
    run_of_version,
)


@pytest.fixture
def name(client: MlflowClient, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A model with three versions, each promoted, whose first version is deleted with its run."""
    name = str(request.node.name)
    prompt = client.register_prompt(f"prompt-of-{name}", "Read the form.")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(client.tracking_uri)
    experiment = experiment_id(client)
    for version in ("1", "2", "3"):
        with mlflow.start_run(experiment_id=experiment) as run:
            log_extractor(name, prompt.uri, tmp_path)
            promote(run, f"models:/{name}/{version}", Gate(), force=True)
    first = run_of_version(client, name, "1")
    client.delete_model_version(name, "1")
    collect_garbage(client, first)
    yield name
    mlflow.set_tracking_uri(before)


def test_a_move_says_when_it_was_made_and_what_was_overridden(client: MlflowClient, name: str):
    first, second, third = History(client, name).moves
    assert first.objections == ()
    for move in (second, third):
        [objection] = move.objections
        assert "they were not evaluated on the same forms" in objection
    assert first.at <= second.at <= third.at
    assert (datetime.now(UTC) - datetime.fromisoformat(first.at)) < timedelta(hours=1)


def test_a_champion_that_was_deleted_is_rolled_back(client: MlflowClient, name: str):
    client.delete_model_version(name, "3")
    experiment = experiment_id(client)
    with mlflow.start_run(experiment_id=experiment) as run:
        assert rollback(run, name).champion == "2"
    assert str(client.get_registered_model(name).aliases["champion"]) == "2"
    assert len(History(client, name).moves) == 4
    with (
        mlflow.start_run(experiment_id=experiment) as run,
        pytest.raises(UsageError, match="/1 cannot be found"),
    ):
        rollback(run, name)
    assert str(client.get_registered_model(name).aliases["champion"]) == "2"


def test_a_prompt_stays_in_production_where_none_was_before(client: MlflowClient, tmp_path: Path):
    prompt = client.register_prompt("first-in-production", "Read the form.")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(client.tracking_uri)
    for version, engine in enumerate(("local", "openai"), 1):
        with mlflow.start_run(experiment_id=experiment_id(client)) as run:
            log_extractor("local-first", prompt.uri, tmp_path, engine)
            promote(run, f"models:/local-first/{version}", Gate(), force=True)
    with mlflow.start_run(experiment_id=experiment_id(client)) as run:
        rollback(run, "local-first")
    mlflow.set_tracking_uri(before)
    assert str(client.get_registered_model("local-first").aliases["champion"]) == "1"
    assert client.get_prompt_version_by_alias("first-in-production", "production").version == 1
