"""Suite `distortions`: how many pairs the local engine finds on turned, skewed and pale copies."""

from __future__ import annotations

from collections.abc import Mapping

from entry_points.benchmarks.distorted import AS_GIVEN
from entry_points.benchmarks.lines import Line, Sample
from entry_points.benchmarks.stage import Stage

_FORMS = 20


def distortions(stage: Stage, models: Mapping[str, str]) -> list[Line]:  # noqa: ARG001
    """Score copies of the dataset's forms against the forms as they are given.

    Args:
        stage: Where to run.
        models: Not used.
    """
    figures = stage.child("distorted", stage.dataset, stage.count(_FORMS, least=1))
    as_given = Sample.of(figures.pop(AS_GIVEN))
    return [
        Line("distortions", name, "pair_f1", Sample.of(score), AS_GIVEN, as_given)
        for name, score in figures.items()
    ]
