"""Draws invoices, credit notes and orders as letters of one or several pages."""

from __future__ import annotations

from data.generator.trade.draft import Draft
from data.generator.trade.letter import Letter, decide
from data.generator.trade.letter_foot import foot
from data.generator.trade.letter_head import head
from data.generator.trade.letter_table import table
from data.generator.trade.terms import draw_terms


def draw_invoice(draft: Draft) -> None:
    """Set an invoice's facts and print those that it shows."""
    _draw(Letter(draft, "invoices"))


def draw_order(draft: Draft) -> None:
    """Set an order's facts and print those that it shows."""
    _draw(Letter(draft, "orders"))


def _draw(letter: Letter) -> None:
    decide(letter)
    head(letter)
    table(letter)
    foot(letter)
    if letter.draft.chance(0.08):
        draw_terms(letter.draft, letter.look, letter.bold)
