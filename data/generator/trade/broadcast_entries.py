"""What the head of a broadcast order tells: labels with their values, in some order."""

from __future__ import annotations

import datetime

from data.generator.trade.draft import Draft, lexicon
from data.generator.trade.labels import Labels

_SHARES = {
    "contract": 0.96,
    "revision": 0.4,
    "alt_order": 0.5,
    "estimate": 0.6,
    "advertiser": 0.96,
    "product": 0.75,
    "agency": 0.5,
    "station": 0.5,
    "executive": 0.6,
    "buyer": 0.35,
    "entered": 0.5,
}
_CODED = ("advertiser", "product", "agency", "executive")
"""Names that may have their number in brackets behind them."""

_BILLED = ("Invoice Period", "Billing Period", "Statement Period", "Broadcast Month")
"""Labels of a range of dates that is not the flight."""

_BOTH = (
    *("Flight Dates", "Contract Dates", "Schedule Dates", "Order Dates", "Flight", "Period"),
    "Order Flight",
)

Entry = tuple[str, tuple[str, ...]]
"""A label, and the facts and marks behind it: what is no fact is printed as it is."""


def flight(draft: Draft) -> Entry:
    """Return the range of dates in which the spots run."""
    return draft.pick(_BOTH), ("start", "-", "end")


def entries_of(draft: Draft, labels: Labels) -> list[Entry]:
    """Draw what a head tells."""
    shown = {name for name, share in _SHARES.items() if draft.chance(share)}
    coded = draft.chance(0.25)
    entries: list[Entry] = []
    for name in _SHARES:
        if name not in shown or (name == "revision" and "contract" in shown):
            continue
        if name == "contract" and "revision" in shown and draft.chance(0.7):
            label = draft.pick(("Contract / Revision", "Order / Rev", "Contract/Rev"))
            entries.append((label, ("contract", "/", "revision")))
        elif name in _CODED and coded:
            entries.append((labels[name], (name, draft.filled("({p4})"))))
        else:
            entries.append((labels[name], (name,)))
    way = draft.pick(("both", "both", "two", "two", "none"))
    if way == "both":
        _insert(draft, entries, flight(draft))
    elif way == "two":
        at = draft.rng.randint(0, len(entries))
        entries[at:at] = [(labels[name], (name,)) for name in ("start", "end")]
    if draft.chance(0.3):
        _insert(draft, entries, _billed(draft))
    if draft.chance(0.25):
        _insert(draft, entries, _modified(draft))
    if draft.chance(0.25) and "Invoice" not in labels["contract"]:
        invoice = draft.pick(("Invoice", "Invoice #", "Invoice Number"))
        _insert(draft, entries, (invoice, (draft.filled("{p7}"),)))
    for label, text in draft.rng.sample(lexicon()["fillers"], draft.rng.randint(2, 8)):
        entries.insert(draft.rng.randint(1, len(entries)), (label, (text,)))
    return entries


def _insert(draft: Draft, entries: list[Entry], entry: Entry) -> None:
    entries.insert(draft.rng.randint(0, len(entries)), entry)


def _billed(draft: Draft) -> Entry:
    """Return the period of a bill: about a month, in which the flight begins."""
    start = datetime.date.fromisoformat(draft.values["start"])
    first = start - datetime.timedelta(days=draft.rng.randint(0, 27))
    days = (first, first + datetime.timedelta(days=27))
    return draft.pick(_BILLED), (" - ".join(map(draft.date, days)),)


def _modified(draft: Draft) -> Entry:
    """Return when the order was changed, some days after it was entered."""
    day = datetime.date.fromisoformat(draft.values["entered"])
    day += datetime.timedelta(days=draft.rng.randint(0, 30))
    return draft.pick(("Last Modified", "Modified", "Revised", "Mod Date")), (draft.date(day),)
