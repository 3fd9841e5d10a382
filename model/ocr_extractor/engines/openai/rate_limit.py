"""The request rate of all threads of a loaded model, adapted to the answers of the server.

Requests in flight are halved when the server says that it is too much, and grow back by one for
every full round of answers (Chiu and Jain, "Analysis of the increase and decrease algorithms for
congestion avoidance", 1989).
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ocr_extractor.runtime.cancellation import check

# Longest pause that a server may ask for (the openai SDK has the same limit), s.
LONGEST_PAUSE_S = 120.0
# Assumed tokens of a page until the first answer.
_TOKENS_AT_FIRST = 2000.0
# A caller that leaves wakes no thread: how often a wait is interrupted to check, s.
_LOOK_EVERY_S = 1.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass
class Turn:
    """One request's turn; its sender notes the result here.

    Attributes:
        tokens: Tokens of the request; None if the server did not tell.
        pause_s: How long all requests must wait, s; None if the server reported no overload.
    """

    tokens: int | None = None
    pause_s: float | None = None


class RateLimiter:
    """Gives turns to send a request; safe to share between threads."""

    def __init__(self, most: int, requests_per_minute: int = 0, tokens_per_minute: int = 0) -> None:
        """Start at full width.

        Args:
            most: Most requests in flight.
            requests_per_minute: Ceiling, 0 for none; turns are spread evenly.
            tokens_per_minute: Ceiling, 0 for none; counted with the mean of the answers so far.
        """
        self._most = most
        self._width = float(most)
        self._in_flight = 0
        self._requests_per_minute = requests_per_minute
        self._tokens_per_minute = tokens_per_minute
        self._mean_tokens = _TOKENS_AT_FIRST
        self._not_before = 0.0
        self._narrowed_at = 0.0
        self._changed = threading.Condition()

    @property
    def width(self) -> int:
        """How many requests may be in flight now, at least 1."""
        return int(self._width)

    @contextlib.contextmanager
    def turn(self) -> Iterator[Turn]:
        """Wait for a turn, and hold it while the request is in flight.

        Raises:
            EngineError: With code `stopped`: the caller no longer waits.
        """
        started, expected = self._begin()
        turn = Turn()
        try:
            yield turn
        finally:
            self._end(turn, started, expected)

    def observe(self, headers: Mapping[str, str]) -> None:
        """Pause if an answer's rate-limit headers say that nothing is left until a reset."""
        for kind, needed in (("requests", 1.0), ("tokens", self._mean_tokens)):
            left = headers.get(f"x-ratelimit-remaining-{kind}", "")
            reset_s = parse_duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
            if left.isdecimal() and float(left) < needed and reset_s is not None:
                with self._changed:
                    self._pause(min(reset_s, LONGEST_PAUSE_S))

    def _begin(self) -> tuple[float, float]:
        with self._changed:
            while True:
                check()
                now = time.monotonic()
                if self._in_flight < self.width and now >= self._not_before:
                    break
                paused_s = self._not_before - now
                self._changed.wait(min(paused_s, _LOOK_EVERY_S) if paused_s > 0 else _LOOK_EVERY_S)
            self._in_flight += 1
            expected = self._mean_tokens
            self._not_before = max(now, self._not_before) + max(
                60 / self._requests_per_minute if self._requests_per_minute else 0.0,
                self._seconds_of(expected),
            )
            return now, expected

    def _end(self, turn: Turn, started: float, expected: float) -> None:
        with self._changed:
            self._in_flight -= 1
            if turn.tokens is not None:
                self._not_before += self._seconds_of(turn.tokens - expected)
                self._mean_tokens += (turn.tokens - self._mean_tokens) / 10
            if turn.pause_s is None:
                self._width = min(self._most, self._width + 1 / self._width)
            else:
                # Only the first of the requests that were in flight together reduces the number.
                if started >= self._narrowed_at:
                    self._width = max(1.0, self._width / 2)
                    self._narrowed_at = time.monotonic()
                self._pause(turn.pause_s)
            self._changed.notify_all()

    def _pause(self, seconds: float) -> None:
        self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _seconds_of(self, tokens: float) -> float:
        return tokens * 60 / self._tokens_per_minute if self._tokens_per_minute else 0.0


def parse_duration(text: str) -> float | None:
    """Read a duration as rate-limit headers write it ("1s", "6m0s", "120ms"), s; else None."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)
