"""The scores on FUNSD's own training forms, when FUNSD_DIR says where they are."""

from __future__ import annotations

import random

import pytest
from anls_star import anls_score

from data.funsd import load_folder
from entry_points.scoring.counts import LOWER_IS_BETTER
from entry_points.scoring.forms import Truth
from entry_points.scoring.matching import GROUNDED_SIMILARITY, grounding, page_text
from entry_points.scoring.published_metrics import anls
from entry_points.scoring.scores import aggregate, score_forms


@pytest.fixture(scope="module")
def truths(funsd_training):
    return {form.form_id: Truth.of(form) for form in load_folder(funsd_training)}


def rows(readings):
    return {
        doc_id: {
            "pairs": [{"question": question, "answer": answer} for question, answer in pairs],
            "error_code": None,
        }
        for doc_id, pairs in readings.items()
    }


def spoil(text, rng, share):
    return "".join("x" if rng.random() < share else char for char in text)


def misread(pairs, rng):
    """Lose a fifth of the pairs, shuffle the rest, spoil one character in twenty."""

    shuffled = rng.sample(pairs, len(pairs))
    return [(spoil(q, rng, 0.05), spoil(a, rng, 0.05)) for q, a in shuffled if rng.random() > 0.2]


def test_the_truth_scored_against_itself_is_1_save_for_the_posts_metric(truths):
    outputs = rows({doc_id: truth.pairs for doc_id, truth in truths.items()})
    metrics = aggregate(score_forms(truths, outputs).values())
    # The post's dicts keep the last of a question's answers and of its repeats: this is the
    # most that a perfect reader of these forms reaches. Its own code gives 0.7661.
    assert metrics.pop("key_value_accuracy") == pytest.approx(0.766, abs=5e-4)
    # No answer is made up; the blank fields are not mentioned, so all are missed. Repeated
    # questions whose answers differ in case alone leave a trace in the character errors.
    assert (metrics.pop("blank_correct"), metrics.pop("blank_missed")) == (0.0, 1.0)
    assert metrics.pop("blank_honesty") == 0.0
    assert metrics.pop("answer_cer") < 0.001
    assert {metrics.pop(name) for name in LOWER_IS_BETTER & metrics.keys()} == {0.0}
    assert set(metrics.values()) == {1.0}


def test_a_hallucination_is_told_from_a_slip(truths):
    """The figures at GROUNDED_SIMILARITY."""
    rng = random.Random(0)
    names = sorted(truths)
    spoilt, foreign = [], []
    for name in names:
        page, other = truths[name].page, truths[rng.choice(names)]
        spoilt += [grounding(spoil(answer, rng, 0.06), page) for _, answer in truths[name].pairs]
        foreign += [
            grounding(answer, page) for _, answer in other.pairs if page_text(answer) not in page
        ]
    assert sum(each < GROUNDED_SIMILARITY for each in spoilt) / len(spoilt) < 0.03
    assert sum(each < GROUNDED_SIMILARITY for each in foreign) / len(foreign) > 0.85


def test_anls_is_the_authors_on_misread_forms(truths):
    rng = random.Random(20)
    for doc_id, truth in rng.sample(sorted(truths.items()), 20):
        predicted = misread(truth.pairs, rng)
        theirs = anls_score(
            [{"question": question, "answer": answer} for question, answer in truth.pairs],
            [{"question": question, "answer": answer} for question, answer in predicted],
        )
        assert anls(truth.pairs, predicted) == pytest.approx(theirs), doc_id
