"""Chooses the values of all fields of a page together: one place serves one field, checks hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ocr_extractor.engines.local.fields.labels import concepts, concepts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocr_extractor.contract import Box
    from ocr_extractor.engines.local.fields.candidates import Candidate
    from ocr_extractor.engines.local.fields.features import Asked
    from ocr_extractor.engines.local.learned.columns import Floats
    from ocr_extractor.fields.checks import Check
    from ocr_extractor.fields.raw_tree import Scalar

_OPTIONS = 6
"""Values of a field that are thought of; others are hardly ever true."""

_STATES = 100
"""Joint choices that are kept while fields are added."""

_SHARED = 0.03
"""What a joint choice is worth, of 1, in which two fields have the same place."""

_HOLDS, _FAILS = 3.0, 0.3
"""What a check that holds, or fails, makes of the worth of a joint choice."""


@dataclass(frozen=True)
class Option:
    """A value that a field may have.

    Attributes:
        value: The typed value; None for "absent".
        candidates: Its places, the best one first; none for "absent".
        probability: Of all its places together.
    """

    value: Any
    candidates: tuple[Candidate, ...]
    probability: float


@dataclass(frozen=True)
class Chosen:
    """What was chosen for a field.

    Attributes:
        candidate: None for "absent".
        probability: That it is right, [0, 1].
    """

    candidate: Candidate | None
    probability: float


@dataclass(frozen=True)
class _State:
    """A joint choice for the first fields, its worth and the places that it uses."""

    picks: tuple[int, ...]
    worth: float
    boxes: tuple[Box, ...]
    places: tuple[int, ...]


def options_of(asked: Asked, probabilities: Floats) -> list[Option]:
    """Return what a field may be, "absent" last: places with the same value are one option."""
    places: dict[Any, list[int]] = {}
    for number in np.argsort(-probabilities[:-1], kind="stable").tolist():
        places.setdefault(asked.values[number], []).append(number)
    options = [
        Option(
            asked.typed[numbers[0]],
            tuple(asked.candidates[n] for n in numbers[:_OPTIONS]),
            float(probabilities[numbers].sum()),
        )
        for numbers in places.values()
    ]
    options.sort(key=lambda each: -each.probability)
    return [*options[:_OPTIONS], Option(None, (), float(probabilities[-1]))]


def choose(
    leaves: Sequence[Scalar], options: Sequence[Sequence[Option]], checks: Sequence[Check]
) -> list[Chosen]:
    """Choose an option for each field.

    Args:
        leaves: The fields.
        options: Of each, see `options_of`.
        checks: What holds between their values.

    Returns:
        The best joint choice; each probability is the share of its value among the joint choices.
    """
    order = sorted(range(len(leaves)), key=lambda at: -max(o.probability for o in options[at]))
    states = [_State((), 1.0, (), ())]
    for at in order:
        states = _extended(states, options[at])
    weights = np.array([state.worth for state in states])
    relations = _relations(leaves)
    for number, state in enumerate(states):
        picked = {order[n]: options[order[n]][pick] for n, pick in enumerate(state.picks)}
        weights[number] *= _worth(leaves, picked, checks, relations)
    best = states[int(weights.argmax())]
    total = max(weights.sum(), 1e-12)
    chosen: dict[int, Chosen] = {}
    for n, at in enumerate(order):
        pick = best.picks[n]
        same = np.array([state.picks[n] == pick for state in states])
        places = options[at][pick].candidates
        candidate = places[best.places[n]] if places else None
        chosen[at] = Chosen(candidate, float(weights[same].sum() / total))
    return [chosen[at] for at in range(len(leaves))]


def _extended(states: Sequence[_State], options: Sequence[Option]) -> list[_State]:
    """Return the best joint choices with one field more."""
    longer = []
    for state in states:
        for pick, option in enumerate(options):
            place, free = _free_place(option, state.boxes)
            worth = state.worth * max(option.probability, 1e-9) * (1.0 if free else _SHARED)
            boxes = (
                (*state.boxes, option.candidates[place].box) if option.candidates else (state.boxes)
            )
            longer.append(_State((*state.picks, pick), worth, boxes, (*state.places, place)))
    return sorted(longer, key=lambda each: -each.worth)[:_STATES]


def _free_place(option: Option, taken: Sequence[Box]) -> tuple[int, bool]:
    """Return the first place of an option that no other field has, and whether there is one."""
    for number, each in enumerate(option.candidates):
        if not any(_overlap(each.box, box) for box in taken):
            return number, True
    return 0, not option.candidates


def _overlap(box: Box, other: Box) -> bool:
    wide = min(box[2], other[2]) - max(box[0], other[0])
    high = min(box[3], other[3]) - max(box[1], other[1])
    if wide <= 0 or high <= 0:
        return False
    small = min((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
    return 2 * wide * high > small


def _relations(leaves: Sequence[Scalar]) -> dict[str, list[int]]:
    """Return which fields are of the concepts that are related."""
    found: dict[str, list[int]] = {}
    for at, leaf in enumerate(leaves):
        for concept, worth in zip(concepts(), concepts_of(leaf.field), strict=True):
            if worth == 1 and concept.name in {"start", "end", "net", "tax", "total"}:
                found.setdefault(concept.name, []).append(at)
    return {name: numbers for name, numbers in found.items() if len(numbers) == 1}


def _worth(
    leaves: Sequence[Scalar],
    picked: Mapping[int, Option],
    checks: Sequence[Check],
    relations: Mapping[str, list[int]],
) -> float:
    """Return what the checks, and what holds on every document, make of a joint choice."""
    tree: dict[str, Any] = {}
    for at, leaf in enumerate(leaves):
        of = tree
        for key in leaf.keys[:-1]:
            of = of.setdefault(key, {})
        of[leaf.keys[-1]] = picked[at].value
    held = [check.holds(tree) for check in checks]
    chosen = {name: picked[at] for name, [at] in relations.items()}
    known = {name: each.value for name, each in chosen.items() if each.value is not None}
    if {"start", "end"} <= known.keys():
        held += [True, True] if known["start"] <= known["end"] else [False, False, False]
        held += _together(chosen["start"], chosen["end"])
    if {"net", "tax", "total"} <= known.keys() and not checks:
        held.append(abs(known["net"] + known["tax"] - known["total"]) < 0.02)
    elif {"tax", "total"} <= known.keys():
        held += [] if abs(known["tax"]) < abs(known["total"]) or not known["tax"] else [False] * 3
    return float(np.prod([_HOLDS if each else _FAILS for each in held if each is not None]))


def _together(start: Option, end: Option) -> list[bool]:
    """Tell whether two dates are the ends of one range; nothing if neither is in any."""
    first, second = (
        {each.range for each in option.candidates if each.end == place and each.range >= 0}
        for place, option in enumerate((start, end), 1)
    )
    return [bool(first & second)] if first | second else []
