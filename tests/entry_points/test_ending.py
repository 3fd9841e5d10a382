"""What a command starts ends with it, and gets its exit code and its lines to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from entry_points import ROOT

PROGRAM = """
import sys
from entry_points.command_line.ending import run_child
raise SystemExit(run_child([sys.executable, "-c", sys.argv[1]], only="Said: "))
"""


def start(child: str) -> subprocess.Popen[str]:
    """Start a command that runs a child; it is the first of a process group."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, child],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_sigterm_ends_the_child_too():
    with start("import time; print('Said: here', flush=True); time.sleep(600)") as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "Said: here\n"
        command.send_signal(signal.SIGTERM)
        assert command.wait(60) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.killpg(command.pid, 0)


def test_the_child_s_exit_code_and_some_of_its_lines_are_passed_on():
    child = "print('other'); print('Said: one'); import entry_points; raise SystemExit(3)"
    with start(child) as command:
        assert command.communicate()[0] == "Said: one\n"
    assert command.returncode == 3
