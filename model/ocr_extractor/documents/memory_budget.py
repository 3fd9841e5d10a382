"""Shares a fixed amount, such as memory, between threads: first come, first served."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from math import inf

from ocr_extractor.runtime.cancellation import check

# How often a waiting thread checks that its caller still waits, s.
_LOOK_S = 0.25


class Budget:
    """An amount of which many threads take shares.

    A share is taken as a whole, so that two threads never wait for each other. Small shares do not
    overtake a large one.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._waiting: deque[Share] = deque()
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """How many threads wait for a share."""
        return len(self._waiting)

    @contextlib.contextmanager
    def share(self, amount: int, until: float = inf) -> Iterator[Share]:
        """Wait for a share, and hold it for as long as the context lasts.

        Args:
            amount: How much is taken, at most the total.
            until: The moment (`time.monotonic`) at which waiting ends.

        Raises:
            TimeoutError: There was no share in time.
            EngineError: With code `stopped`: the caller no longer waits.
        """
        share = Share(self, amount)
        self._wait(share, until)
        try:
            yield share
        finally:
            share.keep(0)

    def _wait(self, share: Share, until: float) -> None:
        with self._changed:
            self._waiting.append(share)
            try:
                while self._waiting[0] is not share or self._free < share.amount:
                    check()
                    if (left := until - time.monotonic()) <= 0:
                        raise TimeoutError
                    self._changed.wait(min(left, _LOOK_S))
                self._free -= share.amount
            finally:
                self._waiting.remove(share)
                self._changed.notify_all()

    def give_back(self, amount: int) -> None:
        """Return a part of a share to the budget."""
        with self._changed:
            self._free += amount
            self._changed.notify_all()


class Share:
    """The share of one thread, and its current size."""

    def __init__(self, budget: Budget, amount: int) -> None:
        self._budget = budget
        self.amount = amount

    def keep(self, amount: int) -> None:
        """Give back all but `amount`."""
        kept = min(amount, self.amount)
        self._budget.give_back(self.amount - kept)
        self.amount = kept
