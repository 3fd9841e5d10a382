"""What is in force, while somebody else is changing it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from entry_points.command_line.cli import UsageError
from entry_points.comparing.gate import Gate
from entry_points.comparing.history import History, InForce, Move
from entry_points.comparing.promotion import PromotionResult, in_force, promote
from entry_points.logged_models.loading import pinned
from tests.entry_points.comparing.conftest import (
    collect_garbage,
    experiment_id,
    log_extractor,
    new_run,
)


@pytest.fixture
def prompt(client: MlflowClient, name: str) -> str:
    """A prompt that no alias points at."""
    version = client.register_prompt(f"prompt-of-{name}", "Read the form.")
    return f"prompts:/{version.name}/{version.version}"


def test_a_prompt_that_is_not_in_production_and_no_champion_are_empty(
    client: MlflowClient, name: str, prompt: str
):
    assert in_force(History(client, name), prompt) == InForce("", "")
    client.set_prompt_alias(prompt.split("/")[1], "production", 1)
    assert in_force(History(client, name), prompt) == InForce("", prompt)


def test_nobody_decides_between_a_move_and_its_alias(client: MlflowClient, name: str, prompt: str):
    client.set_registered_model_alias(name, "champion", "1")
    run_id = new_run(client)
    move = Move(InForce("1", ""), InForce("2", ""), False, run_id, "ann")
    History(client, name).append(move)
    with pytest.raises(UsageError, match="ann is moving champion to version 2"):
        in_force(History(client, name), prompt)

    # The run is over, and the alias is what somebody has set by hand.
    client.set_terminated(run_id)
    assert in_force(History(client, name), prompt).champion == "1"


def test_a_move_whose_run_was_deleted_for_good_is_over(
    client: MlflowClient, name: str, prompt: str
):
    run_id = new_run(client)
    History(client, name).append(Move(InForce("", ""), InForce("1", ""), False, run_id, "ann"))
    collect_garbage(client, run_id)
    assert in_force(History(client, name), prompt).champion == ""


def test_a_promotion_that_stopped_between_its_aliases_is_finished(
    client: MlflowClient, name: str, prompt: str, tmp_path: Path, track_at: Callable[[str], None]
):
    track_at(client.tracking_uri)

    def promoted() -> PromotionResult:
        with mlflow.start_run(experiment_id=experiment_id(client)) as run:
            return promote(run, f"models:/{name}/2", Gate())

    with mlflow.start_run(experiment_id=experiment_id(client)):
        log_extractor(name, prompt, tmp_path)
    first = promoted()
    client.delete_prompt_alias(prompt.split("/")[1], "production")  # as if it was never set
    assert promoted() == first
    assert in_force(History(client, name), prompt) == InForce("2", prompt)
    assert len(History(client, name).moves) == 1
    with pytest.raises(UsageError, match="is the champion already"):
        promoted()


@pytest.mark.parametrize("uri", ["ocr-extractor/1", "prompts:/ocr/1", "models:/unknown@champion"])
def test_what_names_no_registered_version_is_refused(
    client: MlflowClient, uri: str, track_at: Callable[[str], None]
):
    track_at(client.tracking_uri)
    with pytest.raises(UsageError, match="give models:/<name>/<version>"):
        pinned(uri)
