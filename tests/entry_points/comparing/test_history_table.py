"""The command that lists who has promoted what, on which evidence."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from entry_points.comparing.history import History, InForce, Move
from entry_points.history import main

FIRST = InForce("1", "prompts:/p/1")
SECOND = InForce("2", "prompts:/p/2")
MOVES = [
    Move(InForce("", ""), FIRST, False, "run-1", "ann", at="2026-01-02T03:04:05+00:00"),
    Move(
        FIRST,
        SECOND,
        False,
        "run-2",
        "=HYPERLINK(1)",
        at="2026-02-03T04:05:06+00:00",
        evidence=("run-a", "run-b"),
        objections=("-1 is too few", "it fails on more forms"),
    ),
    Move(SECOND, FIRST, True, "run-3", "cy"),
]


@pytest.fixture
def store(client: MlflowClient) -> Iterator[MlflowClient]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(client.tracking_uri)
    yield client
    mlflow.set_tracking_uri(before)


@pytest.fixture
def model(store: MlflowClient, name: str) -> str:
    """A model with three moves."""
    for move in MOVES:
        History(store, name).append(move)
    store.set_registered_model_alias(name, "champion", "1")
    return name


def test_the_table_says_who_when_what_from_and_to(model: str, capsys):
    assert main(["--model-name", model]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[1:4] == [
        "1 2026-01-02 03:04:05 ann promotion 1 p/1",
        "2 2026-02-03 04:05:06 =HYPERLINK(1) forced promotion 1 2 p/1 p/2",
        "3 cy rollback 2 1 p/2 p/1",
    ]


def test_evidence_and_overridden_objections_stand_below_it(model: str, capsys):
    main(["--model-name", model])
    assert capsys.readouterr().out.splitlines()[4:] == [
        "Evidence of 2: runs run-a, run-b.",
        "  overridden: -1 is too few",
        "  overridden: it fails on more forms",
    ]


def test_json_has_everything(model: str, tmp_path: Path):
    output = tmp_path / "history.json"
    assert main(["--model-name", model, "--output", str(output)]) == 0
    records = json.loads(output.read_text(encoding="utf-8"))
    assert records[1] == {
        "at": "2026-02-03T04:05:06+00:00",
        "user": "=HYPERLINK(1)",
        "what": "forced promotion",
        "version_before": "1",
        "version_after": "2",
        "prompt_before": "prompts:/p/1",
        "prompt_after": "prompts:/p/2",
        "run_id": "run-2",
        "evidence": ["run-a", "run-b"],
        "objections": ["-1 is too few", "it fails on more forms"],
    }
    assert [record["what"] for record in records] == ["promotion", "forced promotion", "rollback"]


def test_csv_holds_no_formula(model: str, tmp_path: Path):
    output = tmp_path / "history.csv"
    assert main(["--model-name", model, "--output", str(output)]) == 0
    with output.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["user"] for row in rows] == ["ann", "'=HYPERLINK(1)", "cy"]
    assert rows[1]["objections"] == "'-1 is too few; it fails on more forms"
    assert rows[1]["evidence"] == "run-a; run-b"
    assert rows[0]["version_before"] == ""


def test_without_a_promotion_it_says_what_to_do(
    store: MlflowClient, name: str, tmp_path: Path, capsys
):
    output = tmp_path / "history.csv"
    assert main(["--model-name", name, "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert f"No version of {name} has been promoted yet." in printed
    assert f"-e promote -P model_uri=models:/{name}/<version>" in printed
    assert output.read_text(encoding="utf-8").startswith("at,user,what,")


def test_an_alias_that_was_moved_by_hand_is_named(store: MlflowClient, model: str, capsys):
    store.create_model_version(model, "runs:/x/y")
    store.set_registered_model_alias(model, "champion", "2")
    assert main(["--model-name", model]) == 0
    assert "champion is version 2 now: it was moved by hand" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        pytest.param(["--model-name", "nobody"], "no model is registered as 'nobody'", id="model"),
        pytest.param(["--output", "h.txt"], "give it the suffix .csv or .json", id="suffix"),
        pytest.param(["--output", "/nowhere/h.csv"], "cannot be written", id="folder"),
    ],
)
def test_what_cannot_be_used_is_refused(model: str, flags: list[str], reason: str, capsys):
    assert main(["--model-name", model, *flags]) == 2
    assert reason in capsys.readouterr().err
