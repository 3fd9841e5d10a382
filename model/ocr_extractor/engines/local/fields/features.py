"""What tells whether a candidate is a field's value, as numbers that suit every kind of document.

A row of the matrix is a candidate of one field, and the last row of each field stands for "absent".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ocr_extractor.engines.local.fields.candidates import Candidates
from ocr_extractor.engines.local.fields.feature_names import (
    COLUMN_OF,
    KINDS,
    LIKENESSES,
    MEANINGS,
    NAMES,
    SAYS,
    SLOTS,
)
from ocr_extractor.engines.local.fields.labels import LabelMatches, concepts, concepts_of, fold
from ocr_extractor.engines.local.fields.traits import (
    block_columns,
    counts,
    date_columns,
    number_columns,
    own_columns,
    text_columns,
)
from ocr_extractor.fields.date_text import told_order
from ocr_extractor.fields.normalisation import Hints, is_currency_code, normalise
from ocr_extractor.ocr.text_shapes import announces_value, has_digits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_extractor.engines.local.fields.candidates import Candidate
    from ocr_extractor.engines.local.learned.columns import Columns, Floats, Values, Whole
    from ocr_extractor.fields.raw_tree import Scalar
    from ocr_extractor.fields.schema import Field

_LABELLED = 0.75
"""Likeness of a label, [0, 1], from which a value counts as labelled."""


@dataclass(frozen=True)
class Pool:
    """The candidates of one kind on a page, with what does not depend on the field.

    Attributes:
        candidates: n of them.
        columns: (n,) each.
        slots: (n, slots) numbers of texts, -1 for none.
        own: (n,) the number of each one's own text.
    """

    candidates: list[Candidate]
    columns: Columns
    slots: Whole
    own: Whole


@dataclass(frozen=True)
class Asked:
    """A field's candidates on a page.

    Attributes:
        path: The field's path.
        field: The field.
        candidates: n of them that can be its value.
        values: Their typed values, texts folded.
        rows: (n + 1, features); the last one stands for "absent".
        slots: The texts in the slots of each candidate, folded; "" for none.
        typed: Their typed values, texts as they are given, for the checks.
    """

    path: str
    field: Field
    candidates: list[Candidate]
    values: list[Any]
    rows: Floats
    slots: list[tuple[str, ...]]
    typed: list[Any]


class PageQuestions:
    """Describes the candidates of a page for the fields of a schema."""

    def __init__(self, candidates: Candidates, leaves: Sequence[Scalar], page: int) -> None:
        """Prepare a page.

        Args:
            candidates: Of the page.
            leaves: The fields to find.
            page: The page's number, from 1.
        """
        self._candidates, self._layout = candidates, candidates.layout
        self._paths = [leaf.path for leaf in leaves]
        # The `name` of a `seller` is the seller's name.
        self._fields = fields = [replace(leaf.field, name=" ".join(leaf.keys)) for leaf in leaves]
        self._page = page
        self._texts: dict[str, int] = {"": 0}
        self._pools: dict[str, Pool] = {}
        self._kinds = [pool_of(field) for field in fields]
        for kind in dict.fromkeys(self._kinds):
            self._pools[kind] = self._pool(kind)
        self._matches = LabelMatches.of(fields, [*self._texts])
        self._values: dict[tuple[Any, ...], Any] = {}

    def ask(self) -> list[Asked]:
        """Return the candidates of each field, in order."""
        return [self._asked(at) for at in range(len(self._fields))]

    def _pool(self, kind: str) -> Pool:
        of = self._candidates
        found: list[Candidate] = getattr(of, kind)
        slots = np.array([self._slots(each) for each in found], np.intp).reshape(-1, len(SLOTS))
        own = np.array([self._number(each.text) for each in found], np.intp)
        columns = own_columns(found, self._layout)
        if kind == "texts":
            columns |= text_columns(found) | block_columns(found, self._layout)
        elif kind == "numbers":
            columns |= number_columns(found, self._layout, of.told)
        elif kind == "dates":
            columns |= date_columns(found, self._layout, of.told)
        return Pool(found, columns, slots, own)

    def _number(self, text: str) -> int:
        folded = fold(text)
        return self._texts.setdefault(folded, len(self._texts)) if folded else -1

    def _slots(self, of: Candidate) -> list[int]:
        """Return the numbers of the texts in a candidate's slots."""
        near, segments = self._layout.geometry.nearest, self._layout.segments
        left = int(near["left"][of.segment])
        above = int(near["above"][of.segment])
        # Behind a label of its own a value has no other one in its row.
        apart = left < 0 or not announces_value(segments[left].text)
        numbers = [
            left,
            int(near["left"][left]) if left >= 0 and apart else -1,
            self._layout.firsts[of.segment] if apart else -1,
            above,
            int(near["above"][above]) if above >= 0 else -1,
            self._layout.headers[of.segment],
            self._layout.sections[of.segment],
            int(near["below"][of.last]),
        ]
        texts = ["" if number < 0 else segments[number].text for number in numbers]
        return [self._number(text) for text in (_tail(of.before), *texts)]

    @cached_property
    def _page_kinds(self) -> dict[str, float]:
        """How often the page says what it is."""
        texts = [segment.text for segment in self._layout.segments]
        said = {name: counts(pattern, texts).sum() for name, pattern in SAYS.items()}
        return {f"says {name}": min(float(count), 5.0) for name, count in said.items()}

    def _asked(self, at: int) -> Asked:
        field, pool = self._fields[at], self._pools[self._kinds[at]]
        told = self._candidates.told
        hints = Hints(told_order(field.description) or told.date_order, told.decimal)
        values = [self._value(field, each.text, hints) for each in pool.candidates]
        folded = [fold(value) or None if isinstance(value, str) else value for value in values]
        kept = np.array([n for n, value in enumerate(folded) if value is not None], np.intp)
        candidates = [pool.candidates[n] for n in kept]
        known, typed = [folded[n] for n in kept], [values[n] for n in kept]
        columns = {name: column[kept] for name, column in pool.columns.items()}
        columns |= self._label_columns(at, pool.slots[kept], pool.own[kept])
        columns |= _repeats(known, columns["best label"], columns["best: rival"])
        if self._kinds[at] == "numbers":
            columns["larger ones labelled"] = _larger(known, columns["best label"])
        rows = self._filled(field, columns, len(kept))
        texts = [*self._texts, ""]
        slots = [tuple(texts[n] for n in row) for row in pool.slots[kept].tolist()]
        return Asked(self._paths[at], field, candidates, known, rows, slots, typed)

    def _value(self, field: Field, text: str, hints: Hints) -> Any:
        """Return a candidate's value, None where it cannot be one."""
        key = (
            field.type,
            field.semantic_type,
            field.enum,
            field.decimal,
            field.date_order,
            hints,
            is_currency_code(field),
            text,
        )
        if key not in self._values:
            self._values[key] = normalise(field, text, hints)
        return self._values[key]

    def _label_columns(self, at: int, slots: Whole, own: Whole) -> Columns:
        """Return how like the texts around candidates are to the field's labels."""
        matches = self._matches
        columns: Columns = {}
        kinds = {name: getattr(matches, name)[at] for name in LIKENESSES}
        for name, found in kinds.items():
            there = np.where(slots >= 0, found[slots], 0.0)
            columns |= {f"{slot}: {name}": there[:, n] for n, slot in enumerate(SLOTS)}
            if name in {"own", "concept", "rival"}:
                columns[f"best: {name}"] = there[:, :-1].max(axis=1, initial=0.0)
            if name != "described":
                columns[f"itself: {name}"] = np.where(own >= 0, found[own], 0.0)
        best = np.maximum(columns["best: own"], columns["best: concept"])
        columns["best label"] = best
        columns["lead of the label"] = best - best.max(initial=0.0)
        columns["label of the page"] = np.full(
            len(slots), np.maximum(kinds["own"], kinds["concept"]).max(initial=0.0)
        )
        return columns

    def _filled(self, field: Field, columns: Columns, count: int) -> Floats:
        """Return the matrix of all features; those that a candidate does not have are 0."""
        rows = np.zeros((count + 1, len(NAMES)), np.float32)
        for name, column in columns.items():
            rows[:count, COLUMN_OF[name]] = column
        width, height = self._layout.outer[2:] - self._layout.outer[:2]
        constants = {
            "absent": 0.0,
            "candidates": count,
            "page": min(self._page, 3),
            "height of the text": height / max(width, 1),
            "segments": len(self._layout.segments),
            "labels given": len(field.labels) > 0,
            "nullable": field.nullable,
            "fields of this kind": sum(pool_of(each) == pool_of(field) for each in self._fields),
        }
        constants |= self._page_kinds
        constants |= {f"type: {kind}": field.type == kind for kind in KINDS}
        constants |= {f"x-type: {kind}": field.semantic_type == kind for kind in MEANINGS}
        constants |= {
            f"is: {each.name}": worth
            for each, worth in zip(concepts(), concepts_of(field), strict=True)
        }
        for name, value in constants.items():
            rows[:, COLUMN_OF[name]] = value
        rows[count, COLUMN_OF["absent"]] = 1
        for name in ("own", "concept"):
            rows[:, COLUMN_OF[f"best of all: {name}"]] = rows[
                :count, COLUMN_OF[f"best: {name}"]
            ].max(initial=0)
        return rows


def pool_of(field: Field) -> str:
    """Return which of the candidates can be a field's value: an attribute of `Candidates`."""
    if field.type == "date":
        return "dates"
    if field.type in {"number", "integer"}:
        return "numbers"
    return "currencies" if is_currency_code(field) else "texts"


def _tail(before: str) -> str:
    """Return the words before a candidate, from the last figure on that is not in brackets."""
    words: list[str] = []
    for word in reversed(before.split()[-6:]):
        if has_digits(word) and word[0] not in "([":
            break
        words.insert(0, word)
    return " ".join(words)


def _repeats(values: Sequence[Any], best: Values, rival: Values) -> Columns:
    """Tell how often each value is there, and how its places are labelled."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    of = np.array([numbers[value] for value in values], np.intp)
    columns = {}
    for name, scores in (("best label", best), ("best rival", rival)):
        most = np.zeros(len(numbers))
        np.maximum.at(most, of, scores)
        columns[f"{name} of the value"] = most[of]
    labelled = np.bincount(of, best >= _LABELLED, minlength=len(numbers))
    columns["labelled places of the value"] = np.minimum(labelled[of], 5)
    columns["repeats"] = np.minimum(np.bincount(of, minlength=len(numbers))[of], 10) + 0.0
    return columns


def _larger(values: Sequence[Any], best: Values) -> Values:
    """Count the different larger values that are labelled like the field."""
    amounts = np.array(values, np.float64)
    labelled = np.unique(amounts[best >= _LABELLED])
    return np.minimum(len(labelled) - np.searchsorted(labelled, amounts, "right"), 10) + 0.0
