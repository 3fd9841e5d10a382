"""Shares out what there is a fixed amount of, such as memory, first come first served."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from math import inf
from typing import TYPE_CHECKING

from ocr_extractor.runtime.cancellation import check

if TYPE_CHECKING:
    from collections.abc import Iterator

# How often whoever waits looks whether its caller still does, s.
_LOOK_S = 0.25


class Budget:
    """An amount that many threads take their shares of.

    A share is taken as a whole, so that no two wait for each other; a large one is not overtaken by
    small ones, so that it gets its turn.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._waiting: deque[Share] = deque()
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """How many wait for a share."""
        return len(self._waiting)

    @contextlib.contextmanager
    def share(self, amount: int, until: float = inf) -> Iterator[Share]:
        """Wait for a share, and hold it for as long as the context lasts.

        Args:
            amount: How much is taken, at most the total.
            until: The moment (`time.monotonic`) at which waiting ends.

        Raises:
            TimeoutError: There was no share until then.
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
        """Let others have what a share no longer holds."""
        with self._changed:
            self._free += amount
            self._changed.notify_all()


class Share:
    """What one thread took of a budget.

    Attributes:
        amount: How much that is now.
    """

    def __init__(self, budget: Budget, amount: int) -> None:
        self._budget = budget
        self.amount = amount

    def keep(self, amount: int) -> None:
        """Give back all but `amount`."""
        kept = min(amount, self.amount)
        self._budget.give_back(self.amount - kept)
        self.amount = kept
