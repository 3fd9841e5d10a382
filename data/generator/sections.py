"""Sets the questions of a section: on lines, over lines, at a tab stop, in ruled cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from data.generator.content import Field, chance
from data.generator.flow import Flow
from data.generator.sheet import text_width, wrapped
from data.generator.typefaces import Type


@dataclass(frozen=True)
class _Slot:
    """A question as printed, with what was filled in ("" for nothing)."""

    label: str
    value: str


@dataclass(frozen=True)
class _Span:
    """Where an answer is written: from x = `start` to `end` on a baseline, px."""

    start: float
    end: float
    baseline: float


def _slots(flow: Flow, fields: Sequence[Field]) -> list[_Slot]:
    slots = [_Slot(flow.question(field), _told(flow, field)) for field in fields]
    if chance(flow.rng, 0.35):
        slots = [slots[i] for i in flow.rng.permutation(len(slots))]
    return [replace(slot, label=flow.numbered(slot.label)) for slot in slots]


def _told(flow: Flow, field: Field) -> str:
    value = flow.value(field)
    more = value and "long answers" in flow.style.habits and chance(flow.rng, 0.3)
    return value + flow.expand("{more}") if more else value


def lines(flow: Flow, fields: Sequence[Field], header: int | None) -> None:
    """Set questions one to three a line, each with its answer to the right."""
    style = flow.style
    slots = _slots(flow, fields)
    most = int(flow.rng.integers(1, 4 if flow.width > 500 else 2))
    inset = flow.rng.uniform(0, 0.6) if chance(flow.rng, 0.4) else flow.rng.uniform(0, 0.08)
    while slots and flow.room(2 * style.pitch):
        row = _fitting(flow, slots, most)
        slots = slots[len(row) :]
        taken = 1
        for place, slot in enumerate(row):
            x = flow.left + place * flow.width / len(row)
            end = x + flow.width / len(row) - (15 if place + 1 < len(row) else 0)
            if "indented" in style.habits:
                x += flow.rng.uniform(0, max(0.0, 0.7 * (end - x) - _need(flow, slot)))
            taken = max(taken, _line(flow, slot, (x, end), header, inset))
        flow.y += style.pitch * taken
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


def _line(
    flow: Flow, slot: _Slot, edges: tuple[float, float], header: int | None, inset: float
) -> int:
    """Set one question and its answer between two x; return the lines taken.

    `inset` is the share of the room left over that goes before the answer, [0, 1].
    """
    style = flow.style
    left, right = edges
    label = wrapped(slot.label, style.label, 0.65 * (right - left))
    baseline = flow.y + style.label.size
    question = flow.ask((left, baseline), label, header)
    start = left + text_width(label[-1], style.label) + 0.4 * style.label.size
    begun = (len(label) - 1) * 1.15 * style.label.size
    span = _Span(start, right, baseline + begun)
    rows = _filled(flow, question, slot.value, span, inset)
    return rows + round(begun / style.pitch + 0.3)


def _filled(flow: Flow, question: int, value: str, span: _Span, inset: float) -> int:
    """Draw as many fill lines as the answer needs and write it; return their number."""
    style = flow.style
    rows = wrapped(value, style.value, span.end - span.start - 4)
    for row in range(len(rows)):
        flow.fill_line(span.start, span.end, span.baseline + row * style.pitch)
    if value:
        slack = span.end - span.start - max(text_width(row, style.value) for row in rows)
        x = span.start + max(3.0, (inset + flow.rng.normal(0, 0.01)) * slack)
        y = span.baseline + (flow.rng.normal(0, 0.7) - 1 if style.fill != "none" else 0)
        flow.answer(question, (x, y), rows, style.pitch)
    return len(rows)


def over_lines(flow: Flow, fields: Sequence[Field], header: int | None) -> None:
    """Set answers on lines and the questions under these lines."""
    style = flow.style
    slots = _slots(flow, fields)
    height = style.value.size + 1.3 * style.label.size + flow.rng.uniform(6, 14)
    most = int(flow.rng.integers(2, 4) if flow.width > 500 else 1)
    while slots and flow.room(2 * height):
        row = _fitting(flow, slots, most)
        slots = slots[len(row) :]
        width = flow.width / len(row) - 30
        labels = [wrapped(slot.label, style.label, width) for slot in row]
        values = [wrapped(slot.value, style.value, width) for slot in row]
        leading = 1.1 * style.value.size
        baseline = flow.y + style.value.size + leading * (max(map(len, values)) - 1)
        for place, (label, value) in enumerate(zip(labels, values, strict=True)):
            left = flow.left + place * flow.width / len(row)
            right = left + width + 10
            flow.sheet.line([(left, baseline + 2), (right, baseline + 2)], style.rule)
            question = flow.ask((left, baseline + 4 + style.label.size), label, header)
            if value != [""]:
                first = baseline - 1 - leading * (len(value) - 1)
                flow.answer(question, (left + 6, first), value, leading)
        flow.y = baseline - style.value.size + height
        flow.y += 1.15 * style.label.size * (max(map(len, labels)) - 1)
    flow.y += 0.4 * style.pitch


def ledger(flow: Flow, fields: Sequence[Field], header: int | None) -> None:
    """Set questions in one column and their answers at a tab stop."""
    style = flow.style
    slots = _slots(flow, fields)
    flush_right = "flush right" in style.habits
    indent = flow.rng.choice([0, 0, 20, 30]) if header is not None else 0
    left = flow.left + indent
    labels = [wrapped(slot.label, style.label, 0.5 * flow.width) for slot in slots]
    longest = max(text_width(line, style.label) for label in labels for line in label)
    stop = min(left + longest + flow.rng.uniform(8, 40), flow.left + 0.62 * flow.width)
    right = min(flow.right, stop + flow.rng.uniform(180, 420))
    for slot, label in zip(slots, labels, strict=True):
        begun = (len(label) - 1) * 1.15 * style.label.size
        if not flow.room(2 * style.pitch + begun):
            return
        baseline = flow.y + style.label.size
        x = stop - 6 - max(text_width(line, style.label) for line in label) if flush_right else left
        question = flow.ask((x, baseline), label, header)
        span = _Span(stop, right, baseline + begun)
        flow.y += begun + style.pitch * _filled(flow, question, slot.value, span, 0)
    flow.y += 0.5 * style.pitch


def corner(flow: Flow, fields: Sequence[Field]) -> None:
    """Set questions one under the other at the right, beside whatever stands on the left."""
    left = flow.left + flow.rng.uniform(0.55, 0.7) * flow.width
    block = replace(flow, left=left, y=flow.y - flow.rng.uniform(0, 1.5) * flow.style.pitch)
    for slot in _slots(block, fields):
        _line(block, slot, (left, block.right), None, 0.05)
        block.y += 1.1 * flow.style.label.size
    flow.y = max(flow.y, block.y)


def cells(flow: Flow, fields: Sequence[Field], header: int | None) -> None:
    """Set questions in ruled cells, small at the top left, with the answers under them."""
    style = flow.style
    small = replace(style.label, size=max(9.0, 0.8 * style.label.size))
    slots = _slots(flow, fields)
    most = int(flow.rng.integers(2, 5) if flow.width > 500 else flow.rng.integers(1, 3))
    air = flow.rng.uniform(8, 20)
    while slots:
        row = slots[: _cell_count(flow, slots, small, most)]
        slots = slots[len(row) :]
        width = flow.width / len(row)
        labels = [wrapped(slot.label, small, width - 8) for slot in row]
        values = [wrapped(slot.value, style.value, width - 14) for slot in row]
        printed = max(map(len, labels)) * 1.15 * small.size
        bottom = flow.y + printed + max(map(len, values)) * 1.15 * style.value.size + air
        if bottom > flow.bottom:
            break
        for place, (label, value) in enumerate(zip(labels, values, strict=True)):
            left = flow.left + place * width
            flow.sheet.frame((left, flow.y, left + width, bottom), style.rule)
            question = flow.ask((left + 4, flow.y + small.size + 1), label, header, small)
            if value != [""]:
                baseline = bottom - 5 - (len(value) - 1) * 1.15 * style.value.size
                flow.answer(question, (left + flow.rng.uniform(5, 12), baseline), value)
        flow.y = bottom
    flow.y += 0.5 * style.pitch


def _cell_count(flow: Flow, slots: list[_Slot], small: Type, most: int) -> int:
    """Return how many of the next questions share a row of cells: at most `most`."""
    for count in range(min(most, len(slots)), 1, -1):
        room = flow.width / count - 16
        if all(
            text_width(slot.label, small) <= room
            and text_width(slot.value, flow.style.value) <= room
            for slot in slots[:count]
        ):
            return count
    return 1
