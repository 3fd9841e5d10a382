"""Waiting for what happens soon, for as long as a busy machine may need."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], within_s: float = 300.0) -> T:
    """Return what the condition returns once that is true.

    Raises:
        AssertionError: It stayed false, or raised one itself, which ends the wait.
    """
    until = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < until, f"not within {within_s:.0f} s"
        time.sleep(0.01)
    return found


def stays(condition: Callable[[], object], for_s: float) -> bool:
    """Tell whether a condition is true all the time; a wait for what must not happen."""
    until = time.monotonic() + for_s
    while held := bool(condition()):
        if time.monotonic() >= until:
            break
        time.sleep(0.01)
    return held
