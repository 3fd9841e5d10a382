"""Sets tables: a question over each column, and in some a question before each row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from data.generator.content import Field, Table, chance, choose
from data.generator.flow import Flow
from data.generator.sheet import text_width, wrapped

_BLANK = 0.08
"""Share of cells that nobody filled in, unless the whole form is blank."""


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


@dataclass(frozen=True)
class _Grid:
    """Where a table stands: the x of its borders, the y of its lines, px."""

    edges: tuple[float, ...]
    top: float
    under_head: float
    bottom: float
    step: float

    def baseline(self, row: int) -> float:
        """Return the y that the text of a row stands on."""
        return self.under_head + (row + 0.75) * self.step


def table(flow: Flow, table: Table) -> None:
    """Set a table, as many rows as there is room for, and the totals under it."""
    style, rng = flow.style, flow.rng
    step = max(style.value.size * 1.35, rng.uniform(0.8, 1.1) * style.pitch)
    room = int((flow.bottom - flow.y - 4 * style.pitch) / step)
    rows = min(room, len(table.rows) or int(rng.integers(2, 11)))
    if rows < 2:
        return
    columns = _columns(flow, table, rows)
    over = choose(rng, table.over) if chance(rng, 0.7) else ""
    lines = max(len(column.question) for column in columns) + bool(over)
    under_head = flow.y + lines * 1.15 * style.label.size + 8
    spare = 0 if table.rows else int(rng.integers(0, 4))
    grid = _Grid(
        edges=_edges(flow, table, columns),
        top=flow.y,
        under_head=under_head,
        bottom=min(under_head + (rows + spare) * step, flow.bottom),
        step=step,
    )
    _rules(flow, grid)
    _write(flow, table, columns, grid, over)
    flow.y = grid.bottom + 0.3 * style.pitch
    if table.totals:
        _totals(flow, table.totals, grid.edges, columns[-1].cells)


def _columns(flow: Flow, table: Table, rows: int) -> list[_Column]:
    columns = [_column(flow, field, rows) for field in table.columns]
    if table.product:
        one, other, result = table.product
        factors = zip(columns[one].cells, columns[other].cells, strict=True)
        cells = tuple(_text(_number(a) * _number(b)) if a and b else "" for a, b in factors)
        inset = flow.rng.uniform(0.5, 0.9)
        columns[result] = replace(columns[result], cells=cells, inset=inset)
    return columns


def _column(flow: Flow, field: Field, rows: int) -> _Column:
    label = flow.style.cased(choose(flow.rng, field.label))
    narrow = chance(flow.rng, 0.4)
    blank = max(_BLANK, float(flow.style.blank == 1))
    cells = tuple(
        flow.expand(field.value) if field.value and not chance(flow.rng, blank) else ""
        for _ in range(rows)
    )
    numbers = all(cell[:1] in "0123456789.$" for cell in cells)
    return _Column(
        question=tuple(wrapped(label, flow.style.label, 60 if narrow else 200)),
        cells=cells,
        inset=flow.rng.uniform(0.5, 0.9) if numbers else flow.rng.uniform(0, 0.1),
    )


def _edges(flow: Flow, table: Table, columns: list[_Column]) -> tuple[float, ...]:
    """Return the x of the columns' borders: as wide as their texts, stretched to the flow."""
    style = flow.style
    needs = []
    for place, column in enumerate(columns):
        cells, look = (
            (table.rows, style.label) if table.rows and place == 0 else (column.cells, style.value)
        )
        widths = [text_width(style.cased(text), look) for text in cells]
        needs.append(14 + max(*widths, *(text_width(q, style.label) for q in column.question)))
    stretch = flow.width / sum(needs)
    return tuple(flow.left + stretch * sum(needs[:place]) for place in range(len(needs) + 1))


def _rules(flow: Flow, grid: _Grid) -> None:
    """Draw the lines: all, only those between columns, or only one under the heads."""
    style, sheet, edges = flow.style, flow.sheet, grid.edges
    kind = choose(flow.rng, "grid|grid|columns|head")
    sheet.line([(edges[0], grid.under_head), (edges[-1], grid.under_head)], style.rule)
    if kind == "head":
        return
    sheet.frame((edges[0], grid.top, edges[-1], grid.bottom), style.rule)
    for x in edges[1:-1]:
        sheet.line([(x, grid.top), (x, grid.bottom)], style.rule)
    y = grid.under_head + grid.step
    while kind == "grid" and y < grid.bottom - 2:
        sheet.line([(edges[0], y), (edges[-1], y)], style.rule)
        y += grid.step


def _write(flow: Flow, table: Table, columns: list[_Column], grid: _Grid, over: str) -> None:
    """Write heads and cells; cells answer their column, their row, or both, as in FUNSD."""
    style, sheet, edges = flow.style, flow.sheet, grid.edges
    baseline = grid.top + style.label.size + 2
    header = None
    if over:
        sheet.fill((edges[1] + 1, grid.top + 1, edges[-1] - 1, baseline + 2), 255)
        header = sheet.write((edges[1] + 12, baseline), over, style.label, "header")
        baseline += 1.15 * style.label.size
    labels = [
        flow.ask((edges[0] + 5, grid.baseline(row)), style.cased(text), None)
        for row, text in enumerate(table.rows[: len(columns[0].cells)])
    ]
    by_column = not labels or chance(flow.rng, 0.6)
    for place, column in enumerate(columns):
        at = (edges[place] + 5, baseline)
        question = flow.ask(at, column.question, header if place else None)
        for row, text in enumerate(column.cells):
            if not text:
                continue
            room = edges[place + 1] - edges[place] - text_width(text, style.value) - 8
            x = edges[place] + 4 + max(0.0, room) * column.inset
            answer = sheet.write((x, grid.baseline(row)), text, style.value, "answer")
            if by_column:
                sheet.link(question, answer)
            if labels:
                sheet.link(labels[row], answer)


def _totals(
    flow: Flow, totals: tuple[Field, ...], edges: tuple[float, ...], cells: tuple[str, ...]
) -> None:
    """Set the totals under the last column, their questions to the left of it."""
    style = flow.style
    added = [_number(cell) for cell in cells if cell]
    for field in totals:
        if not flow.room(style.pitch):
            return
        text = style.question(choose(flow.rng, field.label))
        value = flow.value(field)
        if value in ("=sum", "=total"):
            value = _text(sum(added, Decimal(0)))
        elif value:
            added.append(_number(value))
        baseline = flow.y + style.label.size
        start = max(flow.left, edges[-2] - text_width(text, style.label) - 10)
        question = flow.ask((start, baseline), text, None)
        start = max(edges[-2], start + text_width(text, style.label) + 6)
        flow.fill_line(start, edges[-1], baseline)
        if value:
            x = max(start, edges[-1] - text_width(value, style.value) - 6)
            flow.answer(question, (x, baseline - 1), [value])
        flow.y += style.pitch
    flow.y += 0.3 * style.pitch


def _number(text: str) -> Decimal:
    """Read an amount as it stands in a cell."""
    return Decimal(text.strip("$%").replace(",", ""))


def _text(number: Decimal) -> str:
    """Write a number as it is typed into a cell."""
    return f"{number:,}"
