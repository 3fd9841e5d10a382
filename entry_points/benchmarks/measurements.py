"""The benchmark's lines, what each is compared against and its aim, and their plot."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Above this (largest - smallest) / median a line says that its figures scatter.
_WIDE_SPREAD = 0.25


@dataclass(frozen=True)
class Sample:
    """Repeated measurements of one thing, in the unit of its line."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, *values: float) -> Sample:
        """Return a sample of these measurements."""
        return cls(values)

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
    """What a line should show.

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
        suite: The suite's name.
        what: What was measured.
        unit: The unit of both samples.
        ours: Our figures.
        against: What they are compared against, "" for nothing.
        theirs: Its figures, taken in the same run; None where there are none.
        aim: What should be reached, None where the line only informs.
    """

    suite: str
    what: str
    unit: str
    ours: Sample
    against: str = ""
    theirs: Sample | None = None
    aim: Aim | None = None

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
    """Measure candidates in turn, so that whatever else the machine does strikes all of them.

    Args:
        candidates: What to call, by name; each returns its figures by name.
        repeats: How often each is called.

    Returns:
        The samples of each candidate, by name of the figure.
    """
    taken: dict[str, list[Mapping[str, float]]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, measure in candidates.items():
            taken[name].append(measure())
    return {
        name: {key: Sample(tuple(each[key] for each in rounds)) for key in rounds[0]}
        for name, rounds in taken.items()
    }


def plot_ratios(lines: Sequence[Measurement]) -> Figure:
    """Draw how each line's figure compares with what it is compared against.

    Args:
        lines: The lines; those that are compared with nothing, or with zero, are left out.

    Returns:
        A bar of ours / theirs for each line, on a logarithmic scale, with a mark at 1.
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


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile (1 to 99) of at least two values, interpolated between neighbours."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _rounded(value: float) -> str:
    """Write a figure with three digits."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"
