"""CPU time and memory of processes."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

_PAGE_BYTES = resource.getpagesize()
_TICKS = os.sysconf("SC_CLK_TCK")
# Traces are written once nothing was read for a second, and 512 of them take half a minute.
_LOOK_EVERY_S = 6.0
_QUIET_S = 120.0


def cpu_s() -> float:
    """Return the CPU time of this process, all threads, s."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss_mb() -> float:
    """Return the resident memory of this process, MB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6


def rss_once_quiet(usage: Callable[[], tuple[float, float]]) -> float:
    """Return what is resident, MB, once the traces are written and no CPU is used.

    Args:
        usage: Returns the CPU time so far, s, and the resident memory, MB.
    """
    deadline = time.monotonic() + _QUIET_S
    used, rss = usage()
    while time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
        before, (used, rss) = used, usage()
        if used - before < 0.3:
            break
    return rss


def usage_of_tree(root: int) -> tuple[float, float]:
    """Return the CPU time, s, and the resident memory, MB, of a process and all below it (Linux).

    Processes of other sessions are included: the workers that draw PDFs have one each.
    """
    stats: dict[int, list[str]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # It may have ended. The command's name, in brackets, may hold anything (proc(5)).
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            stats[int(stat.parent.name)] = stat.read_text().rpartition(")")[2].split()
    tree = {root}
    while found := {pid for pid, fields in stats.items() if int(fields[1]) in tree} - tree:
        tree |= found
    used = [stats[pid] for pid in tree if pid in stats]
    ticks = sum(int(fields[11]) + int(fields[12]) for fields in used)
    return ticks / _TICKS, sum(int(fields[21]) for fields in used) * _PAGE_BYTES / 1e6
