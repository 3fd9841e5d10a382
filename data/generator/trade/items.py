"""Draws the articles of a document: their rows' facts, which add up."""

from __future__ import annotations

from decimal import Decimal

from data.generator.trade.draft import Draft, cents
from data.generator.trade.labels import Labels


def draw_items(draft: Draft, labels: Labels, count: int, dear: float = 1.0) -> Decimal:
    """Set the facts of so many items; return the sum of their amounts.

    Args:
        draft: The document.
        labels: Of the document; they know the rate of tax.
        count: How many rows.
        dear: Factor of the prices.
    """
    total = Decimal(0)
    decimals = draft.pick((0, 0, 0, 0, 2)) if draft.chance(0.85) else 1
    step = draft.pick((1, 10))
    unit = draft.word("units")
    for row in range(count):
        path = f"items[{row}]."
        quantity = Decimal(draft.pick((1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 10, 12, 24, 50, 100)))
        if decimals and quantity < 13 and draft.chance(0.5):
            quantity += Decimal(draft.rng.randint(1, 9)) / 10
        price = cents(Decimal(str(dear * 10 ** draft.rng.uniform(-0.2, 2))))
        amount = cents(quantity * price)
        total += amount
        name = draft.word("items")
        if draft.chance(0.6):
            name = f"{name} {draft.word('specs')}"
        if draft.chance(0.15):
            name = f"{draft.name()} {name}"
        draft.set(f"{path}description", draft.cased(name))
        draft.set(f"{path}article_number", draft.filled(draft.pick(_CODES)))
        draft.set(f"{path}unit", unit if draft.chance(0.7) else draft.word("units"))
        exact = quantity.quantize(Decimal(1).scaleb(-decimals))
        draft.money(f"{path}quantity", exact)
        draft.money(f"{path}unit_price", price)
        draft.money(f"{path}amount", amount)
        draft.values[f"{path}position"] = (row + 1) * step
        draft.texts[f"{path}position"] = str((row + 1) * step)
        draft.values[f"{path}rate"] = float(labels.rate)
        rate = str(labels.rate).replace(".", draft.country["decimal"])
        end = draft.rate_end if labels.rate == int(labels.rate) else "%"
        draft.texts[f"{path}rate"] = f"{rate}{end}"
    return total


_CODES = ("{p6}", "{p4}-{p3}", "{T}{T}{p4}", "{p9}{p4}", "{T}-{p3}", "{p8}", "{p3}.{p2}")
