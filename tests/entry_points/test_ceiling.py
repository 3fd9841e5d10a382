"""The cost ceiling: what may begin, what waits, and what is not read."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from entry_points.command_line.cli import UsageError
from entry_points.logged_models.calls import CostCeiling

CENT: dict[str, Any] = {"cost": 0.01, "attempts": 1, "input_tokens": 60}
CACHED = CENT | {"cost": 0.0, "attempts": 0}
TIMEOUT = CENT | {"cost": None, "input_tokens": None}
UNPRICED = CENT | {"cost": None}
ONE_PAGE_FAILED = UNPRICED | {"error_code": "timeout"}


def read_one_by_one(ceiling: CostCeiling, *rows: dict[str, Any]) -> int:
    """Return how many documents were read before the ceiling, and none after it."""
    read = [ceiling.read(functools.partial(dict, row)) is not None for row in rows]
    assert read == sorted(read, reverse=True)
    return sum(read)


@pytest.mark.parametrize(
    ("most", "rows", "read"),
    [
        pytest.param(None, [CENT] * 5, 5, id="no ceiling"),
        pytest.param(0.035, [CENT] * 5, 3, id="between documents"),
        pytest.param(0.0, [CENT] * 5, 1, id="the first tells the price"),
        pytest.param(0.015, [CACHED, CACHED, CENT, CENT], 3, id="cached ones tell no price"),
        pytest.param(0.035, [CENT, CENT | {"cost": 0.02}, CENT], 2, id="as dear as the dearest"),
        pytest.param(0.035, [CENT, TIMEOUT, CENT, CENT], 3, id="failures may have been billed"),
        pytest.param(0.035, [CENT, ONE_PAGE_FAILED, CENT, CENT], 3, id="one page has failed"),
        pytest.param(None, [UNPRICED] * 3, 3, id="no price, no ceiling"),
    ],
)
def test_a_document_begins_only_if_it_fits(most: float | None, rows: list[Any], read: int):
    ceiling = CostCeiling(most)
    assert read_one_by_one(ceiling, *rows) == read
    ceiling.check()


def test_without_a_price_there_is_no_second_document():
    ceiling = CostCeiling(1.0)
    assert read_one_by_one(ceiling, UNPRICED, UNPRICED) == 1
    with pytest.raises(UsageError, match="input_price"):
        ceiling.check()


def side_by_side(ceiling: CostCeiling, documents: int, row: Callable[[], Any]) -> tuple[int, int]:
    """Return how many documents were read, and how many at most at a time."""
    lock, inside, most = threading.Lock(), 0, 0

    def read() -> Any:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.2)
        with lock:
            inside -= 1
        return row()

    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda _: ceiling.read(read), range(documents)))
    return sum(each is not None for each in rows), most


def test_documents_that_run_are_counted_as_spent():
    assert side_by_side(CostCeiling(0.045), 20, lambda: CENT) == (4, 3)


def test_until_there_is_a_price_one_is_read_at_a_time():
    assert side_by_side(CostCeiling(1.0), 6, lambda: CACHED) == (6, 1)


def test_a_document_that_raises_leaves_the_others_their_turn():
    def fail() -> dict[str, Any]:
        raise ValueError("no row")

    ceiling = CostCeiling(0.015)
    with pytest.raises(ValueError, match="no row"):
        ceiling.read(fail)
    assert read_one_by_one(ceiling, CENT, CENT) == 1
