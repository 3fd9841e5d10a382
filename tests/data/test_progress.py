"""Progress in a file or in CI: a line now and then, nothing for short work."""

from __future__ import annotations

import time

import pytest

from data.progress import Progress

LONGEST_S = 60.0


def test_lines_come_while_a_step_takes_long(capsys: pytest.CaptureFixture[str]):
    written = ""
    with Progress(total=3, desc="reading", unit="forms", every_s=0.001) as bar:
        bar.update()
        until = time.monotonic() + LONGEST_S
        while "reading: 1 of 3 forms, 00:0" not in written and time.monotonic() < until:
            written += capsys.readouterr().err
    assert "reading: 1 of 3 forms, 00:0" in written
    assert "\r" not in written


def test_short_work_writes_nothing(capsys: pytest.CaptureFixture[str]):
    assert list(Progress(range(3))) == [0, 1, 2]
    assert capsys.readouterr().err == ""
