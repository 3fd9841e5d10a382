"""A server follows the champion: a new version takes over, and nothing gets lost by it."""

from __future__ import annotations

import http.client
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
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
ANSWERS = {1: "one", 2: "two"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Project]:
    with tiny_versions(tmp_path_factory.mktemp("tiny"), empty_store) as project:
        yield project


@dataclass(frozen=True)
class Server:
    """A server that follows the champion.

    Attributes:
        project: Whose store it has.
        url: Its address.
        parent: The process that has started its workers.
        version: The version that its workers have, 1 or 2.
    """

    project: Project
    url: str
    parent: int
    version: int = 1

    @property
    def other(self) -> int:
        """The other of the versions that can be used."""
        return 3 - self.version

    def workers(self) -> set[int]:
        """Return the processes besides the parent (Linux)."""
        tasks = Path(f"/proc/{self.parent}/task").glob("*/children")
        return {int(child) for task in tasks for child in task.read_text().split()}

    def log(self) -> str:
        return log_of(self.project, self.url)


def is_running(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def running(tiny: Project) -> Iterator[Server]:
    """A server of two workers, for all tests that do not end it."""
    with following(tiny, "--workers=2", "--shutdown-s=5") as (url, process):
        yield Server(tiny, url, process.pid)
    assert SECRET not in log_of(tiny, url)
    assert not is_running(process.pid)


@pytest.fixture
def server(running: Server) -> Server:
    """The running server, whose workers both have the version that a test before has left."""
    wait_for(lambda: list(workers(running.url).values()) == [2])
    [model] = workers(running.url)
    version = int(model.rpartition("/")[2])
    promote(running.project, running.url, version)
    wait_for(lambda: len(running.workers()) == 2)
    return replace(running, version=version)


def test_a_promoted_version_takes_over_and_the_one_before_ends(server: Server):
    before, switches = server.workers(), counted(server.url, "switches_total")
    requests_before = counted(server.url, "requests_total")
    assert ask(server.url) == ANSWERS[server.version]
    promote(server.project, server.url, server.other)
    wait_for_only(server.url, server.other, 2)
    assert ask(server.url) == ANSWERS[server.other]
    wait_for(lambda: not before & server.workers())
    assert len(server.workers()) == 2
    assert counted(server.url, "switches_total") == switches + 1
    assert counted(server.url, "requests_total") == requests_before + 2


def test_without_an_event_the_alias_is_looked_up(server: Server):
    move(server.project, server.other)
    wait_for_only(server.url, server.other, 2)


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


def test_requests_in_flight_and_open_connections_are_answered(server: Server):
    """A page is read over the switch, and connections that had answers before it have one more."""
    before, after = ANSWERS[server.version], ANSWERS[server.other]
    with held_page(server.project, server.url) as held:
        old = server.workers()
        promote(server.project, server.url, server.other)
        closes = dict[str, str | None]()  # what the last answer of each version said
        with closing(
            http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=300)
        ) as connection:
            while after not in closes:
                connection.request("POST", "/invocations", json.dumps(request_of("QQ==")), JSON)
                got = connection.getresponse()
                [row] = json.loads(got.read())["predictions"]
                closes[row["pairs"][0]["answer"]] = got.getheader("Connection")
        assert closes == {before: "close", after: None}
        wait_for(lambda: len(old & server.workers()) == 1)
        assert not held.done()
        (server.project.folder / RELEASED).touch()
        assert answer_of(held.result()) == before
        wait_for(lambda: not old & server.workers())


@pytest.mark.parametrize(
    ("version", "reason"),
    [(3, "exit code 1"), (4, "no_reader: It reads nothing from http://***@host.")],
)
def test_a_version_that_cannot_be_used_leaves_the_one_before(
    server: Server, version: int, reason: str
):
    before, logged = server.workers(), len(server.log())
    stays_on = f"models:/tiny/{server.version} stays"
    line = f"models:/tiny/{version} cannot be used, {stays_on} (next try in 60 s): "
    promote(server.project, server.url, version)
    wait_for(lambda: line in server.log()[logged:])
    promote(server.project, server.url, version)  # does not make it try again at once
    assert stays(lambda: server.workers() == before, for_s=2)
    said = server.log()[logged:]
    assert said.count(line) == 1
    assert reason in said
    assert ask(server.url) == ANSWERS[server.version]


def test_a_worker_that_dies_is_replaced_by_its_version(server: Server):
    victim, other = server.workers()
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(server.workers() - {victim}) == 2)
    wait_for_only(server.url, server.version, 2)
    assert other in server.workers()
    assert ask(server.url) == ANSWERS[server.version]


def test_an_alias_that_is_gone_leaves_the_version_that_runs(server: Server):
    before, logged = server.workers(), len(server.log())
    server.project.client.delete_registered_model_alias("tiny", "champion")
    data = {"name": "tiny", "alias": "champion"}
    line = f"models:/tiny@champion cannot be looked up, models:/tiny/{server.version} stays: "
    for _ in range(2):
        event = {"entity": "model_version_alias", "action": "deleted", "data": data}
        tell(server.url, event)
        wait_for(lambda: line in server.log()[logged:])
    assert ask(server.url) == ANSWERS[server.version]
    assert server.workers() == before
    promote(server.project, server.url, server.other)
    wait_for_only(server.url, server.other, 2)
    assert server.log()[logged:].count(line) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_the_parent_ends_all(tiny: Project, number: signal.Signals):
    """It comes while a page is read, and while another version is loaded."""
    with (
        following(tiny, "--shutdown-s=3") as (url, process),
        held_page(tiny, url) as held,
    ):
        promote(tiny, url, 2)
        wait_for(lambda: len(Server(tiny, url, process.pid).workers()) == 2)
        process.send_signal(number)
        process.wait(60)
        wait_for(lambda: not is_running(process.pid))
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
    assert (
        "error: --webhook-secret is not the name of an environment variable that is set"
        in done.stdout
    )
    assert "correct-horse" not in done.stdout
