"""The parent of the worker processes: it owns the socket, replaces workers, follows an alias."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from prometheus_client.multiprocess import mark_process_dead

from entry_points.command_line.cli import UsageError, printable
from entry_points.command_line.rights import without_password
from entry_points.serving.answering import Options
from entry_points.serving.registered_alias import RegisteredAlias
from entry_points.serving.webhooks import MODEL_ALIAS, REMEMBERED, AliasEvent
from entry_points.serving.worker_process import (
    Accept,
    Job,
    Retire,
    Stage,
    WorkerError,
    WorkerProcess,
)

# How often the alias is looked up when nothing says that it was moved, s.
_POLL_S = 10.0
# The first and the longest pause before a version that failed is tried again, s.
_PAUSE_S, _MOST_PAUSE_S = 60.0, 960.0
# The pauses before a worker that should replace a dead one is tried again, s.
_REPLACE_S, _MOST_REPLACE_S = 1.0, 60.0
# What a retiring worker may take in addition to the longest request, s.
_RETIRE_S = 30.0
# How long after shutdown_s workers are killed, s; they end by themselves before that.
_KILL_S = 1.5


class Supervisor:
    """Serves in several processes until a signal arrives; for one event loop."""

    def __init__(
        self,
        options: Options,
        workers: int,
        listener: socket.socket,
        metrics_folder: str,
        followed: RegisteredAlias | None,
    ) -> None:
        """Prepare; `run` starts the processes.

        Args:
            options: What to serve, and within which limits.
            workers: How many processes take requests at a time.
            listener: The bound socket, which all processes share.
            metrics_folder: The folder through which their counters are summed.
            followed: The alias whose version is served; None for the version of `options`.
        """
        self._options = options
        self._count = workers
        self._listener = listener
        self._metrics_folder = metrics_folder
        self._followed = followed
        self._all = set[WorkerProcess]()
        self._serving = set[WorkerProcess]()
        self._moved = asyncio.Event()
        self._seen = deque[str](maxlen=REMEMBERED)
        self._tasks = set[asyncio.Task[None]]()
        self._outage = ""

    async def run(self) -> None:
        """Serve until SIGTERM or Ctrl-C; then end all processes within shutdown_s plus 2 seconds.

        Raises:
            UsageError: The first version cannot be used; the text says why.
        """
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        stopped = asyncio.ensure_future(stop.wait())
        serving = asyncio.ensure_future(self._serve())
        await asyncio.wait({stopped, serving}, return_when=asyncio.FIRST_COMPLETED)
        for task in (stopped, serving, *self._tasks):
            task.cancel()
        await self._end_all()
        if not stop.is_set():
            serving.result()

    async def _serve(self) -> None:
        try:
            workers = await self._prepare(self._options, self._count)
            await self._take_over(workers, self._options)
        except WorkerError as error:
            raise UsageError(str(error)) from None
        if self._followed:
            await self._follow(self._followed)
        await asyncio.Event().wait()

    async def _follow(self, alias: RegisteredAlias) -> None:
        failed, pause_s, again_at = "", 0.0, 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._moved.wait()
            self._moved.clear()
            uri = await self._named(alias)
            before = self._options.model_uri
            if uri == before or (uri == failed and time.monotonic() < again_at):
                continue
            try:
                await self._switch(uri, alias)
            except WorkerError as error:
                pause_s = min(2 * pause_s, _MOST_PAUSE_S) if uri == failed else _PAUSE_S
                failed, again_at = uri, time.monotonic() + pause_s
                _say(f"{uri} cannot be used, {before} stays (next try in {pause_s:g} s): {error}")

    async def _named(self, alias: RegisteredAlias) -> str:
        """Return the version that the alias names; where that is unknown, the one in use."""
        outage, uri = "", self._options.model_uri
        try:
            uri = await alias.model_uri()
        except LookupError as error:
            outage = f"models:/{alias.name}@{alias.alias} cannot be looked up, {uri} stays: {error}"
        if outage and outage != self._outage:
            _say(outage)
        self._outage = outage
        return uri

    async def _switch(self, uri: str, alias: RegisteredAlias) -> None:
        """Let workers of another version take over."""
        options = replace(self._options, model_uri=uri)
        workers = await self._prepare(options, self._count, warm_up=True)
        if await self._named(alias) != uri:  # it was moved on, or back, meanwhile
            _kill(workers)
            self._moved.set()
            return
        await self._take_over(workers, options)
        _say(f"{uri} answers now.")

    async def _prepare(
        self, options: Options, count: int, *, warm_up: bool = False
    ) -> list[WorkerProcess]:
        """Start workers that could answer; the first one shows whether they can at all."""
        workers = list[WorkerProcess]()
        try:
            for _ in range(count):
                job = Job(options, warm_up)
                worker = await WorkerProcess.start(job, self._listener, self._hear)
                workers.append(worker)
                self._all.add(worker)
                self._spawn(self._clear_up(worker))
                await workers[0].reaches(Stage.WARM)
            for worker in workers:
                await worker.reaches(Stage.WARM)
        except (WorkerError, asyncio.CancelledError):
            _kill(workers)
            raise
        return workers

    async def _take_over(self, workers: list[WorkerProcess], options: Options) -> None:
        """Let warm workers take requests, then retire those before."""
        await self._admit(workers, is_switch=bool(self._serving))
        before, self._serving = self._serving, set(workers)
        self._options = options
        for worker in workers:
            self._spawn(self._replace(worker, self._serving))
        for worker in before:
            self._spawn(self._retire(worker))

    async def _admit(self, workers: list[WorkerProcess], *, is_switch: bool) -> None:
        for number, worker in enumerate(workers):
            worker.send(Accept(tuple(self._seen), is_switch and number == 0))
        try:
            for worker in workers:
                await worker.reaches(Stage.LISTENING)
        except (WorkerError, asyncio.CancelledError):
            _kill(workers)
            raise

    async def _replace(self, worker: WorkerProcess, serving: set[WorkerProcess]) -> None:
        """When a worker ends while its version is in use, start another one."""
        code, pause_s = await worker.end(), _REPLACE_S
        if serving is self._serving:
            _say(f"A worker of {self._options.model_uri} ended with code {code}: it is replaced.")
        while serving is self._serving:
            try:
                others = await self._prepare(self._options, 1)
                if serving is not self._serving:
                    _kill(others)
                    return
                await self._admit(others, is_switch=False)
            except WorkerError as error:
                _say(f"It cannot be replaced (next try in {pause_s:g} s): {error}")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _MOST_REPLACE_S)
                continue
            [other] = others
            serving.discard(worker)
            serving.add(other)
            is_current = serving is self._serving
            self._spawn(self._replace(other, serving) if is_current else self._retire(other))
            return

    async def _retire(self, worker: WorkerProcess) -> None:
        """Let a worker answer the requests that it has, however long, and end it."""
        worker.send(Retire.NOW)
        if not await worker.ends_within(self._options.timeout_s + _RETIRE_S):
            worker.terminate()
            if not await worker.ends_within(self._options.shutdown_s + _KILL_S):
                worker.kill()

    async def _clear_up(self, worker: WorkerProcess) -> None:
        await worker.end()
        self._all.discard(worker)
        mark_process_dead(worker.pid, self._metrics_folder)  # type: ignore[no-untyped-call]

    async def _end_all(self) -> None:
        workers = list(self._all)
        for worker in workers:
            worker.terminate()
        until = time.monotonic() + self._options.shutdown_s + _KILL_S
        for worker in workers:
            if not await worker.ends_within(max(0.0, until - time.monotonic())):
                worker.kill()

    def _hear(self, event: AliasEvent) -> None:
        """Pass on what a worker has received from MLflow's webhooks."""
        self._seen.append(event.delivery)
        for worker in self._all:
            worker.send(event)
        moved = (event.kind, event.name, event.alias)
        if self._followed and moved == (MODEL_ALIAS, self._followed.name, self._followed.alias):
            self._moved.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _kill(workers: list[WorkerProcess]) -> None:
    for worker in workers:
        worker.kill()


def _say(text: str) -> None:
    print(printable(without_password(text, "***@")), flush=True)
