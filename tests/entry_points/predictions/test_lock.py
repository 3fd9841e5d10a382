"""One process writes an output at a time; a killed one keeps nobody out."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from entry_points import ROOT
from entry_points.command_line.cli import UsageError
from entry_points.predictions.output import locked

HOLD = """
import sys
from pathlib import Path
from entry_points.predictions.output import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out.jsonl")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_told_who_writes(tmp_path: Path, holder: subprocess.Popen[str]):
    with (
        pytest.raises(UsageError, match=f"process {holder.pid} on {socket.gethostname()} since "),
        locked(tmp_path / "out.jsonl"),
    ):
        pytest.fail("both write")
    with locked(tmp_path / "other.jsonl"):
        pass


def test_a_killed_process_keeps_nobody_out(tmp_path: Path, holder: subprocess.Popen[str]):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "out.jsonl.lock").exists()
    with locked(tmp_path / "out.jsonl"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_made_and_may_vanish(tmp_path: Path):
    output = tmp_path / "new" / "out.jsonl"
    with locked(output):
        (output.parent / "out.jsonl.lock").rename(tmp_path / "moved")
        output.parent.rmdir()
