"""Plans a form and sets it on a sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from data.generator import entries, furniture, sections
from data.generator.content import (
    Choice,
    Domain,
    Field,
    Prose,
    Section,
    Table,
    chance,
    domain,
    domain_names,
    invented,
    pick,
    sample,
)
from data.generator.flow import Flow
from data.generator.sheet import Sheet
from data.generator.style import Habit, crowd, printed, typewritten
from data.generator.tables import table
from data.generator.unruled import statistics

Family = Literal["lines", "over_lines", "ledger", "cells", "mixed", "columns", "letter"]
Extra = Literal["letterhead", "fax_line", "stamp", "side_note", "barcode"]
Part = Section | Choice | Table | Prose
Block = Callable[[Flow], None]

_FAMILIES: tuple[Family, ...] = (
    *("lines", "lines", "lines", "ledger", "ledger"),
    *("columns", "columns", "mixed", "mixed", "cells"),
)
_LIKELY: dict[Extra, float] = {
    "letterhead": 0.45,
    "fax_line": 0.15,
    "stamp": 0.12,
    "side_note": 0.1,
    "barcode": 0.05,
}
_HABITS: dict[Habit, float] = {
    "borrowed": 0.5,
    "capitals": 0.35,
    "centred": 0.35,
    "corner": 0.3,
    "crowded": 0.3,
    "flush right": 0.25,
    "hints": 0.4,
    "indented": 0.3,
    "instructions": 0.35,
    "invented": 0.6,
    "long answers": 0.4,
    "names": 0.2,
    "numbered": 0.15,
    "statistics": 0.35,
}
_BLOCKS: dict[Habit, Block] = {
    "instructions": entries.instructions,
    "names": entries.names,
    "statistics": statistics,
}


@dataclass(frozen=True)
class PagePlan:
    """The plan of one page.

    Attributes:
        domain: One of `domain_names()`.
        family: How its sections are set; "letter" has a few questions and running text, in a
            domain that knows some.
        typed: Typed from top to bottom, instead of printed and filled in.
        extras: What stands on it beside the form.
        size: (width, height), px.
        most: Largest number of parts (sections, options, tables, prose).
        blank: Share of questions that nobody answered, [0, 1]; None leaves it to the style.
        habits: As of a `Style`.
    """

    domain: str
    family: Family
    typed: bool
    extras: frozenset[Extra]
    size: tuple[int, int]
    most: int
    blank: float | None = None
    habits: frozenset[Habit] = frozenset()


def draw_habits(rng: np.random.Generator) -> frozenset[Habit]:
    """Draw the unusual habits of a form; every other form has none."""
    if chance(rng, 0.5):
        return frozenset()
    return frozenset(habit for habit, likely in _HABITS.items() if chance(rng, likely))


def draw_plan(rng: np.random.Generator) -> PagePlan:
    """Draw a plan as varied as FUNSD's pages."""
    name = pick(rng, domain_names())
    families = (*_FAMILIES, "letter", "letter") if domain(name).letter else _FAMILIES
    return PagePlan(
        domain=name,
        family=pick(rng, families),
        typed=chance(rng, 0.3),
        extras=frozenset(extra for extra, likely in _LIKELY.items() if chance(rng, likely)),
        size=(int(rng.integers(754, 800)), 1000),
        most=int(rng.integers(3, 12)),
        blank=1.0 if chance(rng, 0.02) else None,
    )


def compose(plan: PagePlan, rng: np.random.Generator) -> Sheet:
    """Set a page as planned."""
    sheet = Sheet(plan.size, rng)
    style = typewritten(rng) if plan.typed else printed(rng)
    if plan.blank is not None:
        style = replace(style, blank=plan.blank)
    if "crowded" in plan.habits:
        style = crowd(style, rng)
    style = replace(style, habits=plan.habits)
    faxed = plan.domain == "fax" or "fax_line" in plan.extras
    year = f"{rng.integers(86 if faxed else 72, 98)}"
    left, right = rng.uniform(45, 95), plan.size[0] - rng.uniform(45, 100)
    flow = Flow(sheet, style, rng, left, right, rng.uniform(45, 90), plan.size[1] - 70, year)
    content = domain(plan.domain)
    if "fax_line" in plan.extras:
        furniture.fax_line(flow)
    if "letterhead" in plan.extras:
        furniture.letterhead(flow)
    letter = content.letter if plan.family == "letter" else None
    furniture.title(flow, pick(rng, letter.titles if letter else content.titles))
    if chance(rng, 0.3):
        for text in sample(rng, content.notes, int(rng.integers(1, 3))):
            entries.note(flow, text, style.fine)
    top = flow.y
    if "corner" in plan.habits:
        sections.corner(flow, sample(rng, content.sections[0].fields, int(rng.integers(1, 4))))
    if letter:
        sections.ledger(flow, content.sections[0].fields[: int(rng.integers(3, 7))], None)
        _rule(flow)
        entries.body(flow, letter.sentences)
    else:
        _fill(flow, plan, content)
    if chance(rng, 0.1):
        flow.y = max(flow.y, 0.85 * sheet.height)
        sheet.frame((left - 10, top - 10, right + 10, flow.y), style.rule)
        flow.y += 0.5 * style.pitch
    _close(flow, plan, content)
    return sheet


def _fill(flow: Flow, plan: PagePlan, content: Domain) -> None:
    """Set the parts of the form."""
    ruled = chance(flow.rng, 0.15)
    blocks: list[Block] = [
        partial(_set, family=plan.family, part=part) for part in _parts(flow.rng, content, plan)
    ]
    for habit, block in _BLOCKS.items():
        if habit in plan.habits:
            blocks.insert(int(flow.rng.integers(1, min(4, len(blocks)) + 1)), block)
    for block in blocks:
        if not flow.room(4 * flow.style.pitch):
            return
        block(flow)
        if ruled:
            _rule(flow)


def _rule(flow: Flow) -> None:
    """Draw a line across the column."""
    flow.sheet.line([(flow.left, flow.y), (flow.right, flow.y)], flow.style.rule)
    flow.y += 0.5 * flow.style.pitch


def _parts(rng: np.random.Generator, content: Domain, plan: PagePlan) -> list[Part]:
    """Choose the questions of the form: its first section first, the rest in any order."""
    first, *others = content.sections
    if "borrowed" in plan.habits:
        others += sample(rng, domain(pick(rng, domain_names())).sections, 3)
    if "invented" in plan.habits:
        others += [invented(rng), invented(rng)]
    pool: list[Part] = [*others, *sample(rng, content.choices, 2), *content.prose]
    if content.tables and chance(rng, 0.65):
        pool.insert(len(others), pick(rng, content.tables))
    chosen = sample(rng, pool, plan.most - 1)
    if chance(rng, 0.5):
        chosen = [chosen[i] for i in rng.permutation(len(chosen))]
    return [first, *chosen]


def _set(flow: Flow, family: Family, part: Part) -> None:
    if isinstance(part, Choice):
        entries.options(flow, part)
    elif isinstance(part, Prose):
        entries.prose(flow, part)
    elif isinstance(part, Table):
        table(flow, part)
    elif family == "columns":
        _side_by_side(flow, part)
    else:
        _setter(flow, family)(flow, part.fields, flow.head(part.header))


def _setter(flow: Flow, family: Family) -> Callable[[Flow, Sequence[Field], int | None], None]:
    setters = {
        "lines": sections.lines,
        "over_lines": sections.over_lines,
        "ledger": sections.ledger,
        "cells": sections.cells,
    }
    likely = ("lines", "lines", "ledger", "ledger", "cells", "cells", "over_lines")
    return setters[family if family in setters else pick(flow.rng, likely)]


def _side_by_side(flow: Flow, section: Section) -> None:
    """Set the halves of a section in two columns."""
    half = (len(section.fields) + 1) // 2
    middle = flow.left + flow.rng.uniform(0.45, 0.55) * flow.width
    header = flow.head(section.header)
    setter = _setter(flow, "mixed")
    first = replace(flow, right=middle - 14)
    second = replace(flow, left=middle)
    setter(first, section.fields[:half], header)
    setter(second, section.fields[half:], header)
    flow.y = max(first.y, second.y)


def _close(flow: Flow, plan: PagePlan, content: Domain) -> None:
    """Set the parts at the end of the form and around it."""
    rng, style = flow.rng, flow.style
    if chance(rng, 0.45) and flow.room(3 * style.pitch):
        entries.signatures(flow)
    if content.distribution and chance(rng, 0.3) and flow.room(3 * style.pitch):
        entries.copies(flow, content.distribution)
    if chance(rng, 0.35) and flow.room(2 * style.pitch):
        entries.note(flow, pick(rng, content.notes), style.fine)
    furniture.foot(flow)
    around: dict[Extra, Callable[[Flow], None]] = {
        "stamp": furniture.stamp,
        "side_note": furniture.side_note,
        "barcode": furniture.barcode,
    }
    for extra, put in around.items():
        if extra in plan.extras:
            put(flow)
