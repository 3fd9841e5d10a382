"""Suite `throughput`: pages a second of both engines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from functools import partial

from entry_points.benchmarks.lines import Aim, Line, Sample, side_by_side
from entry_points.benchmarks.overhead import read_side_by_side
from entry_points.benchmarks.stage import Stage

_LATENCY_S = 1.0
# Pages for each number of requests in flight.
_PAGES = {64: 512, 8: 24, 1: 3}
_LOCAL_PAGES = 6
_UNIT = "pages/s"


def throughput(stage: Stage, models: Mapping[str, str]) -> list[Line]:
    """Measure the LLM engine on a server of fixed latency, and the local engine.

    Args:
        stage: Where to run.
        models: The URIs of the logged models.
    """
    return [*_llm(stage, models["openai"]), *_local(stage)]


def _llm(stage: Stage, model_uri: str) -> list[Line]:
    taken = read_side_by_side(stage, model_uri, _LATENCY_S, _PAGES)
    lines = []
    for most in _PAGES:
        bare = taken["bare"][f"rate_{most}"]
        ideal = Sample.of(most / _LATENCY_S)
        for mode, of_bare, of_ideal in (("off", 1.0, 0.90), ("on", 0.95, 0.85)):
            ours, what = taken[mode][f"rate_{most}"], f"{most} at once, tracing {mode}"
            against = "bare client in threads"
            lines.append(_line(what, ours, against, bare, Aim("ratio", False, of_bare)))
            if most == max(_PAGES):
                lines.append(_line(what, ours, "ideal", ideal, Aim("ratio", False, of_ideal)))
        if most == max(_PAGES):
            lines.append(_line(f"bare client, {most} at once", bare, "ideal", ideal))
    widest, loop = taken["on"][f"rate_{max(_PAGES)}"], taken["bare"]["rate_1"]
    lines.append(
        _line("64 at once, tracing on", widest, "sequential loop", loop, Aim("ratio", False, 50.0))
    )
    traces = taken["on"][f"traces_ms_{max(_PAGES)}"]
    return [*lines, Line("throughput", "traces written after the last page", "ms a page", traces)]


def _line(what: str, ours: Sample, against: str, theirs: Sample, aim: Aim | None = None) -> Line:
    return Line("throughput", what, _UNIT, ours, against, theirs, aim)


def _local(stage: Stage) -> list[Line]:
    pages = stage.count(_LOCAL_PAGES, least=1)
    cores = [1, 2] if (os.cpu_count() or 1) >= 2 else [1]
    taken = side_by_side(
        {
            str(count): partial(stage.child, "local_speed", stage.dataset, pages, count)
            for count in cores
        },
        stage.repeats,
    )
    lines = []
    for count in cores:
        figures, what = taken[str(count)], f"local engine, {count} core{'s' * (count > 1)}"
        lines.append(_line(what, figures["ours"], "RapidOCR alone", figures["rapidocr"]))
        if "tesseract" in figures:
            lines.append(_line(what, figures["ours"], "Tesseract", figures["tesseract"]))
    one = taken["1"]
    lines.append(
        Line(
            "throughput",
            "pairs from words",
            "s a page",
            one["linking_s"],
            "OCR",
            one["ocr_s"],
            Aim("ratio", True, 0.05),
        )
    )
    if len(cores) > 1:
        two, aim = taken["2"]["ours"], Aim("ratio", False, 1.8)
        lines.append(_line("local engine, 2 cores", two, "1 core", one["ours"], aim))
    return lines


def has_tesseract() -> bool:
    """Tell whether Tesseract is installed."""
    return shutil.which("tesseract") is not None
