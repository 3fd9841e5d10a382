"""Keeps a spreadsheet from running text of a CSV file as a formula."""

from __future__ import annotations

import re

# What begins a formula, by OWASP's "CSV Injection". A spreadsheet may pass over white space before
# it, and takes the full-width forms for the same.
_FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001 - full-width is meant


def to_cell(text: str) -> str:
    """Return a text with an apostrophe before it, where a spreadsheet would run it.

    A text that has apostrophes before a formula already gets one more, so that `from_cell` gives
    back every text.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """Return the text that `to_cell` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
