"""Labels that ask for an answer and have none are blank fields, in reading order."""

from __future__ import annotations

import pytest

from ocr_extractor.contract import Pair
from ocr_extractor.engines.local.engine import add_blanks
from ocr_extractor.ocr.words import Word


def word(text: str, x: int, y: int, line: int) -> Word:
    return Word(text, (x, y, x + 10 * len(text), y + 20), line)


WORDS = [
    word("To:", 0, 0, 0),
    word("Name:", 0, 40, 1),
    word("Ann", 80, 40, 1),
    word("Fax:", 300, 40, 2),
    word("Notes", 0, 80, 3),
    word("Date:", 0, 120, 4),
]
NAME = Pair("Name:", "Ann", 2, 0.9, (0, 40, 50, 60), (80, 40, 110, 60))


def test_blanks_stand_in_reading_order_among_the_pairs():
    pairs = add_blanks([NAME], WORDS, 2)
    assert [(pair.question, pair.answer) for pair in pairs] == [
        ("To:", None),
        ("Name:", "Ann"),
        ("Fax:", None),
        ("Date:", None),
    ]
    assert pairs[1] is NAME
    assert all(0 < (pair.confidence or 0) < 1 for pair in pairs)
    assert (pairs[2].page, pairs[2].question_box, pairs[2].answer_box) == (
        2,
        (300, 40, 340, 60),
        None,
    )


def test_a_label_within_a_longer_question_or_answer_is_no_field():
    whole = Pair("Name: Fax:", "x", 2, None, (0, 38, 345, 62), None)
    assert [pair.question for pair in add_blanks([whole], WORDS, 2)] == [
        "To:",
        "Name: Fax:",
        "Date:",
    ]


@pytest.mark.parametrize(
    ("x", "y", "blank"),
    [(80, 0, False), (300, 0, True), (0, 30, False), (0, 60, True), (100, 30, True)],
    ids=["beside", "far beside", "below", "far below", "neither"],
)
def test_a_label_with_text_beside_or_below_is_not_blank(x: int, y: int, blank: bool):
    words = [word("Name:", 0, 0, 0), word("Ann", x, y, 1)]
    assert bool(add_blanks([], words, 1)) is blank


def test_a_page_without_words_has_no_fields():
    assert add_blanks([], [], 1) == ()
