"""Suite `startup`: the time until the first page."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from functools import partial

from entry_points import ROOT
from entry_points.benchmarks.lines import Aim, Line, Sample, side_by_side
from entry_points.benchmarks.serving import MLFLOWS, OURS, served
from entry_points.benchmarks.stage import Stage

_LOAD = "import mlflow; mlflow.pyfunc.load_model({!r})"
# The LLM engine asks no server while it starts.
_NO_SERVER = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
_SAMPLES = 23


def startup(stage: Stage, models: Mapping[str, str]) -> list[Line]:
    """Measure imports, loading and serving against MLflow alone, and the main job in a fresh clone.

    Args:
        stage: Where to run.
        models: The URIs of the logged models.
    """
    extractors = {engine: models[engine] for engine in ("openai", "local")}
    loading = {name: _LOAD.format(uri) for name, uri in models.items() if name != "bare"}
    programs = {
        "mlflow": "import mlflow",
        "ours": "import mlflow, ocr_extractor.extractor",
    } | loading
    taken = side_by_side(
        {name: partial(_seconds_of, stage, program) for name, program in programs.items()},
        stage.repeats,
    )
    ready = side_by_side(
        {
            name: partial(
                _seconds_to_serve, stage, OURS if name in extractors else MLFLOWS, models[name]
            )
            for name in loading
        },
        stage.repeats,
    )
    lines = [_line("import ocr_extractor", taken["ours"], "import mlflow", taken["mlflow"], 0.3)]
    for engine in extractors:
        what, empty = f"load_model, {engine}", "an empty model"
        lines.append(_line(what, taken[engine], empty, taken["empty"], 1.0))
        what = f"serve until ready, {engine}"
        lines.append(_line(what, ready[engine], empty, ready["empty"], 2.0))
    main_job = Sample.of(_seconds_of_main_job(stage))
    what = "main job on the samples, fresh clone, warm package cache"
    return [*lines, Line("startup", what, "s", main_job, aim=Aim("value", True, 60.0))]


def _line(
    what: str, ours: Mapping[str, Sample], against: str, theirs: Mapping[str, Sample], adds: float
) -> Line:
    return Line("startup", what, "s", ours["s"], against, theirs["s"], Aim("adds", True, adds))


def _seconds_of(stage: Stage, program: str) -> dict[str, float]:
    started = time.perf_counter()
    stage.run([sys.executable, "-c", program], **_NO_SERVER)
    return {"s": time.perf_counter() - started}


def _seconds_to_serve(stage: Stage, program: tuple[str, ...], model_uri: str) -> dict[str, float]:
    started = time.perf_counter()
    with served(stage, program, model_uri, **_NO_SERVER):
        return {"s": time.perf_counter() - started}


def _seconds_of_main_job(stage: Stage) -> float:
    """Run the README's first command in a clone, in an environment that is built for it, s."""
    clone = stage.folder / "clone"
    git, manager = shutil.which("git") or "git", "uv" if shutil.which("uv") else "local"
    stage.run([git, "clone", "--quiet", str(ROOT), str(clone)])
    words = [sys.executable, "-m", "mlflow", "run", str(clone), "--env-manager", manager]
    fresh = {
        "MLFLOW_ENV_ROOT": str(stage.folder / "environments"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{clone / 'mlflow.db'}",
        "PYTHONPATH": "",
    }
    started = time.perf_counter()
    stage.run([*words, "-P", "engine=local", "-P", f"limit={stage.limit(_SAMPLES)}"], **fresh)
    return time.perf_counter() - started
