"""Draws the benchmark's lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from entry_points.benchmarks.lines import Line

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_ratios(lines: Sequence[Line]) -> Figure:
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
