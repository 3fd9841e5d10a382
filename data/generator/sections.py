"""Sets the questions of a section: on lines, at a tab stop, in ruled cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from data.generator.content import Field, chance, choose
from data.generator.flow import Flow
from data.generator.sheet import text_width, wrapped
from data.generator.typefaces import Type


@dataclass(frozen=True)
class _Slot:
    """A question as printed, with what was filled in ("" for nothing)."""

    label: str
    value: str


def _slots(flow: Flow, fields: Sequence[Field]) -> list[_Slot]:
    slots = [
        _Slot(flow.style.question(choose(flow.rng, field.label)), flow.value(field))
        for field in fields
    ]
    if chance(flow.rng, 0.35):
        slots = [slots[i] for i in flow.rng.permutation(len(slots))]
    return slots


def lines(flow: Flow, fields: Sequence[Field], header: int | None) -> None:
    """Set questions one to three a line, each with its answer to the right."""
    style = flow.style
    slots = _slots(flow, fields)
    most = int(flow.rng.integers(1, 4 if flow.width > 500 else 2))
    inset = flow.rng.uniform(0, 0.6) if chance(flow.rng, 0.4) else flow.rng.uniform(0, 0.08)
    while slots and flow.room(style.pitch):
        row = _fitting(flow, slots, most)
        slots = slots[len(row) :]
        baseline = flow.y + style.label.size
        extra = 0
        for place, slot in enumerate(row):
            x = flow.left + place * flow.width / len(row)
            end = x + flow.width / len(row) - (15 if place + 1 < len(row) else 0)
            question = flow.ask((x, baseline), slot.label, header)
            start = x + text_width(slot.label, style.label) + 0.4 * style.label.size
            extra = max(extra, _filled(flow, question, slot.value, (start, end, baseline), inset))
        flow.y += style.pitch * (1 + extra)
    flow.y += 0.4 * style.pitch


def _fitting(flow: Flow, slots: list[_Slot], most: int) -> list[_Slot]:
    """Return the next questions that fit side by side, at most `most`, at least one."""
    for count in range(min(most, len(slots)), 1, -1):
        room = flow.width / count - 30
        if all(_need(flow, slot) <= room for slot in slots[:count]):
            return slots[:count]
    return slots[:1]


def _need(flow: Flow, slot: _Slot) -> float:
    value = text_width(slot.value, flow.style.value) if slot.value else 60
    return text_width(slot.label, flow.style.label) + value


def _filled(
    flow: Flow, question: int, value: str, span: tuple[float, float, float], inset: float
) -> int:
    """Draw a fill line and write the answer on it.

    Args:
        flow: Of the section.
        question: Answered.
        value: "" for nothing.
        span: (start, end, baseline) of the fill line, px.
        inset: Share of the room left over that goes before the answer, [0, 1].

    Returns:
        How many lines it took beyond the first.
    """
    style = flow.style
    start, end, baseline = span
    flow.fill_line(start, end, baseline)
    if not value:
        return 0
    rows = wrapped(value, style.value, end - start - 4)
    slack = end - start - max(text_width(row, style.value) for row in rows)
    x = start + max(3.0, (inset + flow.rng.normal(0, 0.01)) * slack)
    y = baseline + (flow.rng.normal(0, 0.7) - 1 if style.fill != "none" else 0)
    flow.answer(question, (x, y), rows, style.pitch)
    for row in range(1, len(rows)):
        flow.fill_line(start, end, baseline + row * style.pitch)
    return len(rows) - 1


def ledger(flow: Flow, fields: Sequence[Field], header: int | None) -> None:
    """Set questions in one column and their answers at a tab stop."""
    style = flow.style
    slots = _slots(flow, fields)
    indent = flow.rng.choice([0, 0, 20, 30]) if header is not None else 0
    longest = max(text_width(slot.label, style.label) for slot in slots)
    stop = flow.left + indent + longest + flow.rng.uniform(8, 40)
    right = min(flow.right, stop + flow.rng.uniform(180, 420))
    for slot in slots:
        rows = wrapped(slot.value, style.value, right - stop - 4)
        if not flow.room(style.pitch * len(rows)):
            return
        baseline = flow.y + style.label.size
        question = flow.ask((flow.left + indent, baseline), slot.label, header)
        for row in range(len(rows)):
            flow.fill_line(stop, right, baseline + row * style.pitch)
        if slot.value:
            flow.answer(question, (stop + 4, baseline - 1), rows, style.pitch)
        flow.y += style.pitch * len(rows)
    flow.y += 0.5 * style.pitch


def cells(flow: Flow, fields: Sequence[Field], header: int | None) -> None:
    """Set questions in ruled cells, small at the top left, with the answers under them."""
    style = flow.style
    small = replace(style.label, size=max(9.0, 0.8 * style.label.size))
    slots = _slots(flow, fields)
    most = int(flow.rng.integers(2, 5) if flow.width > 500 else flow.rng.integers(1, 3))
    height = small.size + style.value.size + flow.rng.uniform(8, 20)
    while slots and flow.room(height):
        row = slots[: _cell_count(flow, slots, small, most)]
        slots = slots[len(row) :]
        rows = max(len(wrapped(s.value, style.value, flow.width / len(row) - 12)) for s in row)
        bottom = flow.y + height + (rows - 1) * 1.15 * style.value.size
        for place, slot in enumerate(row):
            left = flow.left + place * flow.width / len(row)
            right = left + flow.width / len(row)
            flow.sheet.frame((left, flow.y, right, bottom), style.rule)
            at = (left + 4, flow.y + small.size + 1)
            question = flow.ask(at, slot.label, header, small)
            if slot.value:
                lines = wrapped(slot.value, style.value, right - left - 12)
                baseline = bottom - 5 - (len(lines) - 1) * 1.15 * style.value.size
                flow.answer(question, (left + flow.rng.uniform(5, 12), baseline), lines)
        flow.y = bottom
    flow.y += 0.5 * style.pitch


def _cell_count(flow: Flow, slots: list[_Slot], small: Type, most: int) -> int:
    """Return how many of the next questions share a row of cells: at most `most`."""
    for count in range(min(most, len(slots)), 1, -1):
        room = flow.width / count - 16
        if all(
            text_width(slot.label, small) <= room
            and (not slot.value or text_width(slot.value, flow.style.value) <= room)
            for slot in slots[:count]
        ):
            return count
    return 1
