"""What every kind of truth and score has in common, and a split's scores from its documents'."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np

from entry_points.scoring import counts
from entry_points.scoring.counts import Numbers
from entry_points.scoring.mistakes import Mistakes

PARSE_FAILURES = frozenset(
    {
        "completion_cut_off",
        "degenerate_completion",
        "empty_completion",
        "invalid_completion",
        "not_a_completion",
    }
)
"""The extractor's error codes for an LLM's answer that could not be used."""


LOWER_IS_BETTER = counts.LOWER_IS_BETTER | {"invalid_rate"}
"""The metrics that count errors, of every kind of score."""


class Score(Protocol):
    """How well one document was read.

    Attributes:
        MAIN: The metric that stands for the whole.
        UNIT: What is right or wrong, in the plural.
        PRINTED: The scores that an evaluation prints.
        COMPARED: Those that a comparison prints beside the `gated` ones.
        HONESTY: Those of blank fields: the gate holds a candidate back that is shown to be worse.
    """

    MAIN: ClassVar[str]
    UNIT: ClassVar[str]
    PRINTED: ClassVar[tuple[str, ...]]
    COMPARED: ClassVar[tuple[str, ...]]
    HONESTY: ClassVar[Mapping[str, str]]

    @property
    def mistakes(self) -> Mistakes:
        """What was read wrong; none in a score that was stored."""

    @property
    def failed(self) -> bool:
        """Whether the document could not be read."""

    @property
    def true(self) -> int:
        """How many there are to find."""

    @property
    def right(self) -> int:
        """How many of these were found."""

    @property
    def predicted(self) -> int:
        """How many were read."""

    @property
    def gated(self) -> tuple[str, ...]:
        """The metrics in which a candidate may not fall behind the champion."""

    @property
    def fates(self) -> dict[str, int]:
        """How many became what."""

    def metrics(self) -> dict[str, float]:
        """Return the document's metrics by name; `coverage` is 0 for a failed one."""

    def to_row(self) -> dict[str, Any]:
        """Return it as JSON values, by column."""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Build it from what `to_row` returned."""

    @classmethod
    def mean(cls, scores: Sequence[Self]) -> Self:
        """Return the mean of several readings of one document."""

    @classmethod
    def weighted(cls, scores: Collection[Self], weights: Numbers) -> dict[str, Numbers]:
        """Return the metrics of many splits, each holding every document some number of times.

        Args:
            scores: The documents' scores, at least one.
            weights: (splits, documents), how often each is in each split; rows sum to the same.

        Returns:
            (splits,) values by metric.
        """


S_co = TypeVar("S_co", bound=Score, covariant=True)


class DocumentTruth(Protocol[S_co]):
    """What a document says."""

    def score(self, outputs: Mapping[str, Any] | None) -> S_co:
        """Score one row of the model's output; None when the model raised."""

    def stated(self) -> Sequence[tuple[str, str | None]]:
        """Return each pair, or each field with its value as text; None for a blank or null."""

    def judged(self, outputs: Mapping[str, Any]) -> list[tuple[float, bool]]:
        """Return the confidence of each thing that was read, and whether it is right.

        What has no confidence is left out.
        """


def score_forms(
    truths: Mapping[str, DocumentTruth[S_co]], outputs: Mapping[str, Mapping[str, Any] | None]
) -> dict[str, S_co]:
    """Score every document that has a truth, in order; one without a row in `outputs` failed.

    Raises:
        ValueError: A row has no truth: the rows and the truths are of different datasets.
    """
    if strangers := sorted(outputs.keys() - truths.keys()):
        raise ValueError(
            f"{len(strangers)} document(s) without a truth, the first is {strangers[0][:80]!r}: "
            "score the rows against the dataset they were read from."
        )
    return {doc_id: truth.score(outputs.get(doc_id)) for doc_id, truth in truths.items()}


def aggregate(scores: Collection[Score]) -> dict[str, float]:
    """Return a split's metrics; every document counts once.

    Raises:
        ValueError: There is no document: a split without documents has no score.
    """
    once = np.ones((1, len(scores)))
    return {name: float(value[0]) for name, value in weighted(scores, once).items()}


def weighted(scores: Collection[Score], weights: Numbers) -> dict[str, Numbers]:
    """Return the metrics of many splits; see `Score.weighted`.

    Raises:
        ValueError: There is no document: a split without documents has no score.
    """
    if not scores:
        raise ValueError("No form was scored: a split without forms has no score.")
    return type(next(iter(scores))).weighted(scores, weights)


def is_failed(outputs: Mapping[str, Any] | None, column: str) -> bool:
    """Tell whether a row has nothing to score: no row, an error, or nothing in the column."""
    return outputs is None or bool(outputs.get("error_code")) or outputs.get(column) is None


def is_unparsed(outputs: Mapping[str, Any] | None) -> bool:
    """Tell whether a document failed because its LLM's answer could not be used."""
    return (outputs or {}).get("error_code") in PARSE_FAILURES
