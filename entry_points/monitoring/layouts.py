"""How far a document's layout is from those of other documents: for forms nobody has seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from entry_points.monitoring.records import Record

Numbers = npt.NDArray[np.float64]


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
