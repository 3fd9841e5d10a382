"""Suite `overhead`: what a page costs beside the engine that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from entry_points.benchmarks.lines import Aim, Line, side_by_side
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
    size = f"1:{stage.count(_PAGES_READ)}"
    with stage.llm(0.0) as url:
        taken = side_by_side(
            {
                mode: partial(
                    stage.child,
                    "reading",
                    mode,
                    model_uri,
                    stage.dataset,
                    size,
                    OPENAI_BASE_URL=url,
                )
                for mode in ("bare", "off", "on")
            },
            stage.repeats,
        )
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
