"""The gate: what may take the champion's place, and what must not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from entry_points.comparing.evidence import Evidence, UsageTotals
from entry_points.comparing.gate import Gate
from entry_points.scoring.counts import Counts
from entry_points.scoring.forms import FormScore

FREE = UsageTotals(tokens=0.0, cost=None)


def form(right: int, *, failed: bool = False, blank: int = 4, made_up: int = 0) -> FormScore:
    """Score a form of ten pairs, some right in everything, and five blank fields."""
    if failed:
        return FormScore(Counts(true=10, failed=1), 0.0, 0.0)
    found = {"fuzzy": right, "exact": right, "nospace": right, "questions": right}
    counts = Counts(10, 10, **found, blanks=5, blank_correct=blank, blank_invented=made_up)
    return FormScore(counts, anls=right / 10, key_value_accuracy=right / 10)


def evidence(scores: list[FormScore], usage: UsageTotals | None = FREE) -> Evidence:
    by_form = {f"form-{number}": score for number, score in enumerate(scores)}
    return Evidence("models:/m/1", ("run",), "digest", (), by_form, usage)


CHAMPION = evidence([form(5)] * 20)


@pytest.mark.parametrize(
    "candidate",
    [
        pytest.param(evidence([form(5)] * 20), id="equal"),
        pytest.param(evidence([form(8)] * 20), id="better"),
        pytest.param(evidence([form(9)] * 19 + [form(4)]), id="better-but-for-one-form"),
    ],
)
def test_what_is_no_worse_passes(candidate: Evidence):
    assert Gate().objections(candidate, CHAMPION) == []


def test_what_is_worse_is_named_with_its_interval():
    objections = Gate().objections(evidence([form(4)] * 20), CHAMPION)
    assert [objection.split()[0] for objection in objections] == [
        "pair_f1",
        "pair_f1_exact",
        "question_f1",
        "anls",
    ]
    assert "-0.100 [-0.100, -0.100]" in objections[0]


def test_what_has_learned_from_the_forms_is_not_judged_by_them():
    learned = replace(evidence([form(9)] * 20), learned_from=3)
    [objection] = Gate().objections(learned, CHAMPION)
    assert "have learned from 3 of the 20 forms" in objection
    assert Gate().objections(CHAMPION, replace(CHAMPION, learned_from=3)) == []


def test_a_drop_within_the_limit_passes():
    assert Gate(max_drop=0.1001).objections(evidence([form(4)] * 20), CHAMPION) == []


def test_no_worse_on_average_is_not_enough():
    uncertain = evidence([form(10)] * 10 + [form(0)] * 10)
    assert "pair_f1 may be worse by" in Gate().objections(uncertain, CHAMPION)[0]


def test_one_more_failed_form_stops_what_reads_the_others_better():
    failing = evidence([form(10)] * 19 + [form(0, failed=True)])
    assert Gate().objections(failing, CHAMPION) == ["it fails on more forms (coverage -0.050)"]


@pytest.mark.parametrize(
    ("candidate", "objection"),
    [
        pytest.param(form(9, blank=3), "calls fewer blank fields blank", id="not-called-blank"),
        pytest.param(form(9, made_up=1), "is less honest about blank fields", id="made-up"),
    ],
)
def test_a_loss_of_honesty_stops_what_reads_better(candidate: FormScore, objection: str):
    [found] = Gate().objections(evidence([candidate] * 20), CHAMPION)
    assert objection in found


def test_a_loss_of_honesty_that_may_be_chance_does_not():
    once = evidence([form(9, made_up=1), *[form(9)] * 19])
    assert Gate().objections(once, CHAMPION) == []


def test_what_finds_nothing_is_not_the_more_honest_one():
    silent = evidence([form(0, blank=0)] * 20)
    assert Gate().objections(evidence([form(9, blank=1, made_up=3)] * 20), silent) == []


def test_too_few_forms_are_refused_whatever_they_say():
    few, champion = evidence([form(10)] * 7), evidence([form(1)] * 7)
    assert Gate().objections(few, champion) == ["7 forms are too few to judge by: at least 8"]
    assert Gate(min_forms=7).objections(few, champion) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "objection"),
    [
        pytest.param(UsageTotals(900, 0.02), UsageTotals(100, 0.01), None, id="usd-before-tokens"),
        pytest.param(
            UsageTotals(900, 0.021), UsageTotals(900, 0.01), "0.021 USD instead of 0.01", id="usd"
        ),
        pytest.param(
            UsageTotals(201, None), UsageTotals(100, 0.01), "201 tokens instead", id="tokens"
        ),
        pytest.param(UsageTotals(1, None), FREE, "1 tokens instead of 0", id="llm-after-local"),
        pytest.param(FREE, UsageTotals(100, 0.01), None, id="local-after-llm"),
        pytest.param(None, UsageTotals(100, 0.01), "came from the cache", id="never-measured"),
    ],
)
def test_cost_is_bounded(ours: UsageTotals | None, theirs: UsageTotals, objection: str | None):
    scores = [form(5)] * 20
    found = Gate(max_cost_ratio=2.0).objections(evidence(scores, ours), evidence(scores, theirs))
    assert len(found) == (objection is not None)
    assert objection is None or objection in found[0]


def test_repeats_count_as_their_mean():
    mean = FormScore.mean([form(4), form(8), form(0, failed=True)])
    assert mean.counts.fuzzy == 4.0
    assert mean.counts.failed == pytest.approx(1 / 3)
    assert mean.anls == pytest.approx(0.4)
    assert FormScore.mean([form(7)]) == form(7)
