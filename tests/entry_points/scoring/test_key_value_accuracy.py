"""The blog post's metric, with what it loses."""

from __future__ import annotations

import pytest

from entry_points.scoring.key_value_accuracy import key_value_accuracy


@pytest.mark.parametrize(
    ("links", "predicted", "expected"),
    [
        pytest.param([("A", "1"), ("B", "2")], [("B", "2"), ("A", "1")], 1.0, id="all right"),
        pytest.param([("A", "1"), ("B", "2")], [("A", "1")], 0.5, id="one missed"),
        pytest.param([("A", "1")], [("A", "1"), ("B", "2")], 1.0, id="made up costs nothing"),
        pytest.param([("A", "1")], [("A", "1 ")], 0.0, id="a space in the answer is an error"),
        pytest.param([("A", "x")], [("A", "X")], 0.0, id="case in the answer is an error"),
        pytest.param([("Date:", "1")], [("DATE", "1")], 1.0, id="key case and colon do not count"),
        pytest.param([("A B", "1")], [("A  B", "1")], 0.0, id="key spaces do count"),
        pytest.param([("A-B_C", "1")], [("A B C", "1")], 0.0, id="key hyphens do count"),
        pytest.param([("A", "1"), ("A", "2")], [("A", "2")], 1.0, id="the last repeat is enough"),
        pytest.param([("A", "1"), ("A", "2")], [("A", "1 2")], 0.0, id="joined answers lose"),
        pytest.param([("A", "1")], [("A", "1"), ("A", "2")], 0.0, id="a later repeat overwrites"),
        pytest.param(
            [("A", "2")],
            [("A", "1"), ("A:", "2"), ("A", "3")],
            1.0,
            id="of keys cleaned alike the last to appear first wins",
        ),
        pytest.param([("A", "")], [("A", "")], 1.0, id="an empty answer counts"),
        pytest.param([], [], 0.0, id="no link"),
    ],
)
def test_worked_by_hand(links, predicted, expected):
    assert key_value_accuracy(links, predicted) == expected
