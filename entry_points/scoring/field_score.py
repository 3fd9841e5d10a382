"""The score of one document's fields: for every metric a part of a whole, so that scores add up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np

from data.field_schema import FieldSchema
from entry_points.scoring.counts import Numbers
from entry_points.scoring.mistakes import Mistakes
from entry_points.scoring.scores import LOWER_IS_BETTER

Share = tuple[float, float]
"""(part, whole); nothing is known where the whole is 0."""

PER_FIELD = "field_f1/"
"""How the names of the metrics begin that are one field's."""

Became = Literal["right", "null", "misread", "invalid", "missed", "invented"]
KINDS: tuple[Became, ...] = get_args(Became)
"""What a value becomes. "invalid": it is missed, because its text could not be normalised; "null":
nothing is there, and nothing was read."""

# What MLflow takes in a metric's name.
_NOT_NAME = re.compile(r"[^\w.\- ]")


def metric_names(schema: FieldSchema) -> dict[str, str]:
    """Return the name of each leaf's metric by the leaf's path, as MLflow takes it.

    `items[].amount` becomes `field_f1/items.amount`; of paths whose names would be the same, the
    later ones get a longer one.
    """
    names: dict[str, str] = {}
    for path in schema.leaves:
        name = _NOT_NAME.sub("_", path.replace("[]", ""))[:200].strip(". ") or "_"
        while name in names.values():
            name += "_"
        names[path] = name
    return {path: PER_FIELD + name for path, name in names.items()}


@dataclass(frozen=True, slots=True)
class FieldScore:
    """How well one document's fields were read.

    Attributes:
        shares: (part, whole) by metric. `value_f1` and others of a whole document are the
            document's own value of 1; `field_f1/...` are 2 x right of true + read cells.
        tally: How many cells of each leaf became what, by the leaf's path; a table's rows, by the
            path of the table, as "rows", "rows missing" and "rows extra".
        critical: The metrics of the fields that the gate judges by themselves.
        mistakes: What was misread, missed and invented; none in a score that was stored.
    """

    MAIN: ClassVar[str] = "value_f1"
    UNIT: ClassVar[str] = "values"
    PRINTED: ClassVar[tuple[str, ...]] = (
        "value_f1",
        "value_f1_lenient",
        "document_accuracy",
        "coverage",
    )
    COMPARED: ClassVar[tuple[str, ...]] = (
        "value_f1_lenient",
        "document_accuracy",
        "null_honesty",
        "invalid_rate",
        "grounding_f1",
        "check_pass_rate",
        "coverage",
    )
    HONESTY: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"null_honesty": "it invents more values that are not on the document"}
    )

    shares: Mapping[str, Share]
    tally: Mapping[str, Mapping[str, int]]
    critical: tuple[str, ...] = ()
    mistakes: Mistakes = field(default_factory=Mistakes)

    @property
    def failed(self) -> bool:
        """Whether the document could not be read."""
        return self.shares["coverage"][0] == 0

    @property
    def true(self) -> int:
        """How many values there are to find."""
        return self._sum("right", "misread", "invalid", "missed")

    @property
    def right(self) -> int:
        """How many of these were found."""
        return self._sum("right")

    @property
    def predicted(self) -> int:
        """How many values were read."""
        return self._sum("right", "misread", "invented")

    @property
    def all_right(self) -> bool:
        """Whether every value is right and every row was found."""
        return self.shares["document_accuracy"][0] == 1

    @property
    def gated(self) -> tuple[str, ...]:
        """The metrics in which a candidate may not fall behind the champion."""
        return ("value_f1", *self.critical)

    @property
    def fates(self) -> dict[str, int]:
        """How many values became what."""
        return {kind: self._sum(kind) for kind in KINDS if kind != "null"}

    def metrics(self) -> dict[str, float]:
        """Return the document's metrics by name, without those that are unknown."""
        return {name: part / whole for name, (part, whole) in self.shares.items() if whole}

    def to_row(self) -> dict[str, Any]:
        """Return it as JSON values, by column."""
        return {
            "value_f1": self.shares["value_f1"][0],
            "true_values": self.true,
            "right_values": self.right,
            "shares": {name: list(share) for name, share in self.shares.items()},
            "tally": {path: dict(counts) for path, counts in self.tally.items()},
            "critical": list(self.critical),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Build it from what `to_row` returned."""
        shares = {name: (part, whole) for name, (part, whole) in row["shares"].items()}
        return cls(shares, row["tally"], tuple(row["critical"]))

    @classmethod
    def mean(cls, scores: Sequence[Self]) -> Self:
        """Return the mean of several readings of one document; the tally is the first one's."""
        names = dict.fromkeys(name for score in scores for name in score.shares)
        shares = {
            name: tuple(np.mean([score.shares.get(name, (0, 0)) for score in scores], axis=0))
            for name in names
        }
        found = {name: (float(part), float(whole)) for name, (part, whole) in shares.items()}
        return cls(found, scores[0].tally, scores[0].critical)

    @classmethod
    def weighted(cls, scores: Collection[Self], weights: Numbers) -> dict[str, Numbers]:
        """Return the metrics of many splits, each holding every document some number of times.

        Parts and wholes are summed over the documents. A metric that is unknown in every document
        is left out; a metric that is unknown in a split has its best value there.
        """
        names = list(dict.fromkeys(name for score in scores for name in score.shares))
        table = np.array([[score.shares.get(name, (0, 0)) for name in names] for score in scores])
        parts, wholes = weights @ table[..., 0], weights @ table[..., 1]
        known = table[..., 1].sum(axis=0) > 0
        return {
            name: np.where(
                wholes[:, column] > 0,
                parts[:, column] / np.maximum(wholes[:, column], 1e-12),
                0.0 if name in LOWER_IS_BETTER else 1.0,
            )
            for column, name in enumerate(names)
            if known[column]
        }

    def _sum(self, *kinds: str) -> int:
        return sum(counts.get(kind, 0) for counts in self.tally.values() for kind in kinds)


def merged_tally(scores: Iterable[FieldScore]) -> dict[str, Counter[str]]:
    """Return how many cells of each leaf became what, over several documents."""
    merged: dict[str, Counter[str]] = {}
    for score in scores:
        for path, counts in score.tally.items():
            merged.setdefault(path, Counter()).update(counts)
    return merged
