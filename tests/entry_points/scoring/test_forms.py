"""One form's score and a split's, worked by hand and by what must always hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.forms import Entity, Form, Word
from entry_points.scoring.counts import Counts
from entry_points.scoring.forms import Truth, aggregate, score_form, score_forms

NAMES = (
    "pair_precision",
    "pair_recall",
    "pair_f1",
    "pair_f1_exact",
    "pair_f1_nospace",
    "question_f1",
    "anls",
    "key_value_accuracy",
)


def truth_of(*pairs):
    """Return a truth in which every answer is one entity: the links are the pairs."""
    return Truth(pairs, pairs)


def row(*pairs):
    listed = [{"question": question, "answer": answer} for question, answer in pairs]
    return {"doc_id": "form", "pairs": listed, "error_code": None, "error": None}


def entity(number, label, text, top):
    box = (0, top, 100, top + 10)
    return Entity(number, label, text, box, tuple(Word(word, box) for word in text.split(" ")))


def test_a_truth_has_the_pairs_joined_and_the_links_apart():
    first, second = entity(0, "answer", "12 High St", 20), entity(1, "answer", "", 30)
    address, date = entity(2, "question", "Address:", 10), entity(3, "question", "Date", 0)
    third, header = entity(4, "answer", "Springfield", 40), entity(5, "header", "FORM", 50)
    form = Form(
        form_id="form",
        image_path=Path("form.png"),
        annotation_path=Path("form.json"),
        entities=(first, second, address, date, third, header),
        links=(
            (header, date),
            (date, first),
            (address, first),
            (address, second),
            (address, third),
        ),
    )
    assert Truth.of(form) == Truth(
        pairs=(("Date", "12 High St"), ("Address:", "12 High St Springfield")),
        links=(
            ("Address:", "12 High St"),
            ("Address:", ""),
            ("Address:", "Springfield"),
            ("Date", "12 High St"),
        ),
    )


DATE, NAME = ("Date", "June 5"), ("Name", "Ann")


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        #                                             P   R   F1  exact nosp Q   anls  kva
        pytest.param([DATE, NAME], [DATE, NAME], (1, 1, 1, 1, 1, 1, 1, 1), id="perfect"),
        pytest.param([DATE, NAME], [], (0, 0, 0, 0, 0, 0, 0, 0), id="nothing read"),
        pytest.param([], [DATE], (0, 0, 0, 0, 0, 0, 0, 0), id="all invented"),
        pytest.param([], [], (1, 1, 1, 1, 1, 1, 1, 0), id="nothing to read"),
        pytest.param(
            [DATE, NAME],
            [DATE, ("Name", "Bob")],
            (1 / 2, 1 / 2, 1 / 2, 1 / 2, 1 / 2, 1, 3 / 4, 1 / 2),
            id="one answer wrong",
        ),
        pytest.param(
            [("Date", "abcde")],
            [("Date", "abcdx")],
            (1, 1, 1, 0, 0, 1, 9 / 10, 0),
            id="a slip of one in five is right",
        ),
        pytest.param(
            [("Total", "9")],
            [("Tota1", "9")],
            (1, 1, 1, 0, 0, 1, 9 / 10, 0),
            id="and so is one in the question",
        ),
        pytest.param(
            [("Date", "abcd")],
            [("Date", "abcx")],
            (0, 0, 0, 0, 0, 1, 7 / 8, 0),
            id="a slip of one in four is wrong",
        ),
        pytest.param(
            [("Date", "12 /10 /98")],
            [("Date", "12/10/98")],
            (1, 1, 1, 0, 1, 1, 9 / 10, 0),
            id="spurious spaces",
        ),
        pytest.param(
            [("DATE:", "  June   5.")],
            [("Date", "june 5")],
            (1, 1, 1, 1, 1, 1, (4 / 5 + 6 / 7) / 2, 0),
            id="another spelling is exact",
        ),
        pytest.param(
            [("Phone", "1"), ("Phone", "2")],
            [("Phone", "2"), ("Phone", "1")],
            (1, 1, 1, 1, 1, 1, 1, 0),
            id="repeated questions are pairs of their own",
        ),
        pytest.param(
            [DATE],
            [DATE, DATE],
            (1 / 2, 1, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 1 / 2, 1),
            id="a pair read twice is right once",
        ),
        pytest.param(
            [DATE],
            [DATE, ("Fax", None), ("Sex", "  ")],
            (1, 1, 1, 1, 1, 1, 1, 1),
            id="blank fields are no pairs",
        ),
        pytest.param(
            [DATE],
            [("June 5", "Date")],
            (0, 0, 0, 0, 0, 0, 0, 0),
            id="question and answer swapped",
        ),
        pytest.param(
            [("aaaaaaaaaa", "x"), ("aaaaaaaabb", "x")],
            [("aaaaaaaaab", "x"), ("caaaaaaaaa", "x")],
            (1, 1, 1, 0, 0, 1, 19 / 20, 0),
            id="the first in line does not take the only match of another",
        ),
    ],
)
def test_a_form_worked_by_hand(truth, predicted, expected):
    metrics = score_form(truth_of(*truth), row(*predicted)).metrics()
    assert metrics.pop("coverage") == 1
    assert metrics == pytest.approx(dict(zip(NAMES, expected, strict=True)))


@pytest.mark.parametrize("truth", [truth_of(DATE, NAME), truth_of()], ids=["pairs", "no pairs"])
@pytest.mark.parametrize(
    "outputs",
    [
        pytest.param(None, id="predict raised"),
        pytest.param({"pairs": [], "error_code": "image_truncated"}, id="an error code"),
        pytest.param({"pairs": None, "error_code": None}, id="no list of pairs"),
    ],
)
def test_a_failed_form_scores_0_in_everything(truth, outputs):
    score = score_form(truth, outputs)
    assert set(score.metrics()) == {*NAMES, "coverage"}
    assert set(score.metrics().values()) == {0.0}
    assert score.counts == Counts(true=len(truth.pairs), failed=1)
    assert score.mistakes.missed == tuple(question for question, _ in truth.pairs)


def test_a_split_sums_counts_and_averages_the_rest():
    truths = {
        "right": truth_of(DATE),
        "third": truth_of(DATE, NAME, ("Fax", "1")),
        "failed": truth_of(NAME, DATE),
        "blank": truth_of(),
    }
    outputs = {"right": row(DATE), "third": row(DATE), "failed": None, "blank": row()}
    assert aggregate(score_forms(truths, outputs).values()) == pytest.approx(
        {
            "pair_precision": 1.0,
            "pair_recall": 2 / 6,
            "pair_f1": 2 * 2 / (6 + 2),
            "pair_f1_exact": 2 * 2 / (6 + 2),
            "pair_f1_nospace": 2 * 2 / (6 + 2),
            "question_f1": 2 * 2 / (6 + 2),
            "pair_f1_macro": (1 + 1 / 2 + 0 + 1) / 4,
            "anls": (1 + 1 / 3 + 0 + 1) / 4,
            "key_value_accuracy": (1 + 1 / 3 + 0 + 0) / 4,
            "coverage": 3 / 4,
        }
    )


def test_a_form_without_a_row_failed():
    scores = score_forms({"a": truth_of(DATE), "b": truth_of(NAME)}, {"b": row(NAME)})
    assert list(scores) == ["a", "b"]
    assert aggregate(scores.values())["coverage"] == 0.5


def test_forms_that_all_failed_do_not_look_perfect_for_having_no_pairs():
    assert set(aggregate([score_form(truth_of(), None)]).values()) == {0.0}


def test_rows_of_another_dataset_are_refused():
    with pytest.raises(ValueError, match=r"1 document.*'stranger'.*dataset they were read from"):
        score_forms({"a": truth_of()}, {"a": row(), "stranger": row()})


def test_a_split_without_forms_has_no_score():
    with pytest.raises(ValueError, match="No form was scored"):
        aggregate([])


TEXT = st.text("ab c:", min_size=1, max_size=8)
ANSWER = TEXT.filter(str.strip)
PAIRS = st.lists(st.tuples(TEXT, ANSWER), max_size=6)


def score(truth, predicted):
    return score_form(truth_of(*truth), row(*predicted))


@given(PAIRS, PAIRS)
def test_scores_are_shares_and_looser_matches_are_no_fewer(truth, predicted):
    result = score(truth, predicted)
    assert all(0 <= value <= 1 for value in result.metrics().values())
    counts = result.counts
    assert counts.exact <= counts.fuzzy <= counts.questions <= min(len(truth), len(predicted))
    assert counts.exact <= counts.nospace


@given(PAIRS, PAIRS)
def test_every_pair_is_right_or_a_mistake(truth, predicted):
    result = score(truth, predicted)
    found, wrong = result.counts, result.mistakes
    assert found.fuzzy + len(wrong.misread) + len(wrong.missed) == len(truth)
    assert found.fuzzy + len(wrong.misread) + len(wrong.invented) == len(predicted)


@given(PAIRS)
def test_a_perfect_reading_is_1(truth):
    metrics = score(truth, truth).metrics()
    assert metrics.pop("key_value_accuracy") == (1.0 if truth else 0.0)
    assert set(metrics.values()) == {1.0}


@given(PAIRS, PAIRS, st.randoms(use_true_random=False))
def test_order_does_not_matter(truth, predicted, rng):
    result = score(truth, predicted)
    again = score(rng.sample(truth, len(truth)), rng.sample(predicted, len(predicted)))
    assert again.counts == result.counts
    assert again.anls == pytest.approx(result.anls)


@given(PAIRS, PAIRS)
def test_swapping_truth_and_prediction_swaps_precision_and_recall(truth, predicted):
    one, other = score(truth, predicted).metrics(), score(predicted, truth).metrics()
    assert one["pair_precision"] == other["pair_recall"]
    assert one["pair_recall"] == other["pair_precision"]
    for symmetric in ("pair_f1", "pair_f1_exact", "pair_f1_nospace", "question_f1", "anls"):
        assert one[symmetric] == pytest.approx(other[symmetric])


@given(st.lists(st.tuples(TEXT, ANSWER), min_size=1, max_size=6), st.data())
def test_losing_a_right_pair_lowers_every_f1(truth, data):
    kept = data.draw(st.lists(st.sampled_from(range(len(truth))), min_size=1, unique=True))
    predicted = [truth[i] for i in kept]
    whole, less = score(truth, predicted).metrics(), score(truth, predicted[1:]).metrics()
    for name in ("pair_f1", "pair_f1_exact", "pair_f1_nospace", "question_f1", "pair_recall"):
        assert less[name] < whole[name], name
    assert less["anls"] <= whole["anls"]


@given(PAIRS, PAIRS, st.tuples(TEXT, ANSWER))
def test_a_further_pair_never_unmatches_another(truth, predicted, further):
    less, more = score(truth, predicted).counts, score(truth, [*predicted, further]).counts
    assert less.fuzzy <= more.fuzzy <= less.fuzzy + 1
