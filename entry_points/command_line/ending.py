"""How a command's process ends: in time, and with its child processes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

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
