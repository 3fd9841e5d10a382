"""An LLM's texts are found among the page's words, or said not to be there."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from data.funsd import load_folder
from entry_points import ROOT
from ocr_extractor.contract import Box, Pair
from ocr_extractor.grounding.ground import ground
from ocr_extractor.ocr.checkboxes import mark_checkboxes
from ocr_extractor.ocr.recognition import WordReader
from ocr_extractor.ocr.words import Word


def line(number: int, x: int, y: int, *texts: str) -> list[Word]:
    """Return words of 10 px a character, 20 px high, a space apart."""
    words = []
    for text in texts:
        words.append(Word(text, (x, y, x + 10 * len(text), y + 20), number))
        x += 10 * (len(text) + 1)
    return words


PAGE = Image.new("L", (800, 600), "white")
"""A page whose ink is not known: boxes stay the words'."""


def one(question: str, answer: str | None, words: list[Word]) -> Pair:
    [pair] = ground([Pair(question, answer)], words, PAGE)
    return pair


def test_texts_get_the_boxes_of_their_words():
    pair = one("Name:", "Ann Lee", line(0, 0, 0, "Name:", "Ann", "Lee", "Date:"))
    assert (pair.question_box, pair.answer_box) == ((0, 2, 50, 18), (60, 2, 130, 18))
    assert (pair.grounded, pair.confidence) == (True, 1.0)


@pytest.mark.parametrize(
    ("answer", "printed", "box"),
    [
        ("12 / 10 / 98", ["Date", "12/10/98"], (50, 2, 130, 18)),
        ("May 5", ["Date:May5"], (50, 2, 90, 18)),
        ("Harrogate", ["Date", "Harr0gale"], (50, 2, 140, 18)),
        ("STRASSE", ["Date", "Straße"], (50, 2, 110, 18)),
        ("—", ["Date", "—"], (50, 2, 60, 18)),
        ('"40%"', ["Date", '"40%",'], (50, 2, 100, 18)),
        ("$ 400", ["Date", "$", "400"], (50, 2, 100, 18)),
        ("B1014 - 23", ["Date", "BIO14-23"], (50, 2, 130, 18)),
        ("6 / 21 / 90", ["Date", "6/2l190"], (50, 2, 120, 18)),
    ],
    ids=[
        "spaces",
        "glued",
        "misread",
        "folded",
        "punctuation alone",
        "punctuation around",
        "a currency sign apart",
        "look-alikes",
        "many short words",
    ],
)
def test_spacing_and_ocr_errors_are_borne(answer: str, printed: list[str], box: Box):
    pair = one("Date", answer, line(0, 0, 0, *printed))
    assert pair.grounded
    assert pair.answer_box == box


def test_boxes_end_a_little_outside_the_ink():
    page = PAGE.copy()
    page.paste("black", (62, 5, 66, 14))
    page.paste("black", (120, 7, 124, 16))
    words = line(0, 0, 0, "Name:", "Ann", "Lee")
    [pair] = ground([Pair("Name:", "Ann Lee")], words, page)
    assert (pair.question_box, pair.answer_box) == ((0, 2, 50, 18), (60, 3, 126, 18))


def test_words_beside_the_image_keep_their_boxes():
    words = line(0, 0, 0, "Name:") + line(1, 900, 700, "Ann")
    assert one("Name:", "Ann", words).answer_box == (900, 702, 930, 718)


def test_ink_of_a_line_at_the_edge_of_a_box_is_not_the_text():
    page = PAGE.copy()
    page.paste("black", (62, 5, 66, 14))
    page.paste("black", (120, 7, 124, 16))
    page.paste("black", (127, 17, 140, 19))
    [pair] = ground([Pair("Name:", "Ann Lee")], line(0, 0, 0, "Name:", "Ann", "Lee"), page)
    assert pair.answer_box == (60, 3, 126, 18)


@pytest.mark.parametrize("answer", ["☑", "x", "✓"])
@pytest.mark.parametrize("read", ["☑", "X"])
def test_all_ticks_are_alike_and_may_stand_before_their_option(answer: str, read: str):
    words = line(0, 0, 0, read, "Yes") + line(1, 200, 0, read, "No") + line(2, 0, 60, "Box")
    assert one("No", answer, words).answer_box == (200, 2, 210, 18)


def test_a_row_is_read_before_the_next_one():
    words = line(0, 0, 0, "Length:") + line(1, 100, 0, "27") + line(2, 300, 0, "27")
    words += line(3, 0, 24, "Width:") + line(4, 100, 24, "27") + line(5, 300, 24, "27")
    both = ground([Pair("Length:", "27 27"), Pair("Width:", "27 27")], words, PAGE)
    assert [pair.answer_box for pair in both] == [(100, 2, 320, 18), (100, 26, 320, 42)]


def test_a_column_is_read_down_where_other_fields_stand_between_its_cells_and_the_next():
    words = line(0, 0, 0, "Tar") + line(1, 100, 0, "May") + line(2, 200, 0, "June")
    words += line(3, 0, 30, "Low") + line(4, 100, 30, "27", "mg") + line(5, 200, 30, "31", "mg")
    words += line(6, 0, 60, "High") + line(7, 100, 60, "48", "mg") + line(8, 200, 60, "52", "mg")
    both = ground([Pair("May", "27 mg 48 mg"), Pair("June", "31 mg 52 mg")], words, PAGE)
    assert [pair.answer_box for pair in both] == [(100, 32, 150, 78), (200, 32, 250, 78)]


def test_questions_and_answers_of_equal_text_are_placed_in_the_order_of_the_pairs():
    words = [
        word
        for at, text in enumerate(["Posters", "40", "Counter", "7", "Posters", "40"])
        for word in line(at, 100 * (at % 2), 30 * (at // 2), text)
    ]
    pairs = [Pair("Posters", "40"), Pair("Counter", "7"), Pair("Posters", "40")]
    found = ground(pairs, words, PAGE)
    assert [pair.question_box[1] for pair in found if pair.question_box] == [2, 32, 62]
    assert [pair.answer_box[1] for pair in found if pair.answer_box] == [2, 32, 62]


def test_a_long_line_goes_on_where_the_next_one_begins():
    words = line(0, 0, 0, "Purpose:", *["evaluate"] * 6, "it") + line(1, 0, 24, "in", "May")
    pair = one("Purpose:", " ".join(["evaluate"] * 6) + " it in May", words)
    assert pair.answer_box == (0, 2, 650, 42)


def test_an_answer_of_several_lines_has_one_box_around_them():
    words = line(0, 0, 0, "To:", "Ann", "Lee") + line(1, 40, 30, "12", "Mill", "Lane")
    pair = one("To:", "Ann Lee 12 Mill Lane", words)
    assert pair.answer_box == (40, 2, 160, 48)


@pytest.mark.parametrize("answer", ["Harrogate", "12", "Lee Ann Smith & Partners"])
def test_an_answer_that_is_not_on_the_page_is_flagged(answer: str):
    pair = one("Name:", answer, line(0, 0, 0, "Name:", "Ann", "Lee", "31245"))
    assert (pair.grounded, pair.confidence, pair.answer_box) == (False, 0.0, None)
    assert pair.question_box == (0, 2, 50, 18)
    assert pair.answer == answer


def test_a_question_that_is_not_on_the_page_halves_the_confidence():
    pair = one("Applicant", "Ann Lee", line(0, 0, 0, "Ann", "Lee"))
    assert (pair.grounded, pair.confidence, pair.question_box) == (True, 0.5, None)


def test_a_blank_is_grounded_by_its_question():
    assert one("Name:", None, line(0, 0, 0, "Name:")).grounded
    assert not one("Name:", None, line(0, 0, 0, "Date:")).grounded


def test_a_page_without_words_grounds_nothing():
    assert not one("Name:", "Ann", []).grounded


def test_no_word_is_used_twice_and_each_question_takes_the_answer_beside_it():
    words = line(0, 0, 0, "Yes", "X") + line(1, 0, 60, "No", "X") + line(2, 0, 120, "Maybe", "X")
    found = ground([Pair("Maybe", "X"), Pair("No", "X"), Pair("Yes", "X")], words, PAGE)
    boxes = [pair.answer_box for pair in found]
    assert boxes == [(60, 122, 70, 138), (30, 62, 40, 78), (40, 2, 50, 18)]


def test_a_cell_answers_its_row_and_its_column():
    words = line(0, 100, 0, "Total") + line(1, 0, 40, "Tax") + line(2, 100, 40, "5031")
    both = ground([Pair("Total", "5031"), Pair("Tax", "5031")], words, PAGE)
    assert [pair.answer_box for pair in both] == [(100, 42, 140, 58)] * 2


def overlap(box: Box | None, other: Box | None) -> float:
    """Return intersection over union."""
    if box is None or other is None:
        return 0.0
    sides = [min(box[at + 2], other[at + 2]) - max(box[at], other[at]) for at in (0, 1)]
    shared = max(0, sides[0]) * max(0, sides[1])
    areas = [(each[2] - each[0]) * (each[3] - each[1]) for each in (box, other)]
    return shared / (sum(areas) - shared)


def check_real_pages(folder: Path, ids: list[str], *, placed: float) -> None:
    """The true pairs find their boxes; the answers of the form before are not on this one."""
    forms = [form for form in load_folder(folder) if form.form_id in ids]
    reader = WordReader()
    hits: list[bool] = []
    planted: list[Pair] = []
    others = forms[-1]
    for form in forms:
        with Image.open(form.image_path) as image:
            page = image.convert("RGB")
        words = mark_checkboxes(reader.read(page), page)
        truth = form.pairs()
        found = ground([Pair(pair.question, pair.answer) for pair in truth], words, page)
        hits += [
            overlap(pair.answer_box, true.answer_box) >= 0.5
            for pair, true in zip(found, truth, strict=True)
        ]
        printed = " ".join(entity.text for entity in form.entities).casefold()
        foreign = [each for each in others.pairs() if each.answer.casefold() not in printed]
        planted += ground([Pair(each.question, each.answer) for each in foreign], words, page)
        others = form
    assert sum(hits) >= placed * len(hits)
    assert sum(not pair.grounded for pair in planted) >= 0.95 * len(planted) > 0


def test_true_pairs_of_drawn_forms_are_placed_and_foreign_answers_flagged():
    check_real_pages(ROOT / "data/samples", ["fax-01", "invoice-01", "memo-02"], placed=0.9)


def test_true_pairs_of_scanned_forms_are_placed_and_foreign_answers_flagged(funsd_training: Path):
    ids = [form.form_id for form in load_folder(funsd_training)[::25]]
    check_real_pages(funsd_training, ids, placed=0.87)
