"""The list of moves: appended to, never forked, undone in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from mlflow import MlflowClient

from entry_points.cli import UsageError
from entry_points.comparing.history import History, InForce, Move


def in_force(version: int) -> InForce:
    return InForce(str(version) if version else "", f"prompts:/p/{version}" if version else "")


def step(before: int, after: int, user: str = "ann", *, is_rollback: bool = False) -> Move:
    return Move(in_force(before), in_force(after), is_rollback, "run", user)


def test_moves_are_read_back_in_order(client: MlflowClient, name: str):
    steps = [step(number, number + 1) for number in range(12)]
    for each in steps:
        History(client, name).append(each)
    assert History(client, name).moves == steps


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


def test_a_model_that_no_run_has_logged_has_no_history(client: MlflowClient):
    with pytest.raises(UsageError, match="no run has logged a version of unknown"):
        History(client, "unknown")
