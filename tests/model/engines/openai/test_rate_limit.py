"""The pace of requests: one pool for all threads."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ocr_extractor.engines.openai.rate_limit import RateLimiter, parse_duration
from ocr_extractor.errors import EngineError
from ocr_extractor.runtime.cancellation import stopped_by


def rounds(rate_limiter: RateLimiter, times: int, pause_s: float | None = None) -> None:
    for _ in range(times):
        with rate_limiter.turn() as turn:
            turn.pause_s = pause_s


def test_a_complaint_halves_the_width_and_answers_let_it_grow_back():
    rate_limiter = RateLimiter(16)
    rounds(rate_limiter, 1, pause_s=0.0)
    assert rate_limiter.width == 8
    rounds(rate_limiter, 1, pause_s=0.0)
    assert rate_limiter.width == 4
    rounds(rate_limiter, 5)
    assert rate_limiter.width == 5
    rounds(rate_limiter, 200)
    assert rate_limiter.width == 16


def test_width_never_falls_below_one():
    rate_limiter = RateLimiter(3)
    rounds(rate_limiter, 5, pause_s=0.0)
    assert rate_limiter.width == 1


def test_complaints_about_the_same_moment_count_once():
    rate_limiter = RateLimiter(8)
    together = threading.Barrier(8)

    def send() -> None:
        with rate_limiter.turn() as turn:
            together.wait()
            turn.pause_s = 0.0

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(send) for _ in range(8)]:
            each.result()
    assert rate_limiter.width == 4


def test_no_more_than_the_width_is_in_flight():
    rate_limiter, lock, in_flight, most = RateLimiter(3), threading.Lock(), 0, 0

    def send() -> None:
        nonlocal in_flight, most
        with rate_limiter.turn():
            with lock:
                in_flight += 1
                most = max(most, in_flight)
            time.sleep(0.02)
            with lock:
                in_flight -= 1

    with ThreadPoolExecutor(12) as pool:
        for each in [pool.submit(send) for _ in range(36)]:
            each.result()
    assert most == 3


def test_a_caller_that_leaves_does_not_wait_for_the_requests_of_others():
    rate_limiter, stop, waits = RateLimiter(1), threading.Event(), threading.Event()

    def send() -> None:
        with stopped_by(stop):
            waits.set()
            with rate_limiter.turn():
                pass

    with ThreadPoolExecutor(1) as pool, rate_limiter.turn():
        waiting = pool.submit(send)
        waits.wait()
        stop.set()
        with pytest.raises(EngineError, match="cancelled"):
            waiting.result(60)


def seconds_of(rate_limiter: RateLimiter, times: int, tokens: int | None = None) -> float:
    started = time.monotonic()
    for _ in range(times):
        with rate_limiter.turn() as turn:
            turn.tokens = tokens
    return time.monotonic() - started


def test_requests_per_minute_are_spread():
    assert seconds_of(RateLimiter(8, requests_per_minute=1200), 5) >= 4 * 60 / 1200


def test_tokens_per_minute_count_what_was_really_used():
    a_page_s = 0.05
    rate_limiter = RateLimiter(8, tokens_per_minute=round(2000 * 60 / a_page_s))
    assert seconds_of(rate_limiter, 3, tokens=6000) >= 2 * 3 * a_page_s
    assert seconds_of(RateLimiter(8, tokens_per_minute=10**9), 50, tokens=6000) < 10


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "200ms"}, True),
        ({"x-ratelimit-remaining-tokens": "12", "x-ratelimit-reset-tokens": "200ms"}, True),
        ({"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "60s"}, False),
        ({"x-ratelimit-remaining-requests": "0"}, False),
        ({"x-ratelimit-remaining-requests": "soon", "x-ratelimit-reset-requests": "60s"}, False),
        ({}, False),
    ],
)
def test_rate_limit_headers_are_honoured(headers: dict[str, str], waits: bool):
    rate_limiter, started = RateLimiter(8), time.monotonic()
    rate_limiter.observe(headers)
    seconds_of(rate_limiter, 1)
    took_s = time.monotonic() - started
    assert took_s >= 0.2 if waits else took_s < 30


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("", None), ("2", None)],
)
def test_durations(text: str, seconds: float | None):
    assert parse_duration(text) == seconds
