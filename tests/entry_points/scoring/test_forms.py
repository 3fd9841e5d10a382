"""One form's score and a split's, worked by hand and by what must always hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.forms import Entity, Form, Word
from entry_points import ROOT
from entry_points.scoring.counts import LOWER_IS_BETTER, Counts
from entry_points.scoring.forms import Truth
from entry_points.scoring.matching import page_text
from entry_points.scoring.scores import PARSE_FAILURES, aggregate, score_forms

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
ERRORS = (
    "answer_cer",
    "blank_missed",
    "blank_invented",
    "hallucination_rate",
    "duplicate_rate",
    "parse_failure_rate",
)

BLANK = ("blank_correct", "blank_honesty")


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
    fax, unread = entity(6, "question", " Fax: ", 60), entity(7, "question", "", 70)
    form = Form(
        form_id="form",
        image_path=Path("form.png"),
        annotation_path=Path("form.json"),
        entities=(first, second, address, date, third, header, fax, unread),
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
        blanks=("Fax:",),
        page="dateaddress:12highstspringfieldformfax:",
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
    metrics = truth_of(*truth).score(row(*predicted)).metrics()
    assert metrics["coverage"] == 1
    found = [metrics[name] for name in NAMES]
    assert found == pytest.approx(list(expected))


PAGE = page_text("Date June 5 Name Ann Fax Sex Total 12 /10 /98 Phone")


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        #                    blank: correct missed invented  hallucinated repeated
        pytest.param([DATE], (0, 1, 0, 0, 0), id="says nothing of blank fields"),
        pytest.param([DATE, ("Fax", None), ("Sex", "")], (1, 0, 0, 0, 0), id="calls them blank"),
        pytest.param([("Fax", None), ("Fax", None)], (1 / 2, 1 / 2, 0, 0, 0), id="once is once"),
        pytest.param([("Fax:", "Ann")], (0, 1 / 2, 1 / 2, 0, 0), id="takes another field's answer"),
        pytest.param([("Fax", "555 123")], (0, 1 / 2, 1 / 2, 1, 0), id="makes an answer up"),
        pytest.param(
            [("Fax", None), ("Fax", "555 123")],
            (1 / 2, 1 / 2, 0, 1 / 1, 0),
            id="says both: the blank counts, the made-up pair is invented",
        ),
        pytest.param([("Date", None)], (0, 1, 0, 0, 0), id="calls an answered field blank"),
        pytest.param([DATE, DATE], (0, 1, 0, 0, 1 / 2), id="says it twice"),
        pytest.param([NAME, NAME, NAME], (0, 1, 0, 0, 1 / 3), id="twice on the form, three read"),
        pytest.param(
            [("Name", "Ann."), ("Name", "An n")], (0, 1, 0, 0, 0), id="twice, with other spaces"
        ),
        pytest.param(
            [("Name", "Annn"), ("Name", "Annn")], (0, 1, 0, 0, 0), id="twice on the form, misread"
        ),
        pytest.param([("Total", "12/10/98")], (0, 1, 0, 0, 0), id="other spaces are on the page"),
        pytest.param([("Total", "12/1O/98")], (0, 1, 0, 0, 0), id="a slip is on the page"),
        pytest.param([("Total", "Ann June 5")], (0, 1, 0, 0, 0), id="from two places on the page"),
        pytest.param([("Total", "47.11 USD")], (0, 1, 0, 1, 0), id="nowhere on the page"),
    ],
)
def test_honesty_worked_by_hand(predicted, expected):
    truth = Truth((DATE, NAME, NAME), (), blanks=("Fax", "Sex"), page=PAGE)
    metrics = truth.score(row(*predicted)).metrics()
    names = ("blank_correct", *ERRORS[1:5])
    assert [metrics[name] for name in names] == pytest.approx(list(expected))


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        pytest.param("June 5", 0, id="same"),
        pytest.param(" June\n 5 ", 0, id="white space"),
        pytest.param("june 5.", 2 / 6, id="case and punctuation are errors here"),
        pytest.param("Jan 5", 2 / 6, id="misread counts"),
        pytest.param("June 5 1999 or later", 14 / 6, id="more than 1 when more is read"),
        pytest.param(None, 0, id="nothing was read"),
    ],
)
def test_character_errors_of_found_answers(read, expected):
    metrics = truth_of(DATE, NAME).score(row(("Date", read))).metrics()
    assert metrics["answer_cer"] == pytest.approx(expected)


@pytest.mark.parametrize("code", sorted(PARSE_FAILURES))
def test_an_answer_that_cannot_be_used_is_a_parse_failure(code):
    outputs = {"pairs": [], "error_code": code}
    assert truth_of(DATE).score(outputs).metrics()["parse_failure_rate"] == 1
    model = ROOT / "model" / "ocr_extractor"
    assert any(f'"{code}"' in path.read_text(encoding="utf-8") for path in model.rglob("*.py"))


def test_other_failures_are_no_parse_failures_and_miss_the_blank_fields():
    truth = Truth((DATE,), (), blanks=("Fax",), page=PAGE)
    metrics = truth.score({"pairs": [], "error_code": "rate_limited"}).metrics()
    assert {name for name, value in metrics.items() if value} == {"blank_missed"}


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
    score = truth.score(outputs)
    assert set(score.metrics()) == {*NAMES, *ERRORS, *BLANK, "coverage"}
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
        dict.fromkeys(ERRORS, 0.0)
        | {
            "pair_precision": 1.0,
            "pair_recall": 2 / 6,
            "pair_f1": 2 * 2 / (6 + 2),
            "pair_f1_exact": 2 * 2 / (6 + 2),
            "pair_f1_nospace": 2 * 2 / (6 + 2),
            "question_f1": 2 * 2 / (6 + 2),
            "pair_f1_macro": (1 + 1 / 2 + 0 + 1) / 4,
            "anls": (1 + 1 / 3 + 0 + 1) / 4,
            "key_value_accuracy": (1 + 1 / 3 + 0 + 0) / 4,
            "blank_correct": 0.0,
            "blank_honesty": 0.0,
            "coverage": 3 / 4,
        }
    )


def test_a_form_without_a_row_failed():
    scores = score_forms({"a": truth_of(DATE), "b": truth_of(NAME)}, {"b": row(NAME)})
    assert list(scores) == ["a", "b"]
    assert aggregate(scores.values())["coverage"] == 0.5


def test_forms_that_all_failed_do_not_look_perfect_for_having_no_pairs():
    assert set(aggregate([truth_of().score(None)]).values()) == {0.0}


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
    return truth_of(*truth).score(row(*predicted))


@given(PAIRS, PAIRS)
def test_scores_are_shares_and_looser_matches_are_no_fewer(truth, predicted):
    result = score(truth, predicted)
    metrics = result.metrics()
    assert metrics.pop("answer_cer") >= 0
    assert all(0 <= value <= 1 for value in metrics.values())
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
    wrong = {metrics.pop(name) for name in LOWER_IS_BETTER - {"answer_cer"}}
    assert wrong == {0.0}
    # Of pairs that share a question, each is told apart by normalised texts alone.
    assert metrics.pop("answer_cer") <= 1
    assert set(metrics.values()) == {1.0}


@given(PAIRS, PAIRS, st.randoms(use_true_random=False))
def test_order_does_not_matter(truth, predicted, rng):
    result = score(truth, predicted)
    again = score(rng.sample(truth, len(truth)), rng.sample(predicted, len(predicted)))
    # Which of two texts that are the same once normalised is matched shows in the characters.
    assert replace(again.counts, answer_characters=0, answer_errors=0) == replace(
        result.counts, answer_characters=0, answer_errors=0
    )
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


FIELDS = st.lists(TEXT, max_size=4)
STATED = st.lists(st.tuples(TEXT, st.none() | ANSWER), max_size=6)


@given(PAIRS, FIELDS, STATED)
def test_every_blank_field_has_one_fate(truth, blanks, stated):
    outputs = row(*stated)
    counts = Truth(tuple(truth), (), tuple(blanks)).score(outputs).counts
    assert counts.blanks == len(blanks)
    assert counts.blank_correct + counts.blank_invented <= len(blanks)
    assert counts.blank_correct <= sum(answer is None for _, answer in stated)
    assert counts.blank_invented <= counts.predicted - counts.fuzzy


@given(PAIRS, st.lists(TEXT, unique=True, max_size=4))
def test_calling_every_blank_field_blank_is_honest(truth, blanks):
    outputs = row(*truth, *((question, None) for question in blanks))
    metrics = Truth(tuple(truth), (), tuple(blanks)).score(outputs).metrics()
    honest = [metrics[name] for name in (*BLANK, "blank_missed", "blank_invented")]
    assert honest == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("correct", "invented", "expected"),
    [(0, 0, 0.0), (1, 0, 1.0), (0, 2, 0.0), (1, 3, 0.25)],
)
def test_honesty_is_of_the_blank_fields_that_are_mentioned(correct, invented, expected):
    counts = Counts(blanks=5, blank_correct=correct, blank_invented=invented)
    assert counts.metrics()["blank_honesty"] == expected


@given(PAIRS)
def test_what_stands_on_the_page_is_not_hallucinated(pairs):
    page = page_text(" ".join(text for pair in pairs for text in pair))
    assert Truth((), (), page=page).score(row(*pairs)).counts.hallucinated == 0
