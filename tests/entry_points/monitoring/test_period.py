"""Times as users give them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entry_points.monitoring.records import Period

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("text", "hours"), [("90m", 1.5), ("24h", 24.0), ("7d", 168.0), ("2w", 336.0)]
)
def test_a_number_and_a_unit_end_now(text: str, hours: float) -> None:
    before = int(time.time() * 1000)
    period = Period.parse(text)
    assert before - 1 <= period.end_ms <= time.time() * 1000
    assert period.end_ms - period.start_ms == hours * HOUR_MS


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-11-01..2026-11-01", "2026-11-01T00:00Z..2026-11-02T00:00Z"),
        ("2026-11-01T08:00..2026-11-01T09:30", "2026-11-01T08:00Z..2026-11-01T09:30Z"),
        ("2026-11-01T08:00+01:00..2026-11-02", "2026-11-01T07:00Z..2026-11-03T00:00Z"),
    ],
)
def test_a_range_includes_its_last_day(text: str, told: str) -> None:
    assert str(Period.parse(text)) == told


@given(st.text())
def test_any_other_text_is_a_value_error(text: str) -> None:
    try:
        period = Period.parse(text)
    except ValueError:
        return
    assert period.start_ms < period.end_ms


@pytest.mark.parametrize(
    "text", ["0h", "999999w", "2026-13-01..2026-13-02", "9999-12-31..9999-12-31"]
)
def test_a_time_that_does_not_exist_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        Period.parse(text)
