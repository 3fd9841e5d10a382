"""Suite `overhead`: what a page costs beside the engine that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from entry_points.benchmarks.lines import Aim, Line, Sample, side_by_side
from entry_points.benchmarks.stage import Stage

_PAGES_PREPARED = 100
_PAGES_READ = 100


def overhead(stage: Stage, models: Mapping[str, str]) -> list[Line]:
    """Measure the way from a document to its request, and predict on a server that answers at once.

    Args:
        stage: Where to run.
        models: The URIs of the logged models.
    """
    return [*_prepare(stage), *_predict(stage, models["openai"])]


def _prepare(stage: Stage) -> list[Line]:
    pages = stage.count(_PAGES_PREPARED)
    taken = side_by_side(
        {"both": partial(stage.child, "prepare", stage.dataset, pages)}, stage.repeats
    )["both"]
    what, unit = "document to request", "CPU ms a page"
    against = "Pillow + base64"
    return [
        Line(
            "overhead", what, unit, taken["ours"], against, taken["plain"], Aim("ratio", True, 1.3)
        ),
        Line("overhead", what, unit, taken["ours"], aim=Aim("value", True, 10.0)),
    ]


def _predict(stage: Stage, model_uri: str) -> list[Line]:
    taken = read_side_by_side(stage, model_uri, 0.0, {1: _PAGES_READ})
    unit, against = "CPU ms a page", "bare openai client"
    bare = taken["bare"]["cpu_ms_1"]
    lines = [
        Line(
            "overhead",
            f"predict, 0 ms server, tracing {mode}",
            unit,
            taken[mode]["cpu_ms_1"],
            against,
            bare,
            Aim("ratio", True, bound),
        )
        for mode, bound in (("off", 1.1), ("on", 1.3))
    ]
    # MLflow writes traces in the background, in part after predict has returned.
    written = taken["on"]["all_cpu_ms_1"]
    what = "predict, and its traces written"
    return [*lines, Line("overhead", what, unit, written, against, bare)]


def read_side_by_side(
    stage: Stage, model_uri: str, latency_s: float, pages: Mapping[int, int]
) -> dict[str, dict[str, Sample]]:
    """Let the bare client, and predict with tracing off and on, read pages.

    Args:
        stage: Where to run.
        model_uri: The extractor with the LLM engine.
        latency_s: How long the LLM takes for a page, s.
        pages: How many are read at full scale, by how many are read at once.

    Returns:
        What `reading` measures, of "bare", "off" and "on".
    """
    sizes = [f"{most}:{stage.count(full)}" for most, full in pages.items()]
    with stage.llm(latency_s) as url:
        child = partial(stage.child, "reading", OPENAI_BASE_URL=url)
        return side_by_side(
            {
                mode: partial(child, mode, model_uri, stage.dataset, *sizes)
                for mode in ("bare", "off", "on")
            },
            stage.repeats,
        )
