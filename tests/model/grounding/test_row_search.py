"""Rows of a table are placed on their lines of the page, and counted there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ocr_extractor.fields.rows import count_rows, join_rows
from ocr_extractor.grounding.row_search import place_rows, text_rows
from ocr_extractor.grounding.text_search import PageIndex
from ocr_extractor.ocr.words import Word

# Left edge of a table's columns, px.
_LEFT = (20, 300, 400)


def line(number: int, texts: tuple[str, ...]) -> list[Word]:
    """Return the words of a text row, each column a line of its own, as OCR gives them."""
    words = []
    for column, text in enumerate(texts):
        x = _LEFT[column]
        for part in text.split():
            box = (x, 100 + 30 * number, x + 10 * len(part), 120 + 30 * number)
            words.append(Word(part, box, 3 * number + column))
            x += 10 * len(part) + 8
    return words


def page(*lines: tuple[str, ...]) -> list[Word]:
    return [word for number, texts in enumerate(lines) for word in line(number, texts) if texts]


def rows_of(count: int, first: int = 1) -> list[tuple[str, ...]]:
    return [(f"Part {n}", str(n % 3 + 1), f"{n}.50") for n in range(first, first + count)]


def tops(words: list[Word], cells: Sequence[tuple[str, ...]]) -> list[list[int | None]]:
    placed = place_rows(cells, text_rows(words), PageIndex(words))
    return [[each.box and each.box[1] for each in row] for row in placed]


def counted(words: list[Word], cells: list[tuple[str, ...]]) -> int | None:
    rows = text_rows(words)
    return count_rows(cells, place_rows(cells, rows, PageIndex(words)), rows, [])


TITLES = ("Article", "Pieces", "Amount")


def test_every_cell_is_on_the_line_of_its_row():
    cells = rows_of(12)
    found = tops(page(TITLES, *cells), cells)
    assert found == [[132 + 30 * at] * 3 for at in range(12)]


def test_equal_rows_follow_each_other():
    cells = [("Part", "1", "2.00")] * 10
    found = [row[0] for row in tops(page(TITLES, *cells), cells)]
    assert found == [132 + 30 * at for at in range(10)]


def test_a_misread_row_is_found_by_what_is_left_of_it():
    cells = [("Part 1", "1", "1.50"), ("Screwdriver", "2", "7.50"), ("Part 3", "1", "3.50")]
    shown = page(TITLES, cells[0], ("5crewdrivor", "2", "7.50"), cells[2])
    assert tops(shown, cells)[1] == [162] * 3


def test_an_invented_cell_is_not_found():
    [row] = tops(page(TITLES, ("Part 1", "1", "1.50")), [("Part 1", "1", "977.77")])
    assert row == [132, 132, None]


def test_a_wrapped_text_has_a_box_around_its_lines():
    shown = page(TITLES, ("Green paint for", "1", "9.50"), ("wooden garden fences",), *rows_of(2))
    words = shown
    placed = place_rows(
        [("Green paint for wooden garden fences", "1", "9.50")],
        text_rows(words),
        PageIndex(words),
    )
    box = placed[0][0].box
    assert box is not None
    assert (box[1], box[3]) == (132, 178)


@pytest.mark.parametrize(
    ("shown", "read", "expected"),
    [
        (rows_of(12), 12, 12),
        (rows_of(12), 8, 12),
        ([*rows_of(12), ("Total", "", "90.00")], 8, 12),
        ([*rows_of(6), ("wrapped text",), *rows_of(6, 7)], 8, 12),
        ([*rows_of(8), *[()] * 8, ("Page 1 of 3", "2", "3")], 8, 8),
        (rows_of(12), 1, None),
        ([*rows_of(12), ("Total 12", "26", "90.00")], 12, 12),
        ([*rows_of(8), ("Sums 2", "1", "5.00"), *rows_of(4, 9)], 8, 13),
    ],
    ids=[
        *("all", "some missing", "a total", "wrapped", "after a gap", "one row tells too little"),
        "a total like a row",
        "an item like a total",
    ],
)
def test_rows_are_counted_by_what_stands_in_their_columns(
    shown: list[tuple[str, ...]], read: int, expected: int | None
):
    assert counted(page(TITLES, *shown), rows_of(12)[:read]) == expected


def test_cells_in_wrong_columns_do_not_make_other_lines_rows():
    cells = rows_of(8)
    shown = [each for cell in cells for each in (cell, ("Rebate 2", "5"))]
    cells[2] = cells[2][::-1]
    assert counted(page(TITLES, *shown), cells) == 8


A, B, C = ({"x": text} for text in "abc")


@pytest.mark.parametrize(
    ("first", "more", "shown", "expected"),
    [
        ([A, B], [C], 3, [A, B, C]),
        ([A, B], [A, B, C], 3, [A, B, C]),
        ([A, B], [B, C], 3, [A, B, C]),
        ([A, B], [B, C], 4, [A, B, B, C]),
        ([A, B], [B, C], None, [A, B, C]),
        ([A, B], [], 3, [A, B]),
    ],
    ids=["the rest", "all again", "overlap", "equal rows", "unknown", "nothing"],
)
def test_rows_that_were_asked_for_are_joined_once(
    first: list[dict[str, str]],
    more: list[dict[str, str]],
    shown: int | None,
    expected: list[dict[str, str]],
):
    assert join_rows(first, more, shown) == expected
