"""Sets tables: a question over each column, and in some a question before each row."""

from __future__ import annotations

from dataclasses import dataclass

from data.generator.content import Field, Table, chance, choose
from data.generator.flow import Flow
from data.generator.sheet import text_width, wrapped


@dataclass(frozen=True)
class _Column:
    """A column as printed.

    Attributes:
        question: Its lines.
        cells: "" for blank ones.
        inset: Share of a cell's free room that is left of its text, [0, 1].
    """

    question: tuple[str, ...]
    cells: tuple[str, ...]
    inset: float


def table(flow: Flow, table: Table) -> None:
    """Set a table, as many rows as there is room for, and the totals under it."""
    style, rng = flow.style, flow.rng
    step = max(style.value.size * 1.35, rng.uniform(0.8, 1.1) * style.pitch)
    room = int((flow.bottom - flow.y - 4 * style.pitch) / step)
    rows = min(room, len(table.rows) or int(rng.integers(2, 9)))
    if rows < 2:
        return
    columns = [_column(flow, field, rows) for field in table.columns]
    edges = _edges(flow, table, columns)
    top = flow.y
    lines = max(len(column.question) for column in columns)
    under_head = top + lines * 1.1 * style.label.size + 8
    spare = int(rng.integers(0, 4)) if not table.rows else 0
    bottom = min(under_head + (rows + spare) * step, flow.bottom)
    labels = _row_labels(flow, table, (edges[0], under_head), step, rows)
    by_column = not labels or chance(rng, 0.6)
    for place, column in enumerate(columns):
        at = (edges[place] + 5, top + style.label.size + 2)
        question = flow.ask(at, column.question, None)
        for row, text in enumerate(column.cells):
            if text:
                width = text_width(text, style.value)
                slack = max(0.0, edges[place + 1] - edges[place] - width - 8)
                x = edges[place] + 4 + slack * column.inset
                baseline = under_head + (row + 0.75) * step
                answer = flow.sheet.write((x, baseline), text, style.value, "answer")
                if by_column:
                    flow.sheet.link(question, answer)
                if labels:
                    flow.sheet.link(labels[row], answer)
    _rules(flow, edges, (top, under_head, bottom), step)
    flow.y = bottom + 0.3 * style.pitch
    _totals(flow, table.totals, edges)


def _column(flow: Flow, field: Field, rows: int) -> _Column:
    label = flow.style.cased(choose(flow.rng, field.label))
    narrow = chance(flow.rng, 0.4)
    question = wrapped(label, flow.style.label, 60 if narrow else 200)
    cells = tuple(
        flow.expand(field.value) if field.value and not chance(flow.rng, 0.08) else ""
        for _ in range(rows)
    )
    numbers = all(cell[:1] in "0123456789.$" for cell in cells)
    inset = flow.rng.uniform(0.5, 0.9) if numbers else flow.rng.uniform(0, 0.1)
    return _Column(tuple(question), cells, inset)


def _edges(flow: Flow, table: Table, columns: list[_Column]) -> list[float]:
    """Return the x of the columns' borders: as wide as their texts, stretched to the flow."""
    style = flow.style
    needs = []
    for place, column in enumerate(columns):
        cells = table.rows if table.rows and place == 0 else column.cells
        look = style.label if table.rows and place == 0 else style.value
        widest = max(text_width(text, look) for text in cells)
        needs.append(14 + max(widest, *(text_width(line, style.label) for line in column.question)))
    stretch = flow.width / sum(needs)
    edges = [flow.left]
    for need in needs:
        edges.append(edges[-1] + need * stretch)
    return edges


def _row_labels(
    flow: Flow, table: Table, at: tuple[float, float], step: float, rows: int
) -> list[int]:
    """Write what the first column says; return the questions, none if it says nothing."""
    return [
        flow.ask((at[0] + 5, at[1] + (row + 0.75) * step), flow.style.cased(text), None)
        for row, text in enumerate(table.rows[:rows])
    ]


def _rules(flow: Flow, edges: list[float], levels: tuple[float, float, float], step: float) -> None:
    """Draw the lines: all, only those between columns, or only one under the heads."""
    style, sheet = flow.style, flow.sheet
    top, under_head, bottom = levels
    kind = choose(flow.rng, "grid|grid|columns|head")
    sheet.line([(edges[0], under_head), (edges[-1], under_head)], style.rule)
    if kind == "head":
        return
    sheet.frame((edges[0], top, edges[-1], bottom), style.rule)
    for x in edges[1:-1]:
        sheet.line([(x, top), (x, bottom)], style.rule)
    y = under_head + step
    while kind == "grid" and y < bottom - 2:
        sheet.line([(edges[0], y), (edges[-1], y)], style.rule)
        y += step


def _totals(flow: Flow, totals: tuple[Field, ...], edges: list[float]) -> None:
    """Set the totals under the last column, their questions to the left of it."""
    style = flow.style
    for field in totals:
        if not flow.room(style.pitch):
            return
        text = style.question(choose(flow.rng, field.label))
        baseline = flow.y + style.label.size
        start = max(flow.left, edges[-2] - text_width(text, style.label) - 10)
        question = flow.ask((start, baseline), text, None)
        start = max(edges[-2], start + text_width(text, style.label) + 6)
        flow.fill_line(start, edges[-1], baseline)
        value = flow.value(field)
        if value:
            x = max(start, edges[-1] - text_width(value, style.value) - 6)
            flow.answer(question, (x, baseline - 1), [value])
        flow.y += style.pitch
    flow.y += 0.3 * style.pitch
