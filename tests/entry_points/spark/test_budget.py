"""What all models of a run ask for together stays within what the run may ask for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from entry_points.spark.run import Shares

CEILINGS = {"requests_per_minute": 0, "tokens_per_minute": 0, "max_size": 2048}


def test_divides_the_budget_among_the_tasks():
    shares = Shares.of(CEILINGS | {"requests_per_minute": 500}, max_concurrency=16, slots=4)
    assert shares.count == 4
    assert shares.settings == {"max_concurrency": 4, "requests_per_minute": 125, "cache": ""}


def test_a_model_gets_enough_documents_at_once_to_keep_its_requests_in_flight():
    assert Shares.of(CEILINGS, max_concurrency=256, slots=2).documents_at_once == 256
    assert Shares.of(CEILINGS, max_concurrency=8, slots=2).documents_at_once == 16


def test_fewer_tasks_run_where_there_is_not_one_request_for_each():
    assert Shares.of(CEILINGS, max_concurrency=3, slots=64).count == 3
    assert Shares.of(CEILINGS | {"requests_per_minute": 2}, max_concurrency=8, slots=64).count == 2


@given(st.integers(1, 512), st.integers(1, 999), st.integers(0, 5000), st.integers(0, 10**6))
def test_never_asks_for_more_and_no_share_is_empty(
    most: int, slots: int, requests: int, tokens: int
):
    config = {"requests_per_minute": requests, "tokens_per_minute": tokens}
    shares = Shares.of(config, most, slots)
    assert 1 <= shares.count <= slots
    for name, whole in (config | {"max_concurrency": most}).items():
        if whole:
            assert 1 <= shares.settings[name] <= whole // shares.count
        else:
            assert name not in shares.settings
