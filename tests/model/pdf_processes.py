"""What the tests look at in the processes that draw PDFs."""

from __future__ import annotations

import os
from pathlib import Path


def pdf_processes() -> set[int]:
    """Return the process ids of the PDF processes that this process started and that still run."""
    return {
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if "pdf_worker" in _read(folder / "cmdline")
        and f"PPid:\t{os.getpid()}\n" in _read(folder / "status")
    }


def alive(process: int) -> bool:
    """Tell whether a process still runs."""
    state = _read(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
    return bool(state) and state[0] != "Z"


def cpu_seconds(process: int) -> float:
    """Return the CPU time that a process took, s."""
    fields = _read(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
    ticks = sum(map(int, fields[11:13])) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:  # the process has ended
        return ""
