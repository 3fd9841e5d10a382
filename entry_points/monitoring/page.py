"""What a run of monitor logs and prints: metrics, plots, the page and the table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from matplotlib.figure import Figure

from entry_points.command_line import cli
from entry_points.command_line.tracking import trace_page
from entry_points.evaluation.figures import new_axes
from entry_points.evaluation.html.report import templates
from entry_points.monitoring.attention import Need
from entry_points.monitoring.comparison import FEWEST, Baseline, Comparison, Line
from entry_points.monitoring.records import Record

PAGE = "monitor.html"
NEEDS = "needs-a-person.json"
_HEADER = ("", "baseline", "now", "difference", "95 % interval", "p", "documents", "verdict")


def cells(line: Line) -> tuple[str, ...]:
    """Return a line as text, without its group."""
    before, now = line.means
    difference = line.difference
    return (
        line.watch.name,
        _number(before),
        _number(now),
        "" if difference is None else _signed(difference[0]),
        "" if difference is None else " to ".join(map(_signed, difference[1:])),
        "" if line.p_value is None else f"{line.p_value:.4f}",
        f"{len(line.before):,} | {len(line.now):,}",
        line.verdict if line.p_value is not None else f"fewer than {FEWEST}",
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _signed(value: float) -> str:
    return f"{round(value, 9):+.3g}"


def error_codes(records: Sequence[Record]) -> dict[str, int]:
    """Count documents by error code, the most frequent first."""
    codes = Counter(record.row["error_code"] for record in records if record.row["error_code"])
    return dict(codes.most_common())


def report(comparison: Comparison, baseline: Baseline, needs: Sequence[Need]) -> None:
    """Print the verdict of each line."""
    print(f"Compared with {len(baseline.records)} documents of {baseline.told}.")
    for group, records in comparison.groups.items():
        print(f"\n{group}: {len(records)} documents")
        cli.print_table((cells(each) for each in comparison.lines if each.group == group), _HEADER)
    if codes := error_codes(comparison.records):
        print("Failed: " + ", ".join(f"{code} {count}" for code, count in codes.items()))
    print(f"\nVerdict: {comparison.verdict}. Documents that most need a person: {len(needs)}.")
    for need in needs[:5]:
        print(f"  {cli.printable(need.record.doc_id[:60])}: {', '.join(need.reasons)}")


def log(comparison: Comparison, baseline: Baseline, needs: Sequence[Need], title: str) -> None:
    """Log metrics, plots, the list of documents and the page to the active run."""
    metrics: dict[str, float] = {"documents": len(comparison.records)}
    for line in comparison.lines:
        name = f"{_slug(line.group)}/{_slug(line.watch.name)}"
        metrics |= {f"{name}/now": line.means[1] or 0.0}
        if line.difference is not None:
            ends = zip(("difference", "low", "high"), line.difference, strict=True)
            metrics |= {f"{name}/{end}": value for end, value in ends}
    mlflow.log_metrics(metrics)
    mlflow.set_tags({"verdict": comparison.verdict, "baseline": baseline.told[:500]})
    mlflow.log_dict({"documents": [_to_dict(need) for need in needs]}, NEEDS)
    mlflow.log_figure(_draw_confidences(comparison), "figures/confidence.png")
    page = templates(Path(__file__).parent).get_template(PAGE)
    mlflow.log_text(
        page.render(
            title=title,
            comparison=comparison,
            baseline=baseline,
            header=_HEADER,
            lines={
                group: [(cells(line), line) for line in comparison.lines if line.group == group]
                for group in comparison.groups
            },
            error_codes=error_codes(comparison.records),
            histograms=_histograms(comparison),
            needs=needs,
            trace_page=trace_page,
        ),
        PAGE,
    )


def _to_dict(need: Need) -> dict[str, Any]:
    ids = {"doc_id": need.record.doc_id, "trace_id": need.record.trace_id}
    return {**ids, "why": list(need.reasons), "weight": round(need.weight, 3)}


def _slug(text: str) -> str:
    return re.sub("[^a-zA-Z0-9-]+", "_", text)


def _histograms(comparison: Comparison) -> Mapping[str, list[float]]:
    """Return the shares of the confidences by class, of the baseline and of now."""
    sides = {"baseline": comparison.baseline, "now": comparison.records}
    counted = {
        name: np.sum([record.counts["confidences"] for record in records], axis=0)
        for name, records in sides.items()
    }
    return {name: (each / max(each.sum(), 1)).tolist() for name, each in counted.items()}


def _draw_confidences(comparison: Comparison) -> Figure:
    figure, axes = new_axes("Confidence", "confidence", "share of what was read")
    for (name, shares), colour in zip(
        _histograms(comparison).items(), ("#8a8f99", "#1f5fa8"), strict=True
    ):
        axes.stairs(shares, np.linspace(0, 1, len(shares) + 1), label=name, color=colour, lw=2)
    axes.legend()
    return figure
