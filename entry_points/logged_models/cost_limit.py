"""Limits what documents that are read in parallel may cost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from entry_points.command_line.cli import UsageError

Row = dict[str, Any]


class CostCeiling:
    """Starts a document only if the run cannot exceed the limit; threads may share it.

    It assumes that each document costs as much as the most expensive so far. Until the first cost
    is known, documents are read one by one, so the first is always read.
    """

    def __init__(self, most: float | None) -> None:
        """Start with nothing spent of at most `most` USD; None for no limit."""
        self._most = most
        self._spent = 0.0
        self._most_expensive = 0.0
        self._running = 0
        self._price_unknown = False
        self._changed = threading.Condition()

    def read(self, read: Callable[[], Row]) -> Row | None:
        """Return the row of a document, read as soon as the limit allows it; None if never."""
        if self._most is None:
            return read()
        if not self._begin(self._most):
            return None
        row: Row = {}
        try:
            row = read()
        finally:
            self._end(row)
        return row

    def check(self) -> None:
        """Check after the last document that the limit could be kept.

        Raises:
            UsageError: The LLM's price is not known, so the others were not read.
        """
        if self._price_unknown:
            raise UsageError(
                "the LLM's price is not known, so --max-cost cannot be kept: log the extractor "
                "with the settings input_price and output_price."
            )

    def _begin(self, most: float) -> bool:
        with self._changed:
            while not self._price_unknown:
                ahead = (self._running + 1) * self._most_expensive
                fits = self._spent + ahead <= most if self._most_expensive else self._running == 0
                if fits:
                    self._running += 1
                    return True
                if self._running == 0:
                    return False
                self._changed.wait()
            return False

    def _end(self, row: Row) -> None:
        cost = row.get("cost")
        with self._changed:
            if cost is None and row.get("attempts"):
                # Requests that failed before anything was counted may have been billed.
                cost = self._most_expensive
                self._price_unknown |= row["input_tokens"] is not None
            self._spent += cost or 0.0
            self._most_expensive = max(self._most_expensive, cost or 0.0)
            self._running -= 1
            self._changed.notify_all()
