"""How a command's process ends: in time, and with its child processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from entry_points import ROOT

# How long a process may take to end after its work, s.
_END_S = 10.0


def end_with(main: Callable[[], int], within_s: float = _END_S) -> NoReturn:
    """Run `main` and end the process with its exit code, even if threads wait for the network.

    Threads with requests in flight, and MLflow's exit handlers, would keep the process alive until
    a server answers; it ends `within_s` seconds after `main`.
    """
    code = 1  # for an error that the interpreter prints
    try:
        code = main()
    finally:
        end = threading.Timer(within_s, leave, (code,))
        end.daemon = True
        end.start()
    raise SystemExit(code)


def leave(code: int) -> NoReturn:
    """End the process at once, whatever its threads and exit handlers wait for."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # its reader has gone
            stream.flush()
    os._exit(code)


def unwind_on_sigterm() -> None:
    """Let SIGTERM end this process as Ctrl-C does, so that its child processes end too."""

    def unwind(signum: int, _: object) -> None:
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGTERM, unwind)


def run_child(
    command: Sequence[str],
    *,
    only: str | None = None,
    cwd: Path | None = None,
    **environment: str,
) -> int:
    """Run a command of this project in a process of its own, and return its exit code.

    SIGTERM reaches this process alone, and is passed on; Ctrl-C reaches both.

    Args:
        command: The program and its arguments.
        only: Print those of its lines that begin with this text; None: it prints by itself.
        cwd: The folder in which it starts; None for this process's.
        environment: Variables besides those of `child_environment`.
    """
    unwind_on_sigterm()
    with subprocess.Popen(  # noqa: S603 - ours
        command,
        cwd=cwd,
        env=child_environment() | environment,
        stdout=None if only is None else subprocess.PIPE,
        text=True,
    ) as process:
        try:
            for line in process.stdout or ():
                if line.startswith(only or ""):
                    print(line, end="", flush=True)
            return process.wait()
        except SystemExit:
            process.terminate()
            raise


def child_environment() -> dict[str, str]:
    """Return this process's environment, in which the entry points are found from any folder."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
