"""A worker process that the system cannot start is an error of its own, and leaves nothing open."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from entry_points.serving.answering import Options
from entry_points.serving.worker_process import Job, WorkerError, WorkerProcess

JOB = Job(Options("models:/m/1", 1, 1, 1, 1, 1, ""), warm_up=False)


def descriptors() -> set[int]:
    return {int(each.name) for each in Path("/proc/self/fd").iterdir()}


@contextmanager
def free_descriptors(count: int) -> Iterator[None]:
    """Leave this process only so many descriptors that it may open."""
    highest = max(descriptors())
    taken = [os.open(os.devnull, os.O_RDONLY)]
    while taken[-1] < highest:
        taken.append(os.open(os.devnull, os.O_RDONLY))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(highest, taken[-1]) + 1 + count, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for each in taken:
            os.close(each)


@pytest.mark.parametrize("count", [pytest.param(0, id="pipe"), pytest.param(2, id="process")])
def test_a_process_that_cannot_be_started_leaves_nothing_open(count: int):
    async def start(listener: socket.socket) -> None:
        before = descriptors()
        with (
            free_descriptors(count),
            pytest.raises(WorkerError, match=r"could not be started: .*Too many open files"),
        ):
            await WorkerProcess.start(JOB, listener, lambda _: None)
        assert descriptors() == before

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(start(listener))
