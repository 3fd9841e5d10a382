"""Suites `throughput`: pages a second of both engines; and `stores`: traces a second.

`stores` also runs the main job, on each place where MLflow can store.
"""

from __future__ import annotations

import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from entry_points.benchmarks.environment import Environment, has_tesseract, read_pages, tesseract
from entry_points.benchmarks.measurements import Aim, Measurement, Sample, side_by_side
from entry_points.benchmarks.overhead import read_all, read_side_by_side
from entry_points.command_line.cli import UsageError

_LATENCY_S = 1.0
# Pages for each number of requests in flight.
_PAGES = {64: 512, 8: 24, 1: 3}
_MOST = max(_PAGES)
_LOCAL_PAGES = 6
_UNIT = "pages/s"
# What part of the bare client's rate is aimed at. It does no work on images. Up to 16 at once ours
# streams, 12 ms of CPU a page, so that a completion that repeats itself can be stopped.
_OF_BARE, _OF_BARE_STREAMED, _OF_BARE_ANEW = 0.95, 0.93, 0.90
_OF_IDEAL = {"off": 0.90, "on": 0.85}

STORES_VARIABLE = "BENCHMARK_STORES"
"""Addresses of further tracking stores, separated by blanks.

They may hold passwords, so they are not a parameter, which MLflow would store.
"""

_TRACED_PAGES = 100
_FORMS = 8
# Registered in each store, so that nobody's champion is touched.
_MODEL, _PROMPT = "ocr-benchmark", "ocr-benchmark-prompt"

# What a line measures, its unit, and the figure's name.
_STORE_FIGURES = (
    (f"main job, {_FORMS} forms, LLM", "s", "main_s"),
    ("traces written", "traces/s", "traces"),
    ("a page and its trace, this process", "CPU ms", "cpu_ms"),
)


def throughput(env: Environment, models: Mapping[str, str]) -> list[Measurement]:
    """Measure the LLM engine on a server of fixed latency, and the local engine."""
    return [*_llm(env, models["openai"]), *_local(env)]


def _llm(env: Environment, model_uri: str) -> list[Measurement]:
    taken = read_side_by_side(env, model_uri, _LATENCY_S, _PAGES, _readers(env))
    lines: list[Measurement] = []
    for most in _PAGES:
        lines += _at_once(most, taken, _OF_BARE if most == _MOST else _OF_BARE_STREAMED)
    widest, loop = taken["on"][f"rate_{_MOST}"], taken["plain"]["rate_1"]
    what, aim = f"{_MOST} at once, tracing on", Aim("ratio", False, 50.0)
    lines.append(_line(what, widest, "sequential loop", loop, aim))
    traces = taken["on"][f"traces_ms_{_MOST}"]
    lines.append(Measurement("traces written after the last page", "ms a page", traces))
    wide = {_MOST: _PAGES[_MOST]}
    anew = read_side_by_side(env, model_uri, _LATENCY_S, wide, _readers(env, anew=True))
    return [*lines, *_at_once(_MOST, anew, _OF_BARE_ANEW, ", encoded anew")]


def _readers(env: Environment, *, anew: bool = False) -> dict[str, Path]:
    """Return the same pages for each reader: PNG files to be sent as they are, or encoded again."""
    return dict.fromkeys(("plain", "off", "on"), env.pages(env.count(_PAGES[_MOST]), anew=anew))


def _at_once(
    most: int, taken: Mapping[str, Mapping[str, Sample]], of_bare: float, which: str = ""
) -> Iterator[Measurement]:
    """Compare predict with the bare client; the widest rates also with the ideal."""
    bare, ideal = taken["plain"][f"rate_{most}"], Sample((most / _LATENCY_S,))
    for mode, of_ideal in _OF_IDEAL.items():
        ours, what = taken[mode][f"rate_{most}"], f"{most} at once, tracing {mode}{which}"
        yield _line(what, ours, "bare client in threads", bare, Aim("ratio", False, of_bare))
        if most == _MOST:
            yield _line(what, ours, "ideal", ideal, Aim("ratio", False, of_ideal))
    if most == _MOST:
        yield _line(f"bare client, {most} at once{which}", bare, "ideal", ideal)


def _line(
    what: str, ours: Sample, against: str, theirs: Sample, aim: Aim | None = None
) -> Measurement:
    return Measurement(what, _UNIT, ours, against, theirs, aim)


def _local(env: Environment) -> list[Measurement]:
    pages = env.count(_LOCAL_PAGES, least=1)
    folder = env.pages(pages)
    cores = [1, 2] if (os.cpu_count() or 1) >= 2 else [1]
    taken = side_by_side(
        {str(count): partial(env.child, local_speed, folder, pages, count) for count in cores},
        env.repeats,
    )
    lines = []
    for count in cores:
        figures, what = taken[str(count)], f"local engine, {count} core{'s' * (count > 1)}"
        lines.append(_line(what, figures["ours"], "RapidOCR alone", figures["rapidocr"]))
        if "tesseract" in figures:
            lines.append(_line(what, figures["ours"], "Tesseract", figures["tesseract"]))
    one, aim = taken["1"], Aim("ratio", True, 0.05)
    linking, ocr = one["linking_s"], one["ocr_s"]
    lines.append(Measurement("pairs from words", "s a page", linking, "OCR", ocr, aim))
    if len(cores) > 1:
        two, aim = taken["2"]["ours"], Aim("ratio", False, 1.8)
        lines.append(_line("local engine, 2 cores", two, "1 core", one["ours"], aim))
    return lines


def local_speed(folder: str, count: str, cores: str) -> dict[str, float]:
    """Return pages a second and seconds a page on some cores (a child of `throughput`)."""
    most = int(cores)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:most])
    os.cpu_count = lambda: most  # thread pools take their size from it, and it ignores the affinity
    import rapidocr

    from ocr_extractor.engines.base import Page
    from ocr_extractor.engines.local.engine import LocalEngine
    from ocr_extractor.ocr.recognition import WordReader

    files = read_pages(folder, int(count))
    images = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
    engine, words = LocalEngine(), WordReader()
    alone = rapidocr.RapidOCR(params={"Global.log_level": "error"})

    def read(image: Image.Image) -> None:
        engine.read(Page(1, image), "")

    ocr_s, ours_s = _seconds(words.read, images), _seconds(read, images)
    with ThreadPoolExecutor(2 * most) as callers:
        side_by_side_s = _seconds(lambda pages: list(callers.map(read, pages)), [images])
    figures = {
        "rapidocr": len(files) / _seconds(alone, images),
        "ours": len(files) / side_by_side_s,
        "ocr_s": ocr_s / len(files),
        "linking_s": max(ours_s - ocr_s, 0.0) / len(files),
    }
    if has_tesseract():
        figures["tesseract"] = len(files) / _seconds(tesseract, files)
    return figures


def _seconds(work: Callable[[Any], object], inputs: list[Any]) -> float:
    """Return how long the work takes for all inputs, s; one call before does not count."""
    work(inputs[0])
    started = time.perf_counter()
    for each in inputs:
        work(each)
    return time.perf_counter() - started


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
            {kind: partial(_measure_store, env, uri, url) for kind, uri in by_kind.items()},
            env.repeats,
        )
    first = next(iter(by_kind))
    lines = []
    for what, unit, name in _STORE_FIGURES:
        for kind in by_kind:
            against = () if kind == first else (first, taken[first][name])
            lines.append(Measurement(f"{what}, {kind}", unit, taken[kind][name], *against))
    return lines


def _kind(address: str) -> str:
    scheme = address.partition(":")[0].partition("+")[0]
    return {"http": "mlflow server", "https": "mlflow server"}.get(scheme, scheme)


def _measure_store(env: Environment, uri: str, llm: str) -> dict[str, float]:
    """Run the main job on a store, then let its model read pages and write their traces."""
    environment = {"MLFLOW_TRACKING_URI": uri, "OPENAI_BASE_URL": llm}
    flags = [f"--dataset={env.dataset}", f"--limit={_FORMS}", "--engine=openai", "--cache=none"]
    names = [f"--model-name={_MODEL}", f"--prompt-name={_PROMPT}"]
    began = time.perf_counter()
    printed = env.run([sys.executable, "-m", "entry_points.main", *flags, *names], **environment)
    took = time.perf_counter() - began
    [version] = re.findall(rf"^models:/{_MODEL}/(\d+): ", printed, re.MULTILINE)
    pages = env.pages(env.count(_TRACED_PAGES))
    read = env.child(
        read_all,
        "on",
        f"models:/{_MODEL}/{version}",
        pages,
        f"8:{env.count(_TRACED_PAGES)}",
        **environment,
    )
    return {
        "main_s": took,
        "traces": 1000 / read["traces_ms_8"],
        "cpu_ms": read["all_cpu_ms_8"],
    }
