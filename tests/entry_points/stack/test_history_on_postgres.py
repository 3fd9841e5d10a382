"""Promotions at the same time on PostgreSQL, directly and over `mlflow server`: one history."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier

import pytest
from mlflow import MlflowClient

from entry_points.command_line.cli import UsageError
from entry_points.comparing.history import History, InForce, Move
from tests.entry_points.stack.conftest import Team

PEOPLE = 4


@pytest.fixture(scope="module", params=["directly", "over mlflow server"])
def client(team: Team, request: pytest.FixtureRequest) -> Iterator[MlflowClient]:
    if request.param == "directly":
        yield MlflowClient(team.database, team.database)
        return
    with team.as_admin() as client:
        yield client


@pytest.fixture
def name(client: MlflowClient, request: pytest.FixtureRequest) -> str:
    name = str(request.node.name).translate(str.maketrans("[] ", "---"))
    client.create_registered_model(name)
    return name


def move(before: InForce, number: int) -> Move:
    after = InForce(str(number), f"prompts:/p/{number}")
    return Move(before, after, False, f"run-of-{number}", f"user-{number}")


def test_of_those_who_read_the_same_list_exactly_one_wins(client: MlflowClient, name: str) -> None:
    barrier = Barrier(PEOPLE)

    def promote(number: int) -> bool:
        history = History(client, name)
        barrier.wait()
        try:
            history.append(move(InForce("", ""), number))
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(PEOPLE) as pool:
        won = list(pool.map(promote, range(PEOPLE)))
    assert sum(won) == 1
    [written] = History(client, name).moves
    assert written.user == f"user-{won.index(True)}"


def test_of_those_who_try_again_all_are_in_the_list_in_order(
    client: MlflowClient, name: str
) -> None:
    def promote(number: int) -> None:
        while True:
            history = History(client, name)
            before = history.moves[-1].after if history.moves else InForce("", "")
            try:
                history.append(move(before, number))
            except UsageError:
                continue
            return

    with ThreadPoolExecutor(PEOPLE) as pool:
        list(pool.map(promote, range(PEOPLE)))
    moves = History(client, name).moves
    assert sorted(each.user for each in moves) == [f"user-{number}" for number in range(PEOPLE)]
    assert all(later.before == earlier.after for earlier, later in pairwise(moves))
