"""The benchmark's lines with their aims and their plot; CPU time and memory of processes."""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# From this (largest - smallest) / median on, a line is marked "wide".
_WIDE_SPREAD = 0.25
_PAGE_BYTES = resource.getpagesize()
_TICKS = os.sysconf("SC_CLK_TCK")
# Traces are written when nothing was read for a second; 512 of them take half a minute.
_LOOK_EVERY_S = 6.0
_QUIET_S = 120.0


@dataclass(frozen=True)
class Sample:
    """Repeated measurements of one thing, in the unit of its line."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Largest minus smallest."""
        return max(self.values) - min(self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return _rounded(self.median)
        low, high = _rounded(min(self.values)), _rounded(max(self.values))
        return f"{_rounded(self.median)} ({low}-{high})"


@dataclass(frozen=True)
class Aim:
    """The figure that a line should reach.

    Attributes:
        of: The figure that is judged: the "value" itself, its "ratio" to the other one, or what it
            "adds" to it.
        at_most: Whether `bound` is the largest good figure; else it is the smallest.
        bound: In the line's unit, a ratio has none.
    """

    of: Literal["value", "ratio", "adds"]
    at_most: bool
    bound: float

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        unit = " x" if self.of == "ratio" else " more" if self.of == "adds" else ""
        return f"{sign} {self.bound:g}{unit}"

    def is_met(self, figure: float) -> bool:
        """Tell whether a figure reaches the bound."""
        return figure <= self.bound if self.at_most else figure >= self.bound


@dataclass(frozen=True)
class Measurement:
    """One line of the table.

    Attributes:
        what: What was measured.
        unit: The unit of both samples.
        ours: Our figures.
        against: What they are compared against, "" for nothing.
        theirs: Its figures from the same run; None if there are none.
        aim: The figure to reach; None if the line only informs.
        suite: The suite's name; the entry point fills it in.
    """

    what: str
    unit: str
    ours: Sample
    against: str = ""
    theirs: Sample | None = None
    aim: Aim | None = None
    suite: str = ""

    @classmethod
    def once(  # noqa: PLR0913 - as the fields
        cls,
        what: str,
        unit: str,
        ours: float,
        against: str = "",
        theirs: float | None = None,
        *,
        aim: Aim | None = None,
    ) -> Measurement:
        """Return the line of figures that were taken once."""
        other = None if theirs is None else Sample((theirs,))
        return cls(what, unit, Sample((ours,)), against, other, aim)

    @property
    def figure(self) -> float | None:
        """The figure that the aim judges, None without an aim."""
        if self.aim is None:
            return None
        if self.aim.of == "value" or self.theirs is None:
            return self.ours.median
        if self.aim.of == "adds":
            return self.ours.median - self.theirs.median
        return self.ours.median / self.theirs.median

    @property
    def verdict(self) -> str:
        """Return "met" or "missed", "" without an aim; with a remark where figures scatter."""
        if self.aim is None or self.figure is None:
            return ""
        samples = [self.ours] if self.theirs is None else [self.ours, self.theirs]
        wide = any(each.spread > _WIDE_SPREAD * abs(each.median) for each in samples)
        return ("met" if self.aim.is_met(self.figure) else "missed") + (", wide" if wide else "")

    def cells(self) -> tuple[str, ...]:
        """Return the line as text, in the order of `HEADER`."""
        judged = "" if self.figure is None or self.aim is None else _rounded(self.figure)
        if self.aim is not None and self.aim.of == "ratio":
            judged += " x"
        return (
            self.suite,
            self.what,
            self.unit,
            str(self.ours),
            self.against,
            "" if self.theirs is None else str(self.theirs),
            judged,
            "" if self.aim is None else str(self.aim),
            self.verdict,
        )


HEADER = ("suite", "what", "unit", "ours", "against", "theirs", "result", "aim", "verdict")


def side_by_side(
    candidates: Mapping[str, Callable[[], Mapping[str, float]]], repeats: int
) -> dict[str, dict[str, Sample]]:
    """Measure candidates in turn, so that other load affects all; return samples by both names."""
    taken: dict[str, list[Mapping[str, float]]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, measure in candidates.items():
            taken[name].append(measure())
    return {
        name: {key: Sample(tuple(each[key] for each in rounds)) for key in rounds[0]}
        for name, rounds in taken.items()
    }


def plot_ratios(lines: Sequence[Measurement]) -> Figure:
    """Draw ours / theirs of each line as a bar, on a logarithmic scale with a mark at 1.

    Lines that are compared with nothing, or with zero, are left out.
    """
    from matplotlib.figure import Figure

    compared = [line for line in lines if line.theirs is not None and line.theirs.median > 0]
    figure = Figure(figsize=(9, 1 + 0.35 * len(compared)), layout="constrained")
    axes = figure.subplots()
    names = [f"{line.suite}: {line.what}, {line.unit}\nagainst {line.against}" for line in compared]
    ratios = [line.ours.median / line.theirs.median for line in compared if line.theirs]
    axes.barh(range(len(compared)), ratios)
    axes.set_yticks(range(len(compared)), names, fontsize=6)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xlabel("ours / theirs")
    return figure


def _rounded(value: float) -> str:
    """Write a figure with three digits."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"


def cpu_s() -> float:
    """Return the CPU time of this process, all threads, s."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss_mb() -> float:
    """Return the resident memory of this process, MB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6


def rss_once_quiet(usage: Callable[[], tuple[float, float]]) -> float:
    """Return the resident memory, MB, when the traces are written and the CPU is idle.

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

    Processes in other sessions are included: each worker that draws PDFs has its own.
    """
    stats: dict[int, list[str]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # The process may have ended. Its command's name, in brackets, may hold anything (proc(5)).
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            stats[int(stat.parent.name)] = stat.read_text().rpartition(")")[2].split()
    tree = {root}
    while found := {pid for pid, fields in stats.items() if int(fields[1]) in tree} - tree:
        tree |= found
    used = [stats[pid] for pid in tree if pid in stats]
    ticks = sum(int(fields[11]) + int(fields[12]) for fields in used)
    return ticks / _TICKS, sum(int(fields[21]) for fields in used) * _PAGE_BYTES / 1e6
