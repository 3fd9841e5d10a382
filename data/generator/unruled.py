"""Sets tables without lines, as typists write them: figures under headings, after row labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.generator.content import chance, choose, pick, sample, word_list
from data.generator.flow import Flow
from data.generator.sheet import text_width

_FIGURES = "@.##|##|##%|@,###|@##.#|$@#,###|.###|@#/@#"
_UNKNOWN = 0.06
"""Share of cells that hold a dash, or nothing."""


@dataclass(frozen=True)
class _Columns:
    """Where the columns stand.

    Attributes:
        left: x where the first one begins, px.
        pitch: From column to column, px.
        inset: Share of a column's free room that is left of its text, [0, 1].
    """

    left: float
    pitch: float
    inset: float

    def start(self, place: int, width: float) -> float:
        """Return the x of a text of this width in a column, px."""
        return self.left + place * self.pitch + self.inset * (self.pitch - 8 - width)


def statistics(flow: Flow) -> None:
    """Set rows of figures, as many as there is room for; they answer columns, rows or both."""
    style, rng = flow.style, flow.rng
    labels = [style.cased(flow.expand(row)) for row in _series(flow, "rows", 12)]
    heads = [_head(flow, head) for head in _series(flow, "columns", 7)]
    figures = choose(rng, _FIGURES)
    step = style.value.size * rng.uniform(1.15, 1.9)
    stub = max(text_width(label, style.label) for label in labels) + 14
    widest = max(text_width(line, style.label) for head in heads for line in head)
    pitch = max(widest, text_width("0,000.00", style.value)) + rng.uniform(8, 40)
    heads = heads[: int((flow.width - stub) / pitch)]
    first = flow.y + style.label.size * (1.15 * max(map(len, heads), default=1) + 0.8)
    labels = labels[: max(0, int((flow.bottom - first) / step) - 1)]
    if len(labels) < 2 or not heads:
        return
    at = (flow.left, flow.y + style.label.size)
    header = flow.sheet.write(at, flow.expand("{measure}"), style.header, "header")
    columns = _Columns(flow.left + stub, pitch, rng.uniform(0, 1))
    links = pick(rng, ("rows", "rows", "columns", "both"))
    asked = _ask(flow, heads, columns)
    for number, label in enumerate(labels):
        baseline = first + number * step + style.value.size
        row = flow.ask((flow.left, baseline), label, header)
        for place, column in enumerate(asked):
            cell = _cell(flow, figures)
            if cell:
                x = columns.start(place, text_width(cell, style.value))
                answer = flow.sheet.write((x, baseline), cell, style.value, "answer")
                for question in {"rows": (row,), "columns": (column,), "both": (column, row)}[
                    links
                ]:
                    flow.sheet.link(question, answer)
    flow.y = first + len(labels) * step + style.pitch


def _ask(flow: Flow, heads: Sequence[Sequence[str]], columns: _Columns) -> list[int]:
    """Write the headings as questions; return their indices."""
    look = flow.style.label
    asked = []
    for place, head in enumerate(heads):
        x = columns.start(place, max(text_width(line, look) for line in head))
        asked.append(flow.ask((x, flow.y + look.size), head, None))
    return asked


def _cell(flow: Flow, figures: str) -> str:
    """Return what a cell says; "" for a blank one."""
    text = "" if chance(flow.rng, flow.style.blank / 4) else flow.expand(figures)
    return pick(flow.rng, ("-", "")) if chance(flow.rng, _UNKNOWN) else text


def _series(flow: Flow, name: str, most: int) -> list[str]:
    """Return some of the labels of one of the series of `words.toml`, in their order."""
    series = pick(flow.rng, word_list(name)).split("; ")
    return sample(flow.rng, series, int(flow.rng.integers(2, most + 1)))


def _head(flow: Flow, text: str) -> list[str]:
    """Return a heading with what it counts, or without."""
    lines = flow.style.cased(flow.expand(text)).split(" / ")
    return [*lines, flow.expand("(@##)|(%)|(n=@#)|No.")] if chance(flow.rng, 0.15) else lines
