"""A change is told by its size and its chance; too few documents, or trifles, tell nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from entry_points.monitoring.comparison import Comparison, compare
from entry_points.monitoring.records import Record
from entry_points.monitoring.watches import nearest

COUNTS = {
    "found": 9,
    "blank": 1,
    "absent": 0,
    "invalid": 0,
    "grounded": 9,
    "ungrounded": 1,
    "accepted": 8,
    "unaccepted": 2,
    "failed_checks": 0,
}


def record(rng: np.random.Generator, *, fields: bool = True, **counts: int) -> Record:
    """Return a document of one of four forms."""
    form = np.random.default_rng(int(rng.integers(4)))
    layout = (form.uniform(0, 200, 48) + rng.uniform(0, 10, 48)).round().tolist()
    confidences = [0] * 20
    confidences[int(rng.integers(16, 20))] = 10
    return Record(
        trace_id=f"tr-{rng.integers(2**62):x}",
        experiment_id="0",
        doc_id="",
        version="1",
        row={
            "prompt_uri": "prompts:/p/1",
            "error_code": None,
            "page_count": 1,
            "input_tokens": int(rng.integers(900, 1100)),
            "output_tokens": 200,
            "cost": 0.01,
            "cache_hits": 0,
            "pairs": 0,
            "fields": 10 if fields else 0,
        },
        counts={**COUNTS, "confidences": confidences, **counts},
        pages=(
            {
                "layout": layout,
                "width_px": 700,
                "height_px": 1000,
                "contrast": rng.uniform(0.8, 1),
                "sharpness": rng.uniform(0.5, 0.7),
                "words": int(rng.integers(100, 200)),
                "word_score": rng.uniform(0.9, 1),
            },
        ),
        seconds=rng.uniform(1, 2),
    )


def records(count: int, seed: int, **options: Any) -> list[Record]:
    rng = np.random.default_rng(seed)
    return [record(rng, **options) for _ in range(count)]


def of_row(**values: Any) -> Callable[[Record], Record]:
    return lambda each: replace(each, row={**each.row, **values})


def of_counts(**values: Any) -> Callable[[Record], Record]:
    return lambda each: replace(each, counts={**each.counts, **values})


def of_pages(**values: Any) -> Callable[[Record], Record]:
    return lambda each: replace(each, pages=({**each.pages[0], **values},))


def not_ok(comparison: Comparison) -> dict[str, str]:
    return {each.watch.name: each.verdict for each in comparison.lines if each.verdict != "ok"}


CHANGES: dict[str, tuple[Callable[[Record], Record], dict[str, str]]] = {
    "failed documents": (of_row(error_code="timeout"), {"failed documents": "worse"}),
    "grounded": (of_counts(grounded=6, ungrounded=4), {"grounded": "worse"}),
    "accepted": (of_counts(accepted=5, unaccepted=5), {"accepted": "worse"}),
    "confidence": (of_counts(confidences=[10] + [0] * 19), {"confidence": "worse"}),
    "checks": (of_counts(failed_checks=1), {"documents with a failed check": "worse"}),
    "invalid": (of_counts(found=7, invalid=2), {"invalid": "worse"}),
    "OCR score": (of_pages(word_score=0.6), {"OCR score": "worse"}),
    "blank": (of_counts(found=5, blank=5), {"blank": "look"}),
    "absent": (of_counts(absent=5), {"absent": "look"}),
    "words": (of_pages(words=20), {"words a page": "look"}),
    "contrast": (of_pages(contrast=0.2), {"contrast": "look"}),
    "sharpness": (of_pages(sharpness=0.2), {"sharpness": "look"}),
    "tokens": (of_row(output_tokens=2000), {"tokens a page": "look"}),
    "cost": (of_row(cost=0.1), {"USD a page": "look"}),
    "seconds": (lambda each: replace(each, seconds=20.0), {"seconds a page": "look"}),
    "layout": (of_pages(layout=[0] * 40 + [300] * 8), {"distance to known layouts": "look"}),
    "seconds of a quick engine": (lambda each: replace(each, seconds=each.seconds + 4), {}),
    "more confidence": (of_counts(confidences=[0] * 19 + [10]), {}),
    "fewer tokens": (of_row(output_tokens=1), {}),
    "a trifle": (of_counts(grounded=89, ungrounded=11), {}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_half_the_documents_moves_its_own_line(change: str) -> None:
    changed, expected = CHANGES[change]
    now = records(100, 2) + [changed(each) for each in records(100, 3)]
    comparison = compare(records(80, 1), now)
    assert not_ok(comparison) == expected
    worst = "worse" if "worse" in expected.values() else "look" if expected else "ok"
    assert comparison.verdict == worst


def test_a_real_but_small_change_stays_ok_with_any_number_of_documents() -> None:
    slightly = of_counts(grounded=87, ungrounded=13)
    before = [of_counts(grounded=90, ungrounded=10)(each) for each in records(2000, 1)]
    comparison = compare(before, [slightly(each) for each in records(2000, 2)])
    [line] = [each for each in comparison.lines if each.watch.name == "grounded"]
    assert line.p_value is not None
    assert line.p_value < 1e-10
    assert line.verdict == "ok"


def test_fewer_than_ten_documents_are_not_judged() -> None:
    failed = [of_row(error_code="timeout")(each) for each in records(9, 2)]
    comparison = compare(records(80, 1), failed)
    assert {line.p_value for line in comparison.lines} == {None}
    assert comparison.verdict == "ok"


def test_each_version_and_prompt_is_judged_by_itself() -> None:
    good, bad = records(150, 2), [of_counts(grounded=5, ungrounded=5)(e) for e in records(50, 3)]
    comparison = compare(records(80, 1), good + [of_row(prompt_uri="prompts:/p/2")(e) for e in bad])
    assert list(comparison.groups) == ["version 1, p/1", "version 1, p/2"]
    worse = {(line.group, line.watch.name) for line in comparison.lines if line.verdict != "ok"}
    assert worse == {("version 1, p/2", "grounded")}


def test_pairs_have_no_line_about_fields_and_kept_completions_none_about_cost() -> None:
    kept = [of_row(cache_hits=1)(each) for each in records(50, 2, fields=False)]
    names = {line.watch.name for line in compare(records(80, 1), kept).lines}
    assert not names & {"invalid", "absent", "documents with a failed check"}
    assert not names & {"tokens a page", "USD a page"}


def test_documents_that_could_not_be_opened_have_no_pages() -> None:
    unopened = [
        replace(of_row(error_code="unknown_format", page_count=None)(each), pages=())
        for each in records(50, 2)
    ]
    comparison = compare(records(80, 1), unopened)
    assert comparison.verdict == "worse"
    assert nearest(unopened, comparison.baseline) == [None] * 50


def test_quiet_weeks_are_quiet() -> None:
    alarms = 0
    for year in range(4):
        baseline = records(60, 1000 * year)
        alarms += sum(
            compare(baseline, records(100, 1000 * year + week)).verdict != "ok"
            for week in range(1, 26)
        )
    assert alarms == 0


def test_the_interval_holds_the_difference() -> None:
    pale = of_pages(contrast=0.5)
    comparison = compare(records(80, 1), records(50, 2) + [pale(each) for each in records(50, 3)])
    line = next(each for each in comparison.lines if each.watch.name == "contrast")
    assert line.difference is not None
    value, low, high = line.difference
    assert value == pytest.approx(np.mean(line.now) - np.mean(line.before))
    assert low < value < high < 0
