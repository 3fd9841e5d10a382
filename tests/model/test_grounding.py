"""An LLM's texts are found among the page's words, or said not to be there."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from data.funsd import load_folder
from entry_points import ROOT
from ocr_extractor.contract import Box, Pair
from ocr_extractor.engines.local.ocr import WordReader
from ocr_extractor.engines.local.words import Word
from ocr_extractor.grounding import ground


def line(number: int, x: int, y: int, *texts: str) -> list[Word]:
    """Return words of 10 px a character, 20 px high, a space apart."""
    words = []
    for text in texts:
        words.append(Word(text, (x, y, x + 10 * len(text), y + 20), number))
        x += 10 * (len(text) + 1)
    return words


def one(question: str, answer: str | None, words: list[Word]) -> Pair:
    [pair] = ground([Pair(question, answer)], words)
    return pair


def test_texts_get_the_boxes_of_their_words():
    pair = one("Name:", "Ann Lee", line(0, 0, 0, "Name:", "Ann", "Lee", "Date:"))
    assert (pair.question_box, pair.answer_box) == ((0, 2, 40, 18), (60, 2, 130, 18))
    assert (pair.grounded, pair.confidence) == (True, 1.0)


@pytest.mark.parametrize(
    ("answer", "printed", "box"),
    [
        ("12 / 10 / 98", ["Date", "12/10/98"], (50, 2, 130, 18)),
        ("May 5", ["Date:May5"], (50, 2, 90, 18)),
        ("Harrogate", ["Date", "Harr0gale"], (50, 2, 140, 18)),
        ("STRASSE", ["Date", "Straße"], (50, 2, 110, 18)),
        ("—", ["Date", "—"], (50, 2, 60, 18)),
    ],
    ids=["spaces", "glued", "misread", "folded", "punctuation alone"],
)
def test_spacing_and_ocr_errors_are_borne(answer: str, printed: list[str], box: Box):
    pair = one("Date", answer, line(0, 0, 0, *printed))
    assert pair.grounded
    assert pair.answer_box == box


def test_an_answer_of_several_lines_has_one_box_around_them():
    words = line(0, 0, 0, "To:", "Ann", "Lee") + line(1, 40, 30, "12", "Mill", "Lane")
    pair = one("To:", "Ann Lee 12 Mill Lane", words)
    assert pair.answer_box == (40, 2, 160, 48)


@pytest.mark.parametrize("answer", ["Harrogate", "12", "Lee Ann Smith & Partners"])
def test_an_answer_that_is_not_on_the_page_is_flagged(answer: str):
    pair = one("Name:", answer, line(0, 0, 0, "Name:", "Ann", "Lee", "31245"))
    assert (pair.grounded, pair.confidence, pair.answer_box) == (False, 0.0, None)
    assert pair.question_box == (0, 2, 40, 18)
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
    found = ground([Pair("Maybe", "X"), Pair("No", "X"), Pair("Yes", "X")], words)
    boxes = [pair.answer_box for pair in found]
    assert boxes == [(60, 122, 70, 138), (30, 62, 40, 78), (40, 2, 50, 18)]


def test_a_cell_answers_its_row_and_its_column():
    words = line(0, 100, 0, "Total") + line(1, 0, 40, "Tax") + line(2, 100, 40, "5031")
    both = ground([Pair("Total", "5031"), Pair("Tax", "5031")], words)
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
            words = reader.read(image.convert("RGB"))
        truth = form.pairs()
        found = ground([Pair(pair.question, pair.answer) for pair in truth], words)
        hits += [
            overlap(pair.answer_box, true.answer_box) >= 0.5
            for pair, true in zip(found, truth, strict=True)
        ]
        printed = " ".join(entity.text for entity in form.entities).casefold()
        foreign = [each for each in others.pairs() if each.answer.casefold() not in printed]
        planted += ground([Pair(each.question, each.answer) for each in foreign], words)
        others = form
    assert sum(hits) >= placed * len(hits)
    assert sum(not pair.grounded for pair in planted) >= 0.95 * len(planted) > 0


def test_true_pairs_of_drawn_forms_are_placed_and_foreign_answers_flagged():
    check_real_pages(ROOT / "data/samples", ["fax-01", "invoice-01", "memo-02"], placed=0.9)


@pytest.mark.slow
def test_true_pairs_of_scanned_forms_are_placed_and_foreign_answers_flagged(funsd_training: Path):
    ids = [form.form_id for form in load_folder(funsd_training)[::25]]
    check_real_pages(funsd_training, ids, placed=0.8)
