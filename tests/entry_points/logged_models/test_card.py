"""The card of a logged model gets the scores of each evaluation, wherever it is shown."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import from_pandas

from entry_points.logged_models.card import CARD, LONGEST, SCORES, card_of, keep_card, write_scores
from tests.entry_points.comparing.conftest import collect_garbage
from tests.stores import own_store

CARD_TEXT = f"# Model card\n\n## Reads\n\n- All.\n{SCORES}Not evaluated yet.\n"
NAME = "extractor"


@pytest.fixture(scope="module")
def client(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowClient]:
    folder = tmp_path_factory.mktemp("cards")
    with own_store(empty_store, folder, "cards") as experiment_id:
        mlflow.set_experiment(experiment_id=experiment_id)
        client = MlflowClient()
        client.create_registered_model(NAME)
        yield client


@pytest.fixture
def model_id(client: MlflowClient) -> str:
    """A logged model with a card that nobody has registered."""
    model = mlflow.initialize_logged_model(name="extractor")
    keep_card(CARD_TEXT, model.model_id)
    return str(model.model_id)


@pytest.fixture
def version(client: MlflowClient, model_id: str) -> str:
    """The newest version of the registered model, which has this card."""
    made = client.create_model_version(NAME, f"models:/{model_id}", model_id=model_id)
    client.update_model_version(NAME, made.version, description=CARD_TEXT)
    return str(made.version)


def evaluate(model_id: str, digest: str, value_f1: float, name: str = "d", **tags: str) -> str:
    """Log what an evaluation logs of some documents; return its run's id."""
    dataset = from_pandas(pd.DataFrame({"doc_id": [digest]}), name=name, digest=digest)
    names = ("value_f1", "value_f1_lenient", "document_accuracy", "coverage")
    metrics = dict.fromkeys(names, value_f1)
    metrics |= {f"{each}_low": 0.1 for each in names} | {f"{each}_high": 0.9 for each in names}
    with mlflow.start_run() as run:
        mlflow.log_metrics(metrics, model_id=model_id, dataset=dataset)
        mlflow.set_tags({"documents": 12, **tags})
    return str(run.info.run_id)


def rows(card: str) -> list[str]:
    return [line for line in card.partition(SCORES)[2].splitlines()[2:] if line]


def test_scores_reach_the_model_its_version_and_its_artifact(
    client: MlflowClient, model_id: str, version: str, tmp_path: Path
):
    evaluate(model_id, "one", 0.5)
    write_scores(f"models:/{NAME}/{version}", model_id)
    [row] = rows(card_of(model_id))
    assert row.startswith("| 12 of d | value_f1 0.500 (0.100 to 0.900), value_f1_lenient 0.500 ")
    assert "Not evaluated" not in card_of(model_id)
    assert client.get_model_version(NAME, version).description == card_of(model_id)
    mlflow.artifacts.download_artifacts(f"models:/{NAME}/{version}", dst_path=str(tmp_path))
    assert (tmp_path / CARD).read_text(encoding="utf-8") == card_of(model_id)


def test_the_newest_evaluation_counts_for_each_set_of_documents(model_id: str):
    evaluate(model_id, "one", 0.5)
    evaluate(model_id, "two", 0.6, split="development")
    evaluate(model_id, "one", 0.7)
    write_scores(f"models:/{model_id}", model_id)
    newest, older = rows(card_of(model_id))
    assert newest.startswith("| 12 of d | value_f1 0.700 ")
    assert older.startswith("| 12 of d, development split | value_f1 0.600 ")


def test_an_evaluation_whose_run_is_gone_for_good_is_left_out(client: MlflowClient, model_id: str):
    collect_garbage(client, evaluate(model_id, "one", 0.5))
    evaluate(model_id, "two", 0.6)
    write_scores(f"models:/{model_id}", model_id)
    [row] = rows(card_of(model_id))
    assert "value_f1 0.600" in row


def test_what_a_person_has_written_stays(client: MlflowClient, model_id: str, version: str):
    theirs = f"Ask ann.\n{SCORES}old"
    client.update_model_version(NAME, version, description=theirs)
    evaluate(model_id, "one", 0.5)
    write_scores(f"models:/{NAME}/{version}", model_id)
    described = client.get_model_version(NAME, version).description or ""
    assert described.startswith("Ask ann.\n")
    assert len(rows(described)) == 1

    client.update_model_version(NAME, version, description="No scores here.")
    write_scores(f"models:/{NAME}/{version}", model_id)
    assert client.get_model_version(NAME, version).description == "No scores here."


def test_a_name_with_a_bar_stays_in_its_cell_and_many_fit(model_id: str):
    for number in range(12):
        evaluate(model_id, str(number), 0.5, name="a|b" * 30)
    write_scores(f"models:/{model_id}", model_id)
    assert len(rows(card_of(model_id))) == 8
    assert all(row.count("|") == 4 for row in rows(card_of(model_id)))
    assert len(card_of(model_id)) < LONGEST


def test_a_model_of_an_earlier_release_gets_no_card(client: MlflowClient):
    model = mlflow.initialize_logged_model(name="extractor")
    evaluate(model.model_id, "one", 0.5)
    write_scores(f"models:/{model.model_id}", model.model_id)
    assert card_of(model.model_id) == ""
    assert mlflow.artifacts.list_artifacts(f"models:/{model.model_id}") == []


def test_an_evaluation_goes_on_without_its_card_and_shows_no_password(
    track_at: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        track_at(f"http://ann:s3cret@127.0.0.1:{closed.getsockname()[1]}")
        write_scores(f"models:/{NAME}/1", "m-1")
    said = capsys.readouterr().out
    assert said.startswith("The model card does not have these scores: ")
    assert "http://***@127.0.0.1" in said
    assert "s3cret" not in said
