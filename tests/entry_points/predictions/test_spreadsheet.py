"""No text of a document is a formula in a CSV file, and every text comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entry_points.predictions.table import from_cell, to_cell


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", " =1", "=HYPERLINK(1)", "＝１"],  # noqa: RUF001
)
def test_a_formula_becomes_a_text(text: str):
    assert to_cell(text) == f"'{text}"
    assert from_cell(to_cell(text)) == text


@pytest.mark.parametrize("text", ["", "a=1", "'tis", "12.50", "(5)", "''"])
def test_other_texts_stay_as_they_are(text: str):
    assert to_cell(text) == from_cell(text) == text


@given(st.text("'=+-@\t\r\n ＝a1") | st.text())  # noqa: RUF001
def test_every_text_comes_back(text: str):
    cell = to_cell(text)
    assert cell.lstrip()[:1] not in {*"=+-@"}
    assert from_cell(cell) == text
