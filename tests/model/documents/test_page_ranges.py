"""Which pages are asked for, as a caller writes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_extractor.documents.input_frame import PageSelection
from ocr_extractor.errors import InputError, RequestError


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7]),
        ("  ", [1, 2, 3, 4, 5, 6, 7]),
        ("1-3,7", [1, 2, 3, 7]),
        ("7, 1 ,2-2", [1, 2, 7]),
        ("2-4,3-5,3", [2, 3, 4, 5]),
        ("6-999999999", [6, 7]),
    ],
)
def test_pages_are_read_in_page_order_and_once(text: str, numbers: list[int]) -> None:
    assert PageSelection.parse(text).of(7) == numbers


@pytest.mark.parametrize(
    "text", ["0", "3-1", "1-", "-2", "1,,2", "1;2", "all", "1.5", "\u0661", "1" * 10, "1--2"]
)
def test_what_is_no_list_of_pages_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="write page numbers from 1 as in 1-3,7"):
        PageSelection.parse(text)


def test_a_list_that_takes_seconds_to_search_is_refused() -> None:
    with pytest.raises(RequestError, match="pages has 2,000,000 characters"):
        PageSelection.parse("9," * 1_000_000)


def test_a_document_without_any_of_them_fails_alone() -> None:
    with pytest.raises(InputError, match="None of the document's 2 pages") as error:
        PageSelection.parse("3-9").of(2)
    assert error.value.code == "no_such_page"


@given(st.sets(st.integers(1, 40), min_size=1), st.integers(1, 40))
def test_listed_one_by_one_they_are_those_that_exist(wanted: set[int], count: int) -> None:
    selection = PageSelection.parse(",".join(map(str, wanted)))
    if expected := sorted(number for number in wanted if number <= count):
        assert selection.of(count) == expected
    else:
        with pytest.raises(InputError):
            selection.of(count)
