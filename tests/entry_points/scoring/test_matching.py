"""What counts as the same text, and who is matched with whom."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entry_points.scoring.matching import (
    FUZZY_SIMILARITY,
    best_assignment,
    best_matches,
    normalise,
    similarities,
)

TEXTS = st.lists(st.text("ab", max_size=6), max_size=5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("  Date\tof \n birth ", "date of birth", id="whitespace"),
        pytest.param("NAME:", "name", id="colon"),
        pytest.param("... (Page 3) ", "page 3", id="both edges"),
        pytest.param("12/10/98", "12/10/98", id="punctuation inside"),
        pytest.param("\ufb01le \u2116 \uff12", "file no 2", id="NFKC"),
        pytest.param("STRASSE ß", "strasse ss", id="casefold"),
        pytest.param("$ 1,000.-", "$ 1,000", id="currency is content"),
        pytest.param(" -- ", "--", id="only punctuation"),
        pytest.param("   ", "", id="blank"),
    ],
)
def test_normalise_keeps_what_two_spellings_share(text, expected):
    assert normalise(text) == expected


def distance(left: str, right: str) -> int:
    """Wagner and Fischer's table, row by row, to hold the library's answer against."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        above, row = row, [i]
        for j, b in enumerate(right, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1]


@given(TEXTS, TEXTS)
def test_similarity_is_one_less_the_share_of_edits(left, right):
    table = similarities(left, right)
    assert table.shape == (len(left), len(right))
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            expected = 1 - distance(a, b) / max(len(a), len(b), 1)
            assert table[i, j] == pytest.approx(expected)


@pytest.mark.parametrize("length", range(5, 200, 5))
def test_a_fifth_of_the_text_wrong_is_still_fuzzily_the_same(length):
    wrong = "x" * (length // 5)
    right = "a" * (length - len(wrong))
    assert similarities(["a" * length], [right + wrong])[0, 0] >= FUZZY_SIMILARITY


def tables(elements):
    """Small tables of any shape, as lists of rows."""
    sizes = st.integers(1, 5)
    return st.tuples(sizes, sizes).flatmap(
        lambda shape: st.lists(
            st.lists(elements, min_size=shape[1], max_size=shape[1]),
            min_size=shape[0],
            max_size=shape[0],
        )
    )


def every_assignment(rows: int, columns: int):
    """All ways to give each of the shorter side a place of its own on the longer one."""
    if rows <= columns:
        return [list(enumerate(order)) for order in permutations(range(columns), rows)]
    return [[(r, c) for c, r in enumerate(order)] for order in permutations(range(rows), columns)]


@given(tables(st.integers(0, 9)))
def test_the_assignment_is_the_best_of_all(rows):
    weights = np.array(rows, dtype=np.float64)
    best = max(sum(weights[cell] for cell in cells) for cells in every_assignment(*weights.shape))
    assert sum(weights[cell] for cell in best_assignment(weights)) == best


NO, YES, BEST = (False, 0), (True, 0), (True, 4)


@given(tables(st.tuples(st.booleans(), st.integers(0, 4))))
@example([[YES, BEST, NO], [NO, YES, BEST], [NO, NO, YES]])  # two of the best, or three
def test_matches_are_as_many_as_can_be_and_then_the_preferred(rows):
    allowed = np.array([[cell[0] for cell in row] for row in rows])
    preference = np.array([[cell[1] / 4 for cell in row] for row in rows])

    def worth(cells):
        kept = [cell for cell in cells if allowed[cell]]
        return len(kept), sum(preference[cell] for cell in kept)

    matches = best_matches(allowed, preference)
    assert all(allowed[cell] for cell in matches)
    assert worth(matches) == max(worth(cells) for cells in every_assignment(*allowed.shape))


def test_nothing_is_matched_with_an_empty_side():
    empty = similarities(["a", "b"], [])
    assert best_assignment(empty) == []
    assert best_matches(empty > 0, empty) == []
