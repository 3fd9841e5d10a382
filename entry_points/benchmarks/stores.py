"""Suite `stores`: the main job, and traces a second, by where MLflow stores them."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping
from functools import partial

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

# What a line measures, its unit, and the figure's name.
_FIGURES = (
    (f"main job, {_FORMS} forms, LLM", "s", "main_s"),
    ("traces written", "traces/s", "traces"),
    ("a page and its trace, this process", "CPU ms", "cpu_ms"),
)


def stores(env: Environment, models: Mapping[str, str]) -> list[Measurement]:  # noqa: ARG001
    """Measure SQLite, and each further store that the environment names, side by side.

    Each store gets a model of its own.

    Raises:
        UsageError: Two stores are of one kind, or the main job fails with one.
    """
    further = os.environ.get(STORES_VARIABLE, "").split()
    addresses = [f"sqlite:///{env.folder / 'mlflow.db'}", *further]
    by_kind = {_kind(address): address for address in addresses}
    if len(by_kind) < len(addresses):
        raise UsageError(f"{STORES_VARIABLE} has two stores of one kind: name one of each.")
    with env.llm(0.0) as url:
        taken = side_by_side(
            {kind: partial(_measure, env, uri, url) for kind, uri in by_kind.items()},
            env.repeats,
        )
    first = next(iter(by_kind))
    lines = []
    for what, unit, name in _FIGURES:
        for kind in by_kind:
            against = () if kind == first else (first, taken[first][name])
            lines.append(Measurement(f"{what}, {kind}", unit, taken[kind][name], *against))
    return lines


def _kind(address: str) -> str:
    scheme = address.partition(":")[0].partition("+")[0]
    return {"http": "mlflow server", "https": "mlflow server"}.get(scheme, scheme)


def _measure(env: Environment, uri: str, llm: str) -> dict[str, float]:
    """Run the main job on a store, then let its model read pages and write their traces."""
    environment = {"MLFLOW_TRACKING_URI": uri, "OPENAI_BASE_URL": llm}
    flags = [f"--dataset={env.dataset}", f"--limit={_FORMS}", "--engine=openai", "--cache=none"]
    names = [f"--model-name={_MODEL}", f"--prompt-name={_PROMPT}"]
    began = time.perf_counter()
    printed = env.run([sys.executable, "-m", "entry_points.main", *flags, *names], **environment)
    took = time.perf_counter() - began
    [version] = re.findall(rf"^models:/{_MODEL}/(\d+): ", printed, re.MULTILINE)
    pages = env.pages(env.count(_PAGES))
    read = env.child(
        read_all,
        "on",
        f"models:/{_MODEL}/{version}",
        pages,
        f"8:{env.count(_PAGES)}",
        **environment,
    )
    return {
        "main_s": took,
        "traces": 1000 / read["traces_ms_8"],
        "cpu_ms": read["all_cpu_ms_8"],
    }
