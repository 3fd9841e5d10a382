"""A test's tier follows from what it uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from entry_points import ROOT
from tests.tiers import STANDARD, is_slow, measures

FILE = """
def server(project):
    with served(project) as url:
        yield url

def helper(project):
    return project.command("log")

async def test_waits():
    asyncio.run(helper_of_others())

def test_in_process(project): ...
def test_served(server): ...
def test_helped(project): helper(project)
def test_child(): subprocess.run(["true"])
"""


@pytest.mark.parametrize(
    ("test", "fixtures", "expected"),
    [
        ("test_in_process", ["project"], False),
        ("test_waits", [], False),
        ("test_served", ["server", "project"], True),
        ("test_helped", ["project"], True),
        ("test_child", [], True),
        ("test_in_process", ["spark"], True),
    ],
    ids=["in process", "asyncio", "by a fixture", "by a helper", "itself", "by a mark"],
)
def test_what_starts_commands_or_servers_is_slow(
    test: str, fixtures: list[str], expected: bool, tmp_path: Path
):
    (tmp_path / "test_file.py").write_text(FILE)
    assert is_slow(tmp_path / "test_file.py", test, fixtures) is expected


def test_only_what_runs_suites_measures() -> None:
    path = ROOT / "tests" / "entry_points" / "test_benchmark.py"
    assert measures(path, "test_every_other_suite_runs", ["name", "stage", "models"])
    assert not measures(path, "test_the_command_prints_and_logs_a_table", ["project"])


@pytest.mark.parametrize("name", STANDARD)
def test_the_runs_that_the_standard_tier_keeps_would_be_slow(name: str, tmp_path: Path):
    source = (ROOT / "tests" / name).read_text(encoding="utf-8")
    (tmp_path / "test_elsewhere.py").write_text(source)
    for kept in STANDARD[name]:
        assert is_slow(tmp_path / "test_elsewhere.py", kept, [])
        assert not is_slow(ROOT / "tests" / name, kept, [])
