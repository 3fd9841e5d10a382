"""A worker process as its parent sees it, and what the two tell each other."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from entry_points.serving.answering import Options
from entry_points.serving.webhooks import AliasEvent

# How long a process may take to load its version, or to listen, s.
_START_S = 300.0


@dataclass(frozen=True)
class Job:
    """The parent's first message.

    Attributes:
        options: What to serve, and within which limits.
        warm_up: Whether to read a sample page before the first request.
    """

    options: Options
    warm_up: bool


@dataclass(frozen=True)
class Accept:
    """The parent lets a warm worker take requests.

    Attributes:
        seen: Ids of webhook deliveries that were accepted already.
        is_switch: Whether this worker counts a switch to its version.
    """

    seen: tuple[str, ...]
    is_switch: bool


class Retire(Enum):
    """The parent lets a worker take no further connections, finish, and end."""

    NOW = auto()


class Stage(Enum):
    """What a worker tells its parent that it has reached."""

    WARM = auto()
    LISTENING = auto()


@dataclass(frozen=True)
class Unusable:
    """A worker tells its parent why its version cannot be used, and ends."""

    reason: str


class WorkerError(Exception):
    """A worker did not get as far as it should; the message says why."""


class WorkerProcess:
    """A child process; for one event loop.

    Attributes:
        pid: Its process id.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        pipe: Connection,
        on_event: Callable[[AliasEvent], None],
    ) -> None:
        """Hear what a process says that was started; see `start`."""
        loop = asyncio.get_running_loop()
        self.pid = process.pid
        self._ended = asyncio.ensure_future(process.wait())
        self._process = process
        self._pipe = pipe
        self._on_event = on_event
        self._reached = {stage: loop.create_future() for stage in Stage}
        self._reason = ""
        loop.add_reader(pipe.fileno(), self._hear)

    @classmethod
    async def start(
        cls, job: Job, listener: socket.socket, on_event: Callable[[AliasEvent], None]
    ) -> WorkerProcess:
        """Start a process.

        Args:
            job: What it does.
            listener: The socket that it takes connections from when it may.
            on_event: Receives the events that it gets from MLflow's webhooks.

        Raises:
            WorkerError: The system has no memory, descriptor, process or thread left for it.
        """
        try:
            with contextlib.ExitStack() as opened:
                ours, its = map(opened.enter_context, Pipe())
                descriptors = (listener.fileno(), its.fileno())
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-m", "entry_points.serving.worker", *map(str, descriptors)),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=descriptors,
                )
                worker = cls(process, ours, on_event)
                opened.pop_all()
        except (OSError, RuntimeError) as error:  # asyncio waits for a process in a thread
            raise WorkerError(f"its process could not be started: {error}") from None
        its.close()
        worker.send(job)
        return worker

    def _hear(self) -> None:
        try:
            message = self._pipe.recv()
        except (EOFError, OSError):  # it has ended
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self._pipe.close()
            return
        if isinstance(message, AliasEvent):
            self._on_event(message)
        elif isinstance(message, Unusable):
            self._reason = message.reason
        else:
            self._reached[message].set_result(None)

    def send(self, message: Any) -> None:
        """Send a message; a process that has ended misses it."""
        with contextlib.suppress(OSError):
            self._pipe.send(message)

    async def reaches(self, stage: Stage) -> None:
        """Wait until the process has reached a stage.

        Raises:
            WorkerError: It has ended, or did not get there in time.
        """
        reached = self._reached[stage]
        either = {reached, self._ended}
        await asyncio.wait(either, timeout=_START_S, return_when=asyncio.FIRST_COMPLETED)
        if reached.done():
            return
        if not self._ended.done():
            raise WorkerError(f"it was not ready within {_START_S:g} s")
        code = self._ended.result()
        raise WorkerError(
            self._reason or f"its process ended with exit code {code}; its last lines say why"
        )

    async def end(self) -> int:
        """Wait for the end of the process; return its exit code."""
        return await asyncio.shield(self._ended)  # others wait for it, too, if this is cancelled

    async def ends_within(self, seconds: float) -> bool:
        """Wait for the end of the process; return whether it has ended."""
        await asyncio.wait({self._ended}, timeout=seconds)
        return self._ended.done()

    def terminate(self) -> None:
        """Let it answer its requests and end; kill it if it takes none yet."""
        if not self._reached[Stage.LISTENING].done():
            self.kill()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
