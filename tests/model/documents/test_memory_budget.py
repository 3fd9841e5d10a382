"""Shares of a budget are taken first come first served, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ocr_extractor.documents.limits import Budget
from ocr_extractor.errors import EngineError
from ocr_extractor.runtime.cancellation import stopped_by
from tests.waiting import wait_for


def test_no_more_than_the_total_is_held_at_once() -> None:
    budget, lock = Budget(10), threading.Lock()
    held, most = 0, 0

    def take(amount: int) -> None:
        nonlocal held, most
        with budget.share(amount):
            with lock:
                held += amount
                most = max(most, held)
            time.sleep(0.002)
            with lock:
                held -= amount

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(take, [1, 10, 3, 7, 5, 5, 2, 9] * 5))
    assert most == 10


def test_a_large_share_is_not_overtaken_by_small_ones() -> None:
    budget, order = Budget(10), []
    queued = threading.Semaphore(0)

    def take(amount: int) -> None:
        queued.release()
        with budget.share(amount):
            order.append(amount)

    with ThreadPoolExecutor(2) as threads:
        with budget.share(5):
            large = threads.submit(take, 10)
            queued.acquire()
            wait_for(lambda: budget.waiting)
            small = threads.submit(take, 1)  # there is room for it now
            queued.acquire()
            wait_for(lambda: budget.waiting == 2)
            assert order == []
        large.result(30)
        small.result(30)
    assert order == [10, 1]


def test_what_is_not_kept_is_for_others() -> None:
    budget = Budget(10)
    with budget.share(10) as first:
        first.keep(4)
        first.keep(9)  # what was given back does not come back
        with budget.share(6, time.monotonic() + 60):
            pass
    with budget.share(10, time.monotonic() + 60):
        pass


def test_waiting_ends_with_the_time_and_with_the_caller() -> None:
    budget, stop = Budget(1), threading.Event()
    with budget.share(1):
        with pytest.raises(TimeoutError), budget.share(1, time.monotonic() + 0.05):
            pass
        stop.set()
        with stopped_by(stop), pytest.raises(EngineError) as stopped, budget.share(1):
            pass
    assert stopped.value.code == "stopped"
    with budget.share(1, time.monotonic() + 60):  # neither kept its place in the queue
        pass
