"""Suite `stores`: the main job, and traces a second, by where MLflow stores them."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping
from functools import partial
from itertools import chain

from entry_points.benchmarks.environment import Environment
from entry_points.benchmarks.measurements import Measurement, side_by_side
from entry_points.benchmarks.overhead import read_all
from entry_points.command_line.cli import UsageError

STORES_VARIABLE = "BENCHMARK_STORES"
"""Addresses of further tracking stores, separated by blanks.

They may hold passwords, so they are not a parameter, which MLflow would store.
"""

_PAGES = 100
_FORMS = 8
# Registered in each store, so that nobody's champion is touched.
_MODEL, _PROMPT = "ocr-benchmark", "ocr-benchmark-prompt"


def stores(stage: Environment, models: Mapping[str, str]) -> list[Measurement]:
    """Measure SQLite, and each further store that the environment names, side by side.

    `models` are not used: each store gets its own.

    Raises:
        UsageError: Two stores are of one kind, or the main job fails with one.
    """
    del models
    addresses = [f"sqlite:///{stage.folder / 'mlflow.db'}", *_further()]
    by_kind = {_kind(address): address for address in addresses}
    if len(by_kind) < len(addresses):
        raise UsageError(f"{STORES_VARIABLE} has two stores of one kind: name one of each.")
    with stage.llm(0.0) as url:
        taken = side_by_side(
            {kind: partial(_measure, stage, uri, url) for kind, uri in by_kind.items()},
            stage.repeats,
        )
    first = next(iter(by_kind))
    return list(
        chain.from_iterable(
            (
                Measurement(f"{what}, {kind}", unit, taken[kind][name])
                if kind == first
                else Measurement(
                    f"{what}, {kind}", unit, taken[kind][name], first, taken[first][name]
                )
                for kind in by_kind
            )
            for what, unit, name in (
                (f"main job, {_FORMS} forms, LLM", "s", "main_s"),
                ("traces written", "traces/s", "traces"),
                ("a page and its trace, this process", "CPU ms", "cpu_ms"),
            )
        )
    )


def _further() -> list[str]:
    return os.environ.get(STORES_VARIABLE, "").split()


def _kind(address: str) -> str:
    scheme = address.partition(":")[0].partition("+")[0]
    return {"http": "mlflow server", "https": "mlflow server"}.get(scheme, scheme)


def _measure(stage: Environment, uri: str, llm: str) -> dict[str, float]:
    """Run the main job on a store, then let its model read pages and write their traces."""
    environment = {"MLFLOW_TRACKING_URI": uri, "OPENAI_BASE_URL": llm}
    flags = [f"--dataset={stage.dataset}", f"--limit={_FORMS}", "--engine=openai", "--cache=none"]
    names = [f"--model-name={_MODEL}", f"--prompt-name={_PROMPT}"]
    began = time.perf_counter()
    printed = stage.run([sys.executable, "-m", "entry_points.main", *flags, *names], **environment)
    took = time.perf_counter() - began
    [version] = re.findall(rf"^models:/{_MODEL}/(\d+): ", printed, re.MULTILINE)
    pages = stage.pages(stage.count(_PAGES))
    read = stage.child(
        read_all,
        "on",
        f"models:/{_MODEL}/{version}",
        pages,
        f"8:{stage.count(_PAGES)}",
        **environment,
    )
    return {
        "main_s": took,
        "traces": 1000 / read["traces_ms_8"],
        "cpu_ms": read["all_cpu_ms_8"],
    }
