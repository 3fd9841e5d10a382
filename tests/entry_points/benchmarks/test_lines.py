"""Lines compare figures of one run and say whether an aim is met."""

from __future__ import annotations

import pytest

from entry_points.benchmarks.measurements import (
    HEADER,
    Aim,
    Measurement,
    Sample,
    side_by_side,
)


def line(aim: Aim | None, ours: Sample, theirs: Sample | None = None) -> Measurement:
    return Measurement("what", "ms", ours, "them" if theirs else "", theirs, aim)


@pytest.mark.parametrize(
    ("aim", "figure", "verdict"),
    [
        (Aim("ratio", True, 1.3), 1.5, "missed"),
        (Aim("ratio", True, 1.5), 1.5, "met"),
        (Aim("ratio", False, 1.3), 1.5, "met"),
        (Aim("adds", True, 2.0), 4.0, "missed"),
        (Aim("adds", True, 4.0), 4.0, "met"),
        (Aim("value", True, 12.0), 12.0, "met"),
        (Aim("value", False, 12.1), 12.0, "missed"),
    ],
)
def test_an_aim_judges_the_figure_that_it_names(aim: Aim, figure: float, verdict: str) -> None:
    judged = line(aim, Sample((12.0,)), Sample((8.0,)))
    assert (judged.figure, judged.verdict) == (figure, verdict)


def test_a_line_without_an_aim_only_informs() -> None:
    informs = line(None, Sample((12.0,)), Sample((8.0,)))
    assert (informs.figure, informs.verdict) == (None, "")
    assert len(informs.cells()) == len(HEADER)


def test_a_wide_spread_is_said_whichever_side_has_it() -> None:
    steady, wide = Sample((10.0, 10.0, 11.0)), Sample((10.0, 10.0, 14.0))
    aim = Aim("ratio", True, 2.0)
    assert line(aim, steady, steady).verdict == "met"
    assert line(aim, steady, wide).verdict == line(aim, wide, steady).verdict == "met, wide"


def test_a_sample_shows_its_median_and_its_spread() -> None:
    assert str(Sample((3.0, 1.0, 2.0))) == "2.00 (1.00-3.00)"
    assert str(Sample((1234.5,))) == "1234"


def test_candidates_are_measured_in_turn() -> None:
    calls = []

    def measure(name: str) -> dict[str, float]:
        calls.append(name)
        return {"ms": float(len(calls))}

    taken = side_by_side({"a": lambda: measure("a"), "b": lambda: measure("b")}, repeats=2)
    assert calls == ["a", "b", "a", "b"]
    assert taken == {"a": {"ms": Sample((1.0, 3.0))}, "b": {"ms": Sample((2.0, 4.0))}}
