"""The list of moves: appended to, never forked, undone in order, kept whatever is deleted."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from threading import Barrier
from time import monotonic

import pytest
from mlflow import MlflowClient

from entry_points import ROOT
from entry_points.command_line.cli import UsageError
from entry_points.comparing.history import History, InForce, Move
from tests.entry_points.comparing.conftest import add_version, collect_garbage, run_of_version

# Reads the history, says so, and writes the next move when it is told to.
_PERSON = """
import sys
from mlflow import MlflowClient
from entry_points.command_line.cli import UsageError
from entry_points.comparing.history import History, InForce, Move
uri, name, user = sys.argv[1:]
history = History(MlflowClient(uri, uri), name)
print("ready", flush=True)
sys.stdin.readline()
try:
    history.append(Move(InForce("", ""), InForce(user, ""), False, f"run-of-{user}", user))
except UsageError as error:
    raise SystemExit(str(error))
"""


def in_force(version: int) -> InForce:
    return InForce(str(version) if version else "", f"prompts:/p/{version}" if version else "")


def step(before: int, after: int, user: str = "ann", *, is_rollback: bool = False) -> Move:
    return Move(in_force(before), in_force(after), is_rollback, f"run-of-{user}", user)


def test_moves_are_read_back_in_order(client: MlflowClient, name: str):
    steps = [step(number, number + 1) for number in range(12)]
    for each in steps:
        History(client, name).append(each)
    assert History(client, name).moves == steps


def test_a_move_with_very_many_objections_and_runs_fits_into_a_tag(client: MlflowClient, name: str):
    run_ids = tuple(f"{number:032}" for number in range(200))
    objections = tuple(f"field_f1/{number} may be worse" * 3 for number in range(500))
    move = replace(step(1, 2), evidence=run_ids, objections=objections)
    History(client, name).append(move)
    assert len(client.get_registered_model(name).tags["promotion.000001"]) <= 5000
    [kept] = History(client, name).moves
    assert kept.objections == ("and 500 more",)
    assert kept.evidence[:50] == run_ids[:50]
    assert kept.evidence[-1] == f"and {201 - len(kept.evidence)} more"


def test_moves_outlive_every_version_and_run(client: MlflowClient, name: str):
    add_version(client, name)
    steps = [step(0, 1), step(1, 2)]
    for each in steps:
        History(client, name).append(each)
    runs = [run_of_version(client, name, version) for version in ("1", "2")]
    for version in ("1", "2"):
        client.delete_model_version(name, version)
    collect_garbage(client, *runs)
    assert History(client, name).moves == steps
    History(client, name).append(step(2, 3))
    assert History(client, name).moves == [*steps, step(2, 3)]


def test_a_move_whose_record_fails_is_not_written(client: MlflowClient, name: str):
    def refused() -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        History(client, name).append(step(0, 1), refused)
    assert not client.get_registered_model(name).tags

    recorded: list[str] = []
    History(client, name).append(step(0, 1), lambda: recorded.append("once"))
    assert (History(client, name).moves, recorded) == ([step(0, 1)], ["once"])


def test_of_two_who_have_read_the_same_list_one_is_told(client: MlflowClient, name: str):
    one, other = History(client, name), History(client, name)
    one.append(step(1, 2, "ann"))
    with pytest.raises(UsageError, match="ann was faster: version 2 is in force"):
        other.append(step(1, 3, "bob"))
    assert History(client, name).moves == [step(1, 2, "ann")]


def test_of_many_at_the_same_time_exactly_one_wins(client: MlflowClient, name: str):
    people = 8
    barrier = Barrier(people)

    def promote(number: int) -> bool:
        history = History(client, name)
        barrier.wait()
        try:
            history.append(step(0, number + 1, f"user-{number}"))
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(people) as pool:
        won = list(pool.map(promote, range(people)))
    assert sum(won) == 1
    [move] = History(client, name).moves
    assert move.user == f"user-{won.index(True)}"


def test_of_four_processes_at_the_same_time_exactly_one_wins(client: MlflowClient, name: str):
    users = ("1", "2", "3", "4")
    people = [
        subprocess.Popen(
            [sys.executable, "-c", _PERSON, client.tracking_uri, name, user],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for user in users
    ]
    for person in people:
        assert person.stdout is not None
        assert person.stdout.readline() == "ready\n"
    for person in people:
        assert person.stdin is not None
        person.stdin.write("go\n")
        person.stdin.flush()
    errors = [person.communicate(timeout=300)[1] for person in people]
    assert [person.returncode for person in people].count(0) == 1
    [move] = History(client, name).moves
    assert people[int(move.user) - 1].returncode == 0
    lost = [each for each, person in zip(errors, people, strict=True) if person.returncode]
    assert all("was faster" in each or "is promoting" in each for each in lost), lost
    assert list(client.get_registered_model(name).tags) == ["promotion.000001"]


def claim(client: MlflowClient, name: str, move: Move) -> str:
    """Leave behind what a process leaves that was killed while it wrote."""
    key = f"promotion_claim.{move.run_id}"
    client.set_registered_model_tag(name, key, json.dumps(asdict(move)))
    return key


def test_somebody_who_came_first_is_named_and_not_overtaken(client: MlflowClient, name: str):
    key = claim(client, name, step(0, 2, "ann"))
    with pytest.raises(UsageError, match=f"ann is promoting version 2 .* delete the tag {key}"):
        History(client, name).append(step(0, 3, "bob"))
    assert History(client, name).moves == []
    assert list(client.get_registered_model(name).tags) == [key]
    client.delete_registered_model_tag(name, key)
    History(client, name).append(step(0, 3, "bob"))
    assert History(client, name).moves == [step(0, 3, "bob")]


def test_somebody_who_may_be_writing_is_waited_for(client: MlflowClient, name: str):
    key = claim(client, name, step(0, 2, "zoe"))
    with ThreadPoolExecutor(1) as pool:
        appended = pool.submit(History(client, name).append, step(0, 3, "bob"))
        while f"promotion_claim.{step(0, 3, 'bob').run_id}" not in tags_of(client, name):
            assert not appended.done()
        client.set_registered_model_tag(
            name, "promotion.000001", json.dumps(asdict(step(0, 2, "zoe")))
        )
        client.delete_registered_model_tag(name, key)
        with pytest.raises(UsageError, match="zoe was faster"):
            appended.result()
    assert History(client, name).moves == [step(0, 2, "zoe")]


def test_the_wait_for_somebody_ends(client: MlflowClient, name: str):
    key = claim(client, name, step(0, 2, "zoe"))
    started = monotonic()
    with pytest.raises(UsageError, match=f"delete the tag {key}"):
        History(client, name).append(step(0, 3, "bob"), patience_s=0.5)
    assert monotonic() - started >= 0.5
    assert tags_of(client, name) == {key}


def tags_of(client: MlflowClient, name: str) -> set[str]:
    return set(client.get_registered_model(name).tags)


@pytest.mark.parametrize(
    ("steps", "previous"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([step(0, 1)], 0, id="first"),
        pytest.param([step(0, 1), step(1, 2)], 1, id="second"),
        pytest.param([step(0, 1), step(5, 2)], 5, id="alias-moved-by-hand"),
        pytest.param([step(0, 1), step(1, 2), step(2, 1, is_rollback=True)], 0, id="undone"),
        pytest.param(
            [step(0, 1), step(1, 2), step(2, 3), step(3, 2, is_rollback=True)], 1, id="further"
        ),
        pytest.param(
            [step(0, 1), step(1, 2), step(2, 1, is_rollback=True), step(1, 3)], 1, id="again"
        ),
    ],
)
def test_a_rollback_leads_to_what_was_before(
    client: MlflowClient, name: str, steps: list[Move], previous: int
):
    for each in steps:
        History(client, name).append(each)
    assert History(client, name).previous() == (in_force(previous) if previous else None)


def test_a_model_that_is_not_registered_has_no_history(client: MlflowClient):
    with pytest.raises(UsageError, match="no model is registered as 'unknown'"):
        History(client, "unknown")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="broken"),
        pytest.param("[1]", id="list"),
        pytest.param('{"before": 1}', id="part"),
        pytest.param("x" * 1000, id="long"),
    ],
)
def test_an_entry_that_was_edited_is_named(client: MlflowClient, name: str, text: str):
    History(client, name).append(step(0, 1))
    client.set_registered_model_tag(name, "promotion.000001", text)
    with pytest.raises(
        UsageError, match=r"tag promotion\.000001 of the model .* is no move"
    ) as told:
        History(client, name)
    assert len(str(told.value)) < 400


def test_a_deleted_entry_leaves_the_others_in_place(client: MlflowClient, name: str):
    steps = [step(number, number + 1) for number in range(3)]
    for each in steps:
        History(client, name).append(each)
    client.delete_registered_model_tag(name, "promotion.000001")
    History(client, name).append(step(3, 4))
    assert History(client, name).moves == [*steps[1:], step(3, 4)]
