"""The rules pair words by where they stand, whatever OCR the words came from."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_extractor.engines.local.rules import link_by_rules
from ocr_extractor.ocr.words import Word

LETTER = 8
HEIGHT = 16


def line(x: int, y: int, text: str, *, number: int = 0) -> list[Word]:
    """Set a text line in a fixed pitch of `LETTER` px; a `|` in a word rules a line below it."""
    words = []
    for written in text.split():
        plain = written.replace("|", "")
        box = (x, y, x + LETTER * len(plain), y + HEIGHT)
        words.append(Word(plain, box, number, underlined="|" in written))
        x = box[2] + LETTER
    return words


def page(*lines: tuple[int, int, str]) -> list[Word]:
    """Set the (x, y, text) lines, each an OCR line of its own."""
    return [word for number, each in enumerate(lines) for word in line(*each, number=number)]


def pairs(*lines: tuple[int, int, str]) -> list[tuple[str, str | None]]:
    return [(pair.question, pair.answer) for pair in link_by_rules(page(*lines), 1)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([(0, 0, "Name: Ada Lovelace")], [("Name:", "Ada Lovelace")], id="one-line"),
        pytest.param(
            [(0, 0, "Name:"), (120, 0, "Ada Lovelace")],
            [("Name:", "Ada Lovelace")],
            id="two-ocr-lines",
        ),
        pytest.param([(0, 0, "Name:Ada")], [("Name:", "Ada")], id="glued"),
        pytest.param([(0, 0, "Time: 10:30")], [("Time:", "10:30")], id="clock-is-no-label"),
        pytest.param(
            [(0, 0, "To: Ada"), (300, 0, "From: Grace")],
            [("To:", "Ada"), ("From:", "Grace")],
            id="two-fields-on-a-row",
        ),
        pytest.param(
            [(0, 0, "Name:"), (300, 0, "Date:"), (360, 0, "12/3/98")],
            [("Date:", "12/3/98")],
            id="blank-field-takes-no-label",
        ),
        pytest.param([(0, 0, "Name:"), (900, 0, "Page 3")], [], id="out-of-reach"),
        pytest.param(
            [(0, 0, "Remarks:"), (0, 18, "None so far")],
            [("Remarks:", "None so far")],
            id="answer-below",
        ),
    ],
)
def test_label_with_a_colon_takes_the_text_beside_or_below(lines, expected):
    assert pairs(*lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([(0, 0, "Quantity"), (120, 0, "144")], [("Quantity", "144")], id="number"),
        pytest.param([(0, 0, "Brand"), (90, 0, "Larkspur")], [("Brand", "Larkspur")], id="text"),
        pytest.param(
            [(0, 0, "Brand"), (90, 0, "Larkspur"), (200, 0, "Region"), (300, 0, "North")],
            [("Region", "North")],
            id="text-with-text-behind-it-may-be-a-caption",
        ),
        pytest.param(
            [(0, 0, "Brand"), (90, 0, "|Larkspur"), (200, 0, "Region")],
            [("Brand", "Larkspur")],
            id="text-on-a-ruled-line",
        ),
        pytest.param(
            [(0, 0, "Sample No. |A77 |blue")], [("Sample No.", "A77 blue")], id="line-starts-inside"
        ),
        pytest.param([(0, 0, "|SALES |REPORT"), (200, 0, "1998")], [], id="underlined-heading"),
        pytest.param(
            [(0, 0, "Total"), (120, 0, "14.5"), (220, 0, "31.0")],
            [("Total", "14.5 31.0")],
            id="table-row",
        ),
    ],
)
def test_label_without_a_colon_takes_what_can_only_be_its_answer(lines, expected):
    assert pairs(*lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            [(0, 0, "Address: 12 Mill Lane"), (72, 20, "Tarnbrook"), (72, 40, "KY 63764")],
            "12 Mill Lane Tarnbrook KY 63764",
            id="aligned",
        ),
        pytest.param(
            [(0, 0, "Comments: sold out in two days and"), (0, 20, "asked for again by shops")],
            "sold out in two days and asked for again by shops",
            id="wrapped-to-the-left-edge",
        ),
        pytest.param(
            [(0, 0, "Address: 12 Mill Lane"), (0, 20, "Phone: 555-0171")],
            "12 Mill Lane",
            id="next-field",
        ),
        pytest.param(
            [(0, 0, "Address: 12 Mill Lane"), (72, 80, "Tarnbrook")], "12 Mill Lane", id="too-far"
        ),
        pytest.param(
            [(0, 0, "Brand: Larkspur"), (0, 20, "Code"), (56, 20, "A-7")],
            "Larkspur",
            id="line-with-a-label-of-its-own",
        ),
    ],
)
def test_answer_goes_on_over_the_lines_that_belong_to_it(lines, expected):
    assert pairs(*lines)[0][1] == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            [(0, 0, "Name: ___Ada___")], [("Name:", "Ada")], id="underscores-around-the-answer"
        ),
        pytest.param([(0, 0, "Date ...... 12/3/98")], [("Date", "12/3/98")], id="dots"),
        pytest.param([(0, 0, "Labels --- 12")], [("Labels", "12")], id="dashes"),
        pytest.param([(0, 0, "Name: ______________")], [], id="blank"),
        pytest.param([(0, 0, "Part: A-77.B")], [("Part:", "A-77.B")], id="single-marks-stay"),
    ],
)
def test_fill_lines_part_the_texts_and_stay_out_of_them(lines, expected):
    assert pairs(*lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            [(0, 0, "Married: [x] Yes [ ] No")], [("Married:", "Yes")], id="chosen-option"
        ),
        pytest.param([(0, 0, "Married: [ ] Yes [X] No")], [("Married:", "No")], id="other-option"),
        pytest.param([(0, 0, "Married: [ ] Yes [ ] No")], [], id="none-chosen"),
        pytest.param(
            [(0, 0, "Colours: [x] Red [ ] Blue (x) Green")],
            [("Colours:", "Red Green")],
            id="several-chosen",
        ),
        pytest.param(
            [(0, 0, "Fuel"), (80, 0, "☐ Petrol"), (180, 0, "☑ Diesel")],
            [("Fuel", "Diesel")],
            id="options-in-ocr-lines-of-their-own",
        ),
        pytest.param([(0, 0, "[x] Certified Mail")], [("Certified Mail", "[x]")], id="lone-box"),
        pytest.param([(0, 0, "□ Certified Mail")], [], id="lone-empty-box"),
        pytest.param([(0, 0, "X"), (24, 0, "Approved")], [("Approved", "X")], id="tick-beside"),
        pytest.param([(0, 0, "Menthol:"), (90, 0, "X")], [("Menthol:", "X")], id="tick-as-answer"),
        pytest.param([(0, 0, "Size: 21 X 24")], [("Size:", "21 X 24")], id="x-between-numbers"),
    ],
)
def test_boxes_answer_with_the_chosen_option(lines, expected):
    assert pairs(*lines) == expected


def test_caption_takes_the_values_below_it():
    lines = [(0, 0, "PRICE"), (200, 0, "SHARE")]
    lines += [(x, 24 * row, str(row)) for row in (1, 2, 3) for x in (0, 200)]
    assert pairs(*lines) == [("PRICE", "1 2 3"), ("SHARE", "1 2 3")]


@pytest.mark.parametrize(
    ("walled", "entry_y", "expected"),
    [
        pytest.param(True, 24, [("DISTRICT", "North Harrogate")], id="cell"),
        pytest.param(True, 90, [], id="next-cell"),
        pytest.param(False, 24, [], id="no-wall"),
    ],
)
def test_cell_is_read_from_its_label_down_to_its_foot(walled, entry_y, expected):
    label = Word("DISTRICT", (4, 0, 54, 12), 0, walled=walled)
    entry = line(6, entry_y, "|North |Harrogate", number=1)
    found = link_by_rules([label, *entry], 1)
    assert [(pair.question, pair.answer) for pair in found] == expected


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="blank-page"),
        pytest.param([(0, 0, "QUARTERLY SALES REPORT")], id="heading"),
        pytest.param(
            [(0, 0, "We thank you for your letter"), (0, 18, "of May and will write again.")],
            id="running-text",
        ),
        pytest.param([(0, 0, "***"), (60, 0, "~~~")], id="decoration"),
    ],
)
def test_page_without_fields_has_no_pairs(lines):
    assert pairs(*lines) == []


def test_number_printed_up_the_margin_is_no_answer():
    up_the_margin = [Word("690", (100, -30, 116, 60), 1)]
    assert link_by_rules([*line(0, 0, "Code:"), *up_the_margin], 1) == ()


def test_pairs_come_row_by_row_with_their_boxes_and_page():
    first, second = link_by_rules(page((300, 0, "To: Ada"), (0, 3, "From: Grace Hopper")), 7)
    assert (first.question, second.question) == ("From:", "To:")
    assert first.question_box == (0, 3, 5 * LETTER, 3 + HEIGHT)
    assert first.answer_box == (6 * LETTER, 3, 18 * LETTER, 3 + HEIGHT)
    assert (first.page, first.confidence) == (7, None)


def test_part_of_a_narrow_word_keeps_a_width():
    word = Word("No:7", (10, 0, 12, 16), 0)
    assert [word.part(0, 3).box, word.part(3, 4).box] == [(10, 0, 12, 16), (11, 0, 12, 16)]


def test_equal_fields_are_all_kept():
    assert pairs((0, 0, "Date: 1/2/98"), (0, 60, "Date: 1/2/98")) == [("Date:", "1/2/98")] * 2


token = st.text("ABx 019:._[]()□X-", min_size=1, max_size=8).filter(lambda text: text.strip())
place = st.tuples(st.integers(0, 800), st.integers(0, 400), token)


@given(st.lists(place, max_size=25))
def test_any_page_gives_pairs_in_reading_order_with_text_and_boxes(lines):
    found = link_by_rules(page(*lines), 1)
    for pair in found:
        assert pair.question.strip()
        assert pair.answer is not None
        assert pair.answer.strip()
        for box in (pair.question_box, pair.answer_box):
            assert box is not None
            assert box[0] < box[2]
            assert box[1] < box[3]
    for one, other in pairwise(found):
        assert one.question_box is not None
        assert other.question_box is not None
        assert one.question_box[1] < other.question_box[3]
