"""Keeps two processes from writing one output at the same time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from entry_points.command_line.cli import UsageError, writing


@contextlib.contextmanager
def locked(output: Path) -> Iterator[None]:
    """Let no other process write an output meanwhile; the folder is made if it is not there.

    The kernel lets go of the lock when the process ends, however it does. The file that a killed
    process leaves beside the output keeps nobody out.

    Raises:
        UsageError: Another process writes it, or there can be no file beside it.
    """
    path = output.with_name(f"{output.name}.lock")
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        file = _take(path, output)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the folder is gone
            path.unlink()
        os.close(file)


def _take(path: Path, output: Path) -> int:
    """Return the open file that holds the lock."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 200).decode("utf-8", "replace") or "it has just begun"
            os.close(file)
            raise UsageError(
                f"--output is {output}, which another predict writes ({holder}): wait until it "
                "has ended, or name another."
            ) from None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                holder = f"process {os.getpid()} on {socket.gethostname()} since {time.ctime()}"
                os.truncate(file, 0)
                os.write(file, holder.encode())
                return file
        os.close(file)  # the process that held it has removed it
