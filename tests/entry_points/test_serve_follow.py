"""A server follows the champion: a new version takes over, and nothing gets lost by it."""

from __future__ import annotations

import http.client
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.entry_points.conftest import Project
from tests.entry_points.following import (
    SECRET,
    answer_of,
    ask,
    counted,
    following,
    move,
    promote,
    request_of,
    tell,
    tiny_versions,
    wait_for_only,
    workers,
)
from tests.entry_points.servers import log_of
from tests.entry_points.serving.tiny_extractor import HELD, READING, RELEASED
from tests.waiting import stays, wait_for

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Project]:
    with tiny_versions(tmp_path_factory.mktemp("tiny"), empty_store) as project:
        yield project


def children(pid: int) -> set[int]:
    """Return the processes of a server besides its parent (Linux)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


def is_running(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("count", [1, 2])
def test_a_promoted_version_takes_over_and_the_one_before_ends(tiny: Project, count: int):
    with following(tiny, f"--workers={count}") as (url, server):
        assert ask(url) == "one"
        before = children(server.pid)
        assert (len(before), workers(url)) == (count, {"tiny/1": count})
        promote(tiny, url, 2)
        wait_for_only(url, 2, count)
        assert ask(url) == "two"
        wait_for(lambda: not before & children(server.pid))
        assert counted(url, "switches_total") == 1
        promote(tiny, url, 1)
        wait_for_only(url, 1, count)
        assert ask(url) == "one"
        assert counted(url, "switches_total") == 2
        assert counted(url, "requests_total") == 3
        assert SECRET not in log_of(tiny, url)
    assert not is_running(server.pid)


def test_without_webhooks_the_alias_is_looked_up(tiny: Project):
    with following(tiny) as (url, _):
        move(tiny, 2)
        wait_for_only(url, 2)


@contextmanager
def held_page(project: Project, url: str) -> Iterator[Future[requests.Response]]:
    """Ask for a page that a worker reads until the file RELEASED is there."""
    for name in (READING, RELEASED):
        (project.folder / name).unlink(missing_ok=True)
    body = request_of(HELD)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(requests.post, f"{url}/invocations", json=body, timeout=300)
        wait_for((project.folder / READING).exists)
        yield held
        (project.folder / RELEASED).touch()


def test_requests_in_flight_and_open_connections_are_answered(tiny: Project):
    """A page is read over the switch, and a connection that had answers before it has one more."""
    with following(tiny) as (url, server), held_page(tiny, url) as held:
        [old] = children(server.pid)
        promote(tiny, url, 2)
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=300)
        closes = dict[str, str | None]()  # what the last answer of each version said
        while "two" not in closes:
            connection.request("POST", "/invocations", json.dumps(request_of("QQ==")), JSON)
            got = connection.getresponse()
            [row] = json.loads(got.read())["predictions"]
            closes[row["pairs"][0]["answer"]] = got.getheader("Connection")
        assert closes == {"one": "close", "two": None}
        assert old in children(server.pid)
        (tiny.folder / RELEASED).touch()
        assert answer_of(held.result()) == "one"
        wait_for(lambda: old not in children(server.pid))


@pytest.mark.parametrize(
    ("version", "reason"), [(3, "exit code 1"), (4, "no_reader: It reads nothing.")]
)
def test_a_version_that_cannot_be_used_leaves_the_one_before(
    tiny: Project, version: int, reason: str
):
    with following(tiny) as (url, server):
        before = children(server.pid)
        promote(tiny, url, version)
        line = f"models:/tiny/{version} cannot be used, models:/tiny/1 stays"
        wait_for(lambda: line in log_of(tiny, url))
        promote(tiny, url, version)  # does not make it try again at once
        assert stays(lambda: children(server.pid) == before, for_s=2)
        log = log_of(tiny, url)
        assert log.count(line) == 1
        assert reason in log
        assert ask(url) == "one"
        promote(tiny, url, 2)
        wait_for_only(url, 2)


def test_a_worker_that_dies_is_replaced_by_its_version(tiny: Project):
    with following(tiny, "--workers=2") as (url, server):
        victim, other = children(server.pid)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(children(server.pid) - {victim}) == 2 and len(workers(url)) == 1)
        wait_for_only(url, 1, 2)
        assert other in children(server.pid)
        assert ask(url) == "one"


def test_a_registry_that_is_out_leaves_the_version_that_runs(tiny: Project):
    with following(tiny) as (url, _):
        tiny.client.delete_registered_model_alias("tiny", "champion")
        event = {"name": "tiny", "alias": "champion"}
        line = "models:/tiny@champion cannot be looked up, models:/tiny/1 stays: "
        for action in ("deleted", "deleted"):
            tell(url, {"entity": "model_version_alias", "action": action, "data": event})
            wait_for(lambda: line in log_of(tiny, url))
        assert ask(url) == "one"
        promote(tiny, url, 2)
        wait_for_only(url, 2)
        assert log_of(tiny, url).count(line) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_the_parent_ends_all(tiny: Project, number: signal.Signals):
    """It comes while a page is read, and while another version is loaded."""
    with (
        following(tiny, "--shutdown-s=3") as (url, server),
        held_page(tiny, url) as held,
    ):
        promote(tiny, url, 2)
        wait_for(lambda: len(children(server.pid)) == 2)
        server.send_signal(number)
        server.wait(60)
        wait_for(lambda: not is_running(server.pid))
        assert held.result().status_code == 503


def test_only_an_alias_can_be_followed(tiny: Project):
    flags = {"model_uri": "models:/tiny/1", "follow_champion": "true"}
    done = tiny.command("serve", **flags)
    assert done.returncode == 2
    assert (
        "error: --follow-champion needs an alias, and --model-uri is models:/tiny/1" in done.stdout
    )


def test_a_secret_on_the_command_line_is_refused_and_not_shown(tiny: Project):
    done = tiny.command("serve", model_uri="models:/tiny/1", webhook_secret="correct-horse")
    assert done.returncode == 2
    assert "it is not the name of an environment variable that is set" in done.stdout
    assert "correct-horse" not in done.stdout
