"""A worker process: loads one version of a model and answers with it until its parent retires it.

One process can load one version only, so each version gets processes of its own. They share the
parent's socket. `python -m entry_points.serving.worker` is started by `supervisor`.
"""

from __future__ import annotations

import asyncio
import base64
import signal
import socket
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection

import mlflow
import uvicorn
from mlflow.pyfunc import PyFuncModel

from entry_points.command_line.cli import UsageError
from entry_points.command_line.tracking import quiet_mlflow
from entry_points.logged_models.calls import predict_rows
from entry_points.serving import example
from entry_points.serving.app import Served, build_served, http_settings, load_served
from entry_points.serving.webhooks import AliasEvent
from entry_points.serving.worker_process import Job, Retire, Stage, Unusable

_CLOSE = (b"connection", b"close")
# How long a connection may take from the socket to its first request being awaited, s.
_ACCEPTED_S = 0.1


def warm_up(model: PyFuncModel) -> None:
    """Read a sample page, without a trace.

    Raises:
        UsageError: The page could not be read.
    """
    [document] = example.request()["dataframe_records"]
    image = base64.b64decode(document["image"])
    with mlflow.tracing.context(enabled=False):
        [row] = predict_rows(model, [("warm-up", image)])
    if row["error_code"]:
        raise UsageError(f"its sample page failed with {row['error_code']}: {row['error']}")


class _Server(uvicorn.Server):
    """uvicorn's server, which tells its parent that it listens, and does what the parent says."""

    def __init__(
        self,
        served: Served,
        parent: Connection,
        events: Sequence[AliasEvent],
        config: uvicorn.Config,
    ) -> None:
        super().__init__(config)
        self._served = served
        self._parent = parent
        self._events = events
        self._tasks = set[asyncio.Task[None]]()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for event in self._events:
            self._served.take(event)
        asyncio.get_running_loop().add_reader(self._parent.fileno(), self._hear)
        self._parent.send(Stage.LISTENING)

    def _hear(self) -> None:
        try:
            message = self._parent.recv()
        except (EOFError, OSError):  # the parent has died
            asyncio.get_running_loop().remove_reader(self._parent.fileno())
            signal.raise_signal(signal.SIGTERM)
            return
        if isinstance(message, AliasEvent):
            self._served.take(message)
        elif message is Retire.NOW:
            self._tasks.add(asyncio.ensure_future(self._retire()))

    async def _retire(self) -> None:
        """Finish without refusing a request: each connection is closed with its next answer.

        A connection without a request ends after uvicorn's `timeout_keep_alive`, as always.
        """
        self._served.metrics.note_retirement()
        loop = asyncio.get_running_loop()
        listeners = [each for server in self.servers for each in server.sockets]
        for listener in listeners:
            loop.remove_reader(listener.fileno())
        # uvicorn takes its own list of headers from here, every second.
        self.config.encoded_headers.append(_CLOSE)
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        # asyncio drops connections that were accepted when their server is closed at once.
        await asyncio.sleep(_ACCEPTED_S)
        for server in self.servers:
            server.close()
        while self.server_state.connections:
            await asyncio.sleep(_ACCEPTED_S)
        signal.raise_signal(signal.SIGTERM)


def work(listener: socket.socket, parent: Connection) -> int:
    """Do the parent's job; return the exit code."""
    job: Job = parent.recv()
    try:
        model = load_served(job.options.model_uri)
        if job.warm_up:
            warm_up(model)
    except UsageError as error:
        parent.send(Unusable(str(error)))
        return 2
    parent.send(Stage.WARM)
    events = list[AliasEvent]()  # that came since the model was loaded
    while isinstance(accept := parent.recv(), AliasEvent):
        events.append(accept)
    served = build_served(model, job.options, parent.send, accept.seen)
    if accept.is_switch:
        served.metrics.note_switch()
    config = uvicorn.Config(served.app, **http_settings())
    _Server(served, parent, events, config).run([listener])
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the process; the arguments are the descriptors of the socket and of the parent's pipe."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the server takes over: no stack trace
    quiet_mlflow()
    listener, parent = map(int, argv or sys.argv[1:])
    try:
        return work(socket.socket(fileno=listener), Connection(parent))
    except (EOFError, BrokenPipeError):  # the parent has died
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
