"""Glued words are parted where the page parts them; a page counts its words."""

from __future__ import annotations

import itertools

import pytest
from PIL import Image

from ocr_extractor.contract import Box
from ocr_extractor.ocr.orientation import Orientation
from ocr_extractor.ocr.recognition import OcrPage
from ocr_extractor.ocr.words import Word, part_glued_words


def boxes(printed: str) -> list[Box]:
    """Return the boxes of what is printed, 10 px a character; `_` is a gap that the OCR missed."""
    return [(10 * at, 0, 10 * at + 10, 20) for at, c in enumerate(printed) if c not in " _"]


@pytest.mark.parametrize(
    ("text", "printed", "parted"),
    [
        ("Dateofbirth", "Date__of__birth", "Date of birth"),
        ("Date ofbirth", "Date of__birth", "Date of birth"),
        ("Date of birth", "Date  of  birth", "Date of birth"),
        ("Date", "Da_te", "Date"),
        ("12/10", "12__/__10", "12/10"),
        ("  Date  of ", "Date of", "Date of"),
        ("A", "A", "A"),
        ("", "", ""),
    ],
    ids=["glued", "partly", "parted", "loose type", "figures", "spaces", "single", "empty"],
)
def test_words_are_parted_at_gaps_of_two_letters(text: str, printed: str, parted: str):
    assert part_glued_words(text, boxes(printed)) == parted


def test_a_line_that_runs_up_the_page_is_parted_alike():
    upright = [(y0, -x1, y1, -x0) for x0, y0, x1, y1 in boxes("Date__of_birth")]
    assert part_glued_words("Dateofbirth", upright) == "Date ofbirth"


def test_a_word_ends_where_its_last_character_does():
    for x0, width, count in itertools.product(range(90), range(20, 60), range(1, 16)):
        last = Word("x" * count, (x0, 0, x0 + width, 10), 0).part(count - 1, count)
        assert last.box[2] == x0 + width


def test_a_pages_figures_say_how_much_was_read_and_how_well() -> None:
    words = [Word("No.", (0, 0, 30, 10), 0, score=0.5), Word("7", (40, 0, 50, 20), 0, score=1.0)]
    page = OcrPage(words, Image.new("L", (100, 100)), Orientation((100, 100), quarters=1))
    assert page.figures() == {
        "words": 2,
        "word_height_px": 15.0,
        "word_score": 0.75,
        "text_area": 0.05,
        "quarter_turns": 1,
        "skew_degrees": 0.0,
    }


def test_a_page_without_words_has_no_figures_of_words() -> None:
    page = OcrPage([], Image.new("L", (9, 9)), Orientation((9, 9)))
    assert page.figures() == {"words": 0, "quarter_turns": 0, "skew_degrees": 0.0}
