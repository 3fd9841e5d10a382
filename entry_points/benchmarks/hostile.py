"""Suite `hostile`: the served model reads good pages among hostile inputs and outages.

The inputs come in random order, seeded. The tracking server is stopped and continued twice.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from PIL import Image

from entry_points.benchmarks.environment import Environment, SuiteError, distinct_pages, encoded
from entry_points.benchmarks.hostile_inputs import (
    BODY_LIMIT,
    TRY_AGAIN,
    AnswerCounts,
    Send,
    hostile_inputs,
)
from entry_points.benchmarks.measurements import Aim, Measurement, rss_once_quiet, usage_of_tree
from entry_points.benchmarks.server import (
    OK,
    OPEN,
    OURS,
    ServerProcess,
    exchange,
    post,
    request_body,
    served,
    tracking_server,
)

_SECONDS = 600
_LEAST_S = 20
_CLIENTS = 8
_SEED = 42
_LATENCY_S = 0.2
_GOOD_PAGES = 12
# Good pages for each hostile input.
_GOOD_SHARE = 3
_WARM_UP = 100
# How long a good page is sent again while the server asks for it, s.
_PATIENCE_S = 180.0
# How much longer than the server's limit a request may take, s; threads wait on a busy machine.
_GRACE_S = 30.0
_PING_EVERY_S = 0.1
_PING_WITHIN_S = 0.5
_STOPS = 2


def hostile(env: Environment, models: Mapping[str, str]) -> list[Measurement]:
    """Serve the LLM engine to 8 clients that send good pages and hostile inputs.

    It takes ten minutes at scale 1, and at least 20 seconds.

    Raises:
        SuiteError: A good page was answered wrong, or a 5xx came that is neither 503 nor 504.
    """
    seconds = env.count(_SECONDS, least=_LEAST_S)
    timeout_s = min(60, seconds // 2)
    flags = ("--timeout", str(timeout_s), "--max-request-bytes", str(BODY_LIMIT))
    tally = AnswerCounts()
    with (
        env.llm(_LATENCY_S) as llm,
        tracking_server(env) as store,
        served(
            env,
            (*OURS, *flags),
            models["openai"],
            OPENAI_BASE_URL=llm,
            MLFLOW_TRACKING_URI=f"http://127.0.0.1:{store.port}",
        ) as server,
    ):
        good = _good_pages(env, server, env.count(_WARM_UP, least=_GOOD_PAGES))
        traces_before = _traces(env)
        start_mb = _memory_mb(server)
        with ThreadPoolExecutor(_CLIENTS + 1) as pool:
            pings = pool.submit(env.child, ping_for, server.port, seconds)
            until = time.monotonic() + seconds
            clients = [
                pool.submit(
                    _client, server.port, _inputs_of_client(good, number), until, timeout_s, tally
                )
                for number in range(_CLIENTS)
            ]
            for _ in range(_STOPS):
                time.sleep(seconds / (2 * _STOPS + 1))
                with store.stopped():
                    time.sleep(seconds / (2 * _STOPS + 1))
            for client in clients:
                client.result()
            ping = pings.result()
            tally.slowest_ping_s = ping["slowest_s"]
            tally.counts["/ping not answered"] += ping["unanswered"]
        end_mb = _memory_mb(server)
        dropped = _dropped(server)
    what, aim = "memory, server and its processes", Aim("adds", True, 100.0)
    lines = [
        *_lines(tally),
        Measurement.once(what, "MB", end_mb, "before", start_mb, aim=aim),
        Measurement.once("traces written", "traces", _traces(env) - traces_before),
        Measurement.once("traces dropped", "traces", dropped),
    ]
    return tally.check(lines)


@dataclass(frozen=True)
class _Good:
    """A good page: the body of its request, and its pairs when it is asked for alone."""

    body: bytes
    pairs: list[Any]


def _good_pages(env: Environment, server: ServerProcess, requests: int) -> list[_Good]:
    """Request good pages, PNG and PDF, one after the other; return them with their pairs."""
    pages = list(distinct_pages(env.dataset, _GOOD_PAGES))
    pages[::4] = [_pdf(page) for page in pages[::4]]
    bodies = [request_body(page) for page in pages]
    good: dict[str, _Good] = {}
    for number in range(requests):
        body = bodies[number % len(bodies)]
        status, answer = post([body], server.port, _PATIENCE_S)
        rows = json.loads(answer)["predictions"] if status == OK else [{"pairs": []}]
        if not (pairs := _pairs(rows[0])):
            raise SuiteError(f"A good page was answered with {status}: {answer[:500]!r}", [])
        good[json.dumps(pairs)] = _Good(body, pairs)
    if len(good) != len(pages):
        raise SuiteError(f"{len(pages)} good pages have {len(good)} answers.", [])
    return list(good.values())


def _pdf(png: bytes) -> bytes:
    return encoded(Image.open(io.BytesIO(png)).convert("L"), "PDF", resolution=100)


def _pairs(row: Mapping[str, Any]) -> list[Any]:
    return [[pair["question"], pair["answer"]] for pair in row["pairs"] or []]


def _inputs(good: list[_Good]) -> Iterator[_Good | tuple[str, Send]]:
    """Yield, without end, every hostile input once a round, in random order among good pages."""
    order = random.Random(_SEED)  # noqa: S311 - no secret
    hostile = list(hostile_inputs().items())
    while True:
        mixed: list[_Good | tuple[str, Send]] = [
            *hostile,
            *order.choices(good, k=_GOOD_SHARE * len(hostile)),
        ]
        order.shuffle(mixed)
        yield from mixed


def _inputs_of_client(good: list[_Good], number: int) -> Iterator[_Good | tuple[str, Send]]:
    """Return the part of all inputs that one client sends."""
    return islice(_inputs(good), number, None, _CLIENTS)


def _client(
    port: int,
    inputs: Iterable[_Good | tuple[str, Send]],
    until: float,
    timeout_s: float,
    tally: AnswerCounts,
) -> None:
    """Send one input after the other until the time is over."""
    for each in inputs:
        if time.monotonic() > until:
            return
        if isinstance(each, _Good):
            _ask_for_good_page(each, port, timeout_s, tally)
            continue
        name, send = each
        tally.note_sent(name)
        status, body = send(port, timeout_s + _GRACE_S)
        if status == OPEN:
            tally.note("requests that never ended")
        tally.note_answer(name, status, body)


def _ask_for_good_page(page: _Good, port: int, timeout_s: float, tally: AnswerCounts) -> None:
    """Send a good page, again where the server says so, and judge the answer."""
    tally.note("good pages sent")
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        status, body = post([page.body], port, timeout_s + _GRACE_S)
        rows = tally.note_answer("A good page", status, body)
        if status not in TRY_AGAIN or time.monotonic() > deadline:
            break
        tally.note("good pages sent again")
        time.sleep(1.0)
    if [_pairs(row) for row in rows] == [page.pairs]:
        tally.note("good pages answered right")
    else:
        tally.wrong.append(f"A good page was answered wrong, status {status}: {body[:300]!r}")


def ping_for(port: str, seconds: str) -> dict[str, float]:
    """Request /ping again and again, each time on a new connection.

    It runs in a process of its own: the threads of the eight clients would hold it up.

    Args:
        port: The server's port on 127.0.0.1.
        seconds: For how long, s.

    Returns:
        The longest time of one request, s, and how many were not answered.
    """
    slowest, unanswered = 0.0, 0
    until = time.monotonic() + float(seconds)
    while (started := time.monotonic()) < until:
        status, _ = exchange("GET", "/ping", [], int(port))
        slowest = max(slowest, time.monotonic() - started)
        unanswered += status != OK
        time.sleep(_PING_EVERY_S)
    return {"slowest_s": slowest, "unanswered": unanswered}


def _memory_mb(server: ServerProcess) -> float:
    return rss_once_quiet(lambda: usage_of_tree(server.group))


def _traces(env: Environment) -> int:
    """Count the traces in the store; MLflow has no way to count without fetching them."""
    with contextlib.closing(sqlite3.connect(env.folder / "mlflow.db")) as store:
        return int(store.execute("SELECT COUNT(*) FROM trace_info").fetchone()[0])


def _dropped(server: ServerProcess) -> float:
    _, counts = exchange("GET", "/metrics", [], server.port)
    found = re.search(rb"^ocr_extractor_traces_dropped_total (\S+)", counts, re.MULTILINE)
    if not found:
        raise SuiteError("The server's /metrics does not tell how many traces it dropped.", [])
    return float(found[1])


def _lines(tally: AnswerCounts) -> list[Measurement]:
    """Return the lines of what was sent and answered."""
    once, counts = Measurement.once, tally.counts
    right, sent = "good pages answered right", "good pages sent"
    every, quick = Aim("ratio", False, 1.0), Aim("value", True, _PING_WITHIN_S)
    lines = [
        once(right, "pages", counts[right], "sent", counts[sent], aim=every),
        once("slowest /ping", "s", tally.slowest_ping_s, aim=quick),
    ]
    for name in ("/ping not answered", "requests that never ended"):
        lines.append(once(name, "times", counts[name], aim=Aim("value", True, 0)))
    what, kinds, there_are = "kinds of hostile inputs sent", len(tally.kinds), len(hostile_inputs())
    lines.append(once(what, "kinds", kinds, "there are", there_are, aim=every))
    lines.append(once("hostile inputs sent", "times", tally.kinds.total()))
    others = counts.keys() - {sent, *(line.what for line in lines)}
    return [*lines, *(once(name, "times", counts[name]) for name in sorted(others))]
