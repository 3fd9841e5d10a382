"""Which words stand at the true values of a field, and which at its other candidates."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ocr_extractor.engines.local.fields.feature_names import COLUMN_OF
from ocr_extractor.engines.local.fields.features import pool_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ocr_extractor.engines.local.fields.features import Asked
    from ocr_extractor.engines.local.learned.columns import Floats

ZONES = ("in its row", "above", "below", "within", "looks")
"""Where words are counted. What a number or a date looks like counts as words, too."""

_SLOTS = {"in its row": slice(0, 4), "above": slice(4, 7), "below": slice(8, 9)}
_LOOKS = {
    "numbers": ("is larger", "repeats"),
    "dates": ("earlier dates", "later dates", "repeats"),
}
_MOST = 6
"""Places in an order, and repeats, from which all are alike."""

_PRIOR = 0.5
"""Values that are imagined to have a word as often as all candidates do: rare words tell little."""


@dataclass
class OwnWords:
    """How many candidates, and how many true values of a field have each word in each zone.

    Attributes:
        candidates: How many were counted.
        values: How many of them are true values.
        of_candidates: By zone and word.
        of_values: Likewise.
    """

    candidates: int = 0
    values: int = 0
    of_candidates: Counter[str] = field(default_factory=Counter)
    of_values: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, asked: Asked, true: int | None) -> OwnWords:
        """Count the candidates of a page; None means that the page does not have the value."""
        counted = cls(len(asked.candidates), int(true is not None))
        for number, zones in enumerate(_zones(asked)):
            words = [word for zone in zones for word in zone]
            counted.of_candidates.update(words)
            if number == true:
                counted.of_values.update(words)
        return counted

    @classmethod
    def sum(cls, parts: Iterable[OwnWords]) -> OwnWords:
        """Return the counts of several pages."""
        total = cls()
        for part in parts:
            total.candidates += part.candidates
            total.values += part.values
            total.of_candidates.update(part.of_candidates)
            total.of_values.update(part.of_values)
        return total

    def without(self, other: OwnWords) -> OwnWords:
        """Return the counts of the other pages."""
        return OwnWords(
            self.candidates - other.candidates,
            self.values - other.values,
            self.of_candidates - other.of_candidates,
            self.of_values - other.of_values,
        )

    def evidence(self, asked: Asked) -> Floats:
        """Return (n, zones): how much more often true values have the words of each zone.

        Of each word it is the logarithm of that ratio; a zone has the sum of its words (naive
        Bayes).
        """
        share = self.values / max(self.candidates, 1)

        def lift(word: str) -> float:
            expected = share * self.of_candidates[word]
            return float(np.log((self.of_values[word] + _PRIOR) / (expected + _PRIOR)))

        lifts: dict[str, float] = {}
        for zones in (all_zones := [*_zones(asked)]):
            for zone in zones:
                for word in zone - lifts.keys():
                    lifts[word] = lift(word)
        sums = [[sum(lifts[word] for word in zone) for zone in zones] for zones in all_zones]
        return np.array(sums, np.float32).reshape(-1, len(ZONES))

    def stored(self) -> dict[str, Any]:
        """Return what is written into a file: the words that tell something."""
        share = self.values / max(self.candidates, 1)
        counts, kept = self.of_candidates.items(), self.of_values
        told = {word: n for word, n in counts if word in kept or n * share > _PRIOR / 5}
        return {
            "candidates": self.candidates,
            "values": self.values,
            "of_candidates": told,
            "of_values": dict(self.of_values),
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> OwnWords:
        """Return what was written."""
        counts = (Counter(stored[name]) for name in ("of_candidates", "of_values"))
        return cls(stored["candidates"], stored["values"], *counts)


def shape_of(text: str) -> str:
    """Return the kinds of a text's characters: runs of letters are one, digits are counted."""
    return re.sub(r"\d", "9", re.sub(r"[^\W\d_]+", "a", text)).replace(" ", "")[:24]


def _zones(asked: Asked) -> Iterator[list[frozenset[str]]]:
    """Yield the words in each zone of each candidate; digits are alike."""
    known: dict[tuple[str, str], frozenset[str]] = {}

    def words(zone: str, text: str) -> frozenset[str]:
        key = zone, text
        if key not in known:
            known[key] = frozenset(f"{zone}: {word}" for word in re.sub(r"\d", "9", text).split())
        return known[key]

    kind = pool_of(asked.field)
    looks = _LOOKS.get(kind, ())
    columns = np.minimum(asked.rows[:-1][:, [COLUMN_OF[name] for name in looks]], _MOST)
    for candidate, slots, value, column in zip(
        asked.candidates, asked.slots, asked.values, columns.astype(int).tolist(), strict=True
    ):
        zones = [
            frozenset[str]().union(*(words(zone, text) for text in slots[part]))
            for zone, part in _SLOTS.items()
        ]
        if kind == "texts":
            zones += [words("within", str(value)), frozenset()]
        else:
            seen = {f"{name}: {number}" for name, number in zip(looks, column, strict=True)}
            zones += [frozenset(), frozenset({*seen, f"shape: {shape_of(candidate.text)}"})]
        yield zones
