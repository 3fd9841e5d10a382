"""What is watched: numbers of a document, and how much of a change of their mean counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from entry_points.monitoring.records import Record
from entry_points.scoring.counts import Numbers

Verdict = Literal["ok", "look", "worse"]
Number = float | None


@dataclass(frozen=True)
class Watch:
    """A line of the report.

    Attributes:
        name: What it is.
        of: Returns the number of a document; None where it has none.
        change: The verdict on a change that counts: quality is `worse`, anything else is a `look`.
        side: Which change counts.
        least: The smallest change of the mean that counts, as a share of the baseline's mean where
            `relative`.
        relative: See `least`.
        floor: What a relative change must reach, too, in the unit of the number.
    """

    name: str
    of: Callable[[Record], Number]
    change: Verdict
    side: Literal["higher", "lower", "either"]
    least: float
    relative: bool = False
    floor: float = 0.0


def _share(part: str, *others: str) -> Callable[[Record], Number]:
    """Return the share of one count in the sum of it and others."""

    def of(record: Record) -> Number:
        whole = sum(record.counts[name] for name in (part, *others))
        return record.counts[part] / whole if whole else None

    return of


def _of_leaves(of: Callable[[Record], Number]) -> Callable[[Record], Number]:
    """Leave out documents without a schema: pairs are never absent or invalid."""
    return lambda record: of(record) if record.row["fields"] else None


def mean_confidence(record: Record) -> Number:
    """Return the mean confidence of what was read, [0, 1]; None where nothing has one."""
    counted = record.counts["confidences"]
    total = sum(counted)
    middles = ((at + 0.5) / len(counted) for at in range(len(counted)))
    return sum(n * m for n, m in zip(counted, middles, strict=True)) / total if total else None


def _failed(record: Record) -> float:
    return float(bool(record.row["error_code"]))


def _fails_a_check(record: Record) -> float:
    return float(record.counts["failed_checks"] > 0)


def _a_page(of: Callable[[Record], Number]) -> Callable[[Record], Number]:
    def divided(record: Record) -> Number:
        value, pages = of(record), record.row["page_count"]
        return value / pages if value is not None and pages else None

    return divided


def _found(record: Record) -> float:
    return float(record.counts["found"] + record.counts["invalid"])


def _tokens(record: Record) -> Number:
    """Return the tokens of a document that was asked for: kept completions cost none."""
    counted = record.row["input_tokens"], record.row["output_tokens"]
    if None in counted or record.row["cache_hits"]:
        return None
    return float(sum(counted))


def _cost(record: Record) -> Number:
    cost: Number = record.row["cost"]
    return None if record.row["cache_hits"] else cost


def _of_pages(name: str) -> Callable[[Record], Number]:
    return lambda record: record.mean_of_pages(name)


WATCHES: Sequence[Watch] = (
    Watch("failed documents", _failed, "worse", "higher", 0.03),
    Watch("grounded", _share("grounded", "ungrounded"), "worse", "lower", 0.05),
    Watch("accepted", _share("accepted", "unaccepted"), "worse", "lower", 0.05),
    Watch("confidence", mean_confidence, "worse", "lower", 0.05),
    Watch("documents with a failed check", _of_leaves(_fails_a_check), "worse", "higher", 0.05),
    Watch(
        "invalid",
        _of_leaves(_share("invalid", "found", "blank", "absent")),
        "worse",
        "higher",
        0.03,
    ),
    Watch("OCR score", _of_pages("word_score"), "worse", "lower", 0.02),
    Watch("blank", _share("blank", "found", "invalid"), "look", "either", 0.1),
    Watch(
        "absent", _of_leaves(_share("absent", "found", "blank", "invalid")), "look", "either", 0.1
    ),
    Watch("found a page", _a_page(_found), "look", "either", 0.25, relative=True),
    Watch("words a page", _of_pages("words"), "look", "either", 0.25, relative=True),
    Watch("contrast", _of_pages("contrast"), "look", "either", 0.1),
    Watch("sharpness", _of_pages("sharpness"), "look", "either", 0.1),
    Watch("tokens a page", _a_page(_tokens), "look", "higher", 0.25, relative=True),
    Watch("USD a page", _a_page(_cost), "look", "higher", 0.25, relative=True),
    Watch(
        "seconds a page", _a_page(lambda record: record.seconds), "look", "higher", 4.0, True, 5.0
    ),
)


def nearest(records: Sequence[Record], seen: Sequence[Record]) -> list[float | None]:
    """Return each document's distance to the nearest page of others; None without pages.

    The distance of two pages is the mean difference of the square roots of their cells' ink and,
    as one more cell, of the ratio of their sides; a document's is the mean of its pages.
    """
    known = _vectors(seen)
    return [
        float(np.mean([np.abs(known - page).mean(axis=1).min() for page in pages]))
        if len(known) and len(pages := _vectors([record]))
        else None
        for record in records
    ]


def halves(baseline: Sequence[Record]) -> tuple[Sequence[Record], Sequence[Record]]:
    """Split a baseline: what was seen, and documents to tell how far known layouts are from that.

    New documents are as far from the first half as those of the second, if nothing has changed.
    """
    in_any_order = sorted(baseline, key=lambda record: record.trace_id)
    return in_any_order[::2], in_any_order[1::2]


def _vectors(records: Sequence[Record]) -> Numbers:
    """Return (pages, cells + 1)."""
    pages = [page for record in records for page in record.pages if "layout" in page]
    if not pages:
        return np.empty((0, 0))
    cells = np.sqrt([page["layout"] for page in pages]).reshape(len(pages), -1)
    sides = np.array([page["width_px"] / page["height_px"] for page in pages])
    return np.column_stack([cells, 10 * np.log(sides)])
