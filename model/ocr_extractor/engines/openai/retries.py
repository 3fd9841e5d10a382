"""Limits how often and how long the requests of a page are repeated."""

from __future__ import annotations

import random
import time

from ocr_extractor.engines.openai.rate_limit import LONGEST_PAUSE_S

# The wait doubles with each retry up to this, s (the same limit as in the openai SDK).
_LONGEST_DELAY_S = 8.0


class RetryBudget:
    """The retries that one page has left."""

    def __init__(self, max_retries: int, delay_s: float, max_seconds: float) -> None:
        """Begin to count.

        Args:
            max_retries: Most retries.
            delay_s: The first wait, s; it doubles with every retry.
            max_seconds: No retry begins later than this, s from now.
        """
        self._left = max_retries
        self._delay_s = delay_s
        self._deadline = time.monotonic() + max_seconds

    def next_delay(self, asked_s: float | None = None) -> float | None:
        """Take one retry; the server asks to wait `asked_s` seconds, None if it does not tell.

        Returns:
            How long to wait, s; None when there is no retry left, the server asks for more than
            is waited for, or the wait would end too late.
        """
        # Jitter: requests that failed together must not come back together.
        delay = self._delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        if asked_s is not None:
            if asked_s > LONGEST_PAUSE_S:
                return None
            delay += max(asked_s, 0.0)
        if self._left <= 0 or time.monotonic() + delay > self._deadline:
            return None
        self._left -= 1
        self._delay_s = min(2 * self._delay_s, _LONGEST_DELAY_S)
        return delay
