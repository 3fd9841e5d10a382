"""Boxes and circles to tick are found by their pixels, and options answer their question."""

from __future__ import annotations

from itertools import pairwise

import pytest
from PIL import Image, ImageDraw

from ocr_extractor.contract import Box, Pair
from ocr_extractor.engines.local.options import choose_options
from ocr_extractor.ocr.checkboxes import EMPTY, TICKED, mark_checkboxes
from ocr_extractor.ocr.words import Word

SIDE = 14
MARKS = ["cross", "tick", "filled", "small cross"]


def word(text: str, x: int, y: int = 40, line: int = 0) -> Word:
    """Return a word of 10 px a character, 20 px high."""
    return Word(text, (x, y, x + 10 * len(text), y + 20), line)


def box_at(x: int, y: int = 40) -> Box:
    return x, y + 3, x + SIDE + 1, y + SIDE + 4


class Page:
    """A page of 600 x 200 px with boxes and circles; the words are given, as by the OCR."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (600, 200), "white")
        self._canvas = ImageDraw.Draw(self.image)

    def option(self, x: int, mark: str = "", *, y: int = 40, circle: bool = False) -> Page:
        """Draw a box, or a circle, and what is in it."""
        x0, y0, x1, y1 = x, y + 3, x + SIDE, y + SIDE + 3
        shape = self._canvas.ellipse if circle else self._canvas.rectangle
        shape((x0, y0, x1, y1), outline="black", fill="black" if mark == "filled" else None)
        strokes = {
            "cross": [(x0 + 1, y0 + 1), (x1 - 1, y1 - 1), (x0 + 1, y1 - 1), (x1 - 1, y0 + 1)],
            "small cross": [(x0 + 4, y0 + 4), (x1 - 4, y1 - 4), (x0 + 4, y1 - 4), (x1 - 4, y0 + 4)],
            "tick": [(x0 + 3, y0 + 7), (x0 + 6, y1 - 3), (x0 + 6, y1 - 3), (x1 - 2, y0 + 3)],
        }.get(mark, [])
        for start, end in list(pairwise(strokes))[::2]:
            self._canvas.line([start, end], "black", 2)
        if mark == "dot":
            self._canvas.ellipse((x0 + 4, y0 + 4, x1 - 4, y1 - 4), fill="black")
        return self


def marks(words: list[Word], page: Page) -> list[tuple[str, Box]]:
    return [
        (each.text, each.box)
        for each in mark_checkboxes(words, page.image)
        if each.text in (TICKED, EMPTY)
    ]


def answers(words: list[Word], page: Page, *pairs: Pair) -> list[tuple[str, str | None]]:
    found = choose_options(pairs, mark_checkboxes(words, page.image), 1)
    return [(pair.question, pair.answer) for pair in found]


@pytest.mark.parametrize("mark", MARKS)
def test_a_box_with_a_mark_is_told_from_an_empty_one(mark: str):
    page = Page().option(100, mark).option(200)
    words = [word("Yes", 120), word("No", 220)]
    assert marks(words, page) == [(TICKED, box_at(100)), (EMPTY, box_at(200))]


@pytest.mark.parametrize("mark", ["dot", "filled"])
def test_a_circle_with_a_dot_is_told_from_an_empty_one(mark: str):
    page = Page().option(100, mark, circle=True).option(200, circle=True)
    words = [word("Yes", 120), word("No", 220)]
    assert marks(words, page) == [(TICKED, box_at(100)), (EMPTY, box_at(200))]


@pytest.mark.parametrize("read", ["口Yes", "XYes", "☐ Yes", "区 Yes"])
def test_what_was_read_for_a_box_gives_way_to_it(read: str):
    page = Page().option(100, "cross").option(300)
    words = [word(text, 103 if at == 0 else 124) for at, text in enumerate(read.split())]
    found = mark_checkboxes([*words, word("No", 320)], page.image)
    assert [each.text for each in found] == [TICKED, "Yes", EMPTY, "No"]


@pytest.mark.parametrize(
    ("circles", "marks_in_them", "text"),
    [
        ((100, 300), ("filled", "filled"), "Point"),
        ((100,), ("",), "Point"),
        ((104, 304), ("", ""), "Other"),
    ],
    ids=["bullets", "alone", "letters"],
)
def test_what_only_looks_like_a_circle_to_tick_is_left(
    circles: tuple[int, ...], marks_in_them: tuple[str, ...], text: str
):
    page, words = Page(), []
    for line, (x, mark) in enumerate(zip(circles, marks_in_them, strict=True)):
        page.option(x, mark, circle=True)
        words.append(word(text, x if text == "Other" else x + 20, line=line))
    assert mark_checkboxes(words, page.image) == words


def test_letters_and_shading_are_no_boxes():
    page = Page().option(100, "cross").option(300)
    for x in range(300, 316, 2):
        for y in range(43, 59, 2):
            page.image.putpixel((x, y), (0, 0, 0))
    words = [word("AXLE", 90), word("Total", 320)]
    assert mark_checkboxes(words, page.image) == words


def test_a_pattern_of_boxes_has_no_options():
    image = Image.new("RGB", (1300, 700), "white")
    canvas = ImageDraw.Draw(image)
    for x in range(20, 1280, 2 * SIDE):
        for y in range(20, 660, 2 * SIDE):
            canvas.rectangle((x, y, x + SIDE, y + SIDE), outline="black")
    words = [word("Yes", 10, 675)]
    assert mark_checkboxes(words, image) == words
    few = image.crop((0, 0, 600, 700))
    assert len(mark_checkboxes(words, few)) > 400


def test_a_page_without_words_has_no_boxes():
    assert mark_checkboxes([], Page().option(100).image) == []


QUESTION = word("Married:", 10)


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("circle", [False, True], ids=["box", "circle"])
def test_the_ticked_option_answers_the_question_on_its_left(mark: str, circle: bool):
    page = Page().option(120, "dot" if circle else mark, circle=circle).option(220, circle=circle)
    words = [QUESTION, word("Yes", 140), word("No", 240)]
    [pair] = choose_options((), mark_checkboxes(words, page.image), 2)
    assert (pair.question, pair.answer, pair.page) == ("Married:", "Yes", 2)
    assert (pair.question_box, pair.answer_box) == (QUESTION.box, (140, 40, 170, 60))
    assert pair.confidence


@pytest.mark.parametrize(
    ("ticked", "expected"),
    [
        ((120, 220), [("Married:", "Yes No")]),
        ((220,), [("Married:", "No")]),
        ((), []),
    ],
    ids=["both", "second", "none"],
)
def test_all_ticked_options_are_the_answer(
    ticked: tuple[int, ...], expected: list[tuple[str, str]]
):
    page = Page()
    for x in (120, 220):
        page.option(x, "cross" if x in ticked else "")
    wrong = Pair("Married:", "Yes No", 1, 0.9, QUESTION.box, (140, 40, 260, 60))
    words = [QUESTION, word("Yes", 140), word("No", 240)]
    assert answers(words, page, wrong) == expected


def test_boxes_may_stand_behind_their_options():
    page = Page().option(160).option(240, "tick")
    words = [QUESTION, word("Yes", 120), word("No", 210)]
    assert answers(words, page) == [("Married:", "No")]


def test_a_ticked_option_without_a_question_is_answered_by_its_mark():
    page = Page().option(120, "cross").option(120, y=80)
    words = [word("Urgent", 140), word("Confidential", 140, 80, 1)]
    other = Pair("Date:", "1 May", 1, 0.9, (10, 120, 60, 140), (70, 120, 120, 140))
    assert answers(words, page, other) == [("Urgent", TICKED), ("Date:", "1 May")]


def test_an_empty_box_answers_nothing():
    pair = Pair("Urgent", EMPTY, 1, 0.9, (140, 40, 200, 60), (120, 43, 135, 58))
    assert choose_options([pair], [word("Urgent", 140)], 1) == ()


def test_brackets_are_boxes_by_their_text():
    words = [QUESTION, word("[x]", 120), word("Yes", 160), word("[", 220), word("]", 240)]
    assert answers([*words, word("No", 260)], Page()) == [("Married:", "Yes")]
