"""Suites `serving` and `startup`: the extractor compared with smaller models on MLflow's server."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from entry_points import ROOT
from entry_points.benchmarks.environment import Environment
from entry_points.benchmarks.measurements import Aim, Measurement, Sample, side_by_side
from entry_points.benchmarks.server import (
    MLFLOWS,
    OURS,
    ServerProcess,
    ask,
    page_of,
    request_body,
    served,
)

_CLIENTS = {1: 60, 8: 160, 32: 192}
"""Number of clients: number of requests of all of them together."""

_PERCENTILES = (50, 95, 99)

_ADDS = Aim("adds", True, 3.0)

# The name in the table of each served model.
_AGAINST = {"empty": "an empty model", "bare": "a model with the bare client"}

_LOAD = "import mlflow; mlflow.pyfunc.load_model({!r})"
# The LLM engine sends no request while it starts.
_NO_SERVER = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
_SAMPLES = 23


def serving(env: Environment, models: Mapping[str, str]) -> list[Measurement]:
    """Measure requests to the extractor, and to two minimal models on MLflow's server."""
    page = page_of(env)
    sent = {"page": request_body(page)}
    bodies = {"bare": sent} | dict.fromkeys(  # the bare client does not refuse a page: it fails
        ("ours", "empty"), sent | {"refused": request_body(b"no image" + page)}
    )
    with (
        env.llm(0.0) as url,
        served(env, OURS, models["openai"], OPENAI_BASE_URL=url) as ours,
        served(env, MLFLOWS, models["empty"]) as empty,
        served(env, MLFLOWS, models["bare"], OPENAI_BASE_URL=url) as bare,
    ):
        servers = {"ours": ours, "empty": empty, "bare": bare}
        taken = side_by_side(
            {
                name: partial(_ask_all, env, server, bodies[name])
                for name, server in servers.items()
            },
            env.repeats,
        )
    lines = [line for clients in _CLIENTS for line in _serving_lines(clients, taken)]
    refused = {name: taken[name]["p50_refused"] for name in ("ours", "empty")}
    what, against = "1 client, p50, a page that is refused at once", _AGAINST["empty"]
    refusal = Measurement(what, "ms", refused["ours"], against, refused["empty"], _ADDS)
    return [*lines, refusal]


def _serving_lines(
    clients: int, taken: Mapping[str, Mapping[str, Sample]]
) -> Iterator[Measurement]:
    what = f"{clients} client{'s' * (clients > 1)}"
    for name, against in _AGAINST.items():
        for percent in _PERCENTILES if name == "bare" else (50,):
            key = f"p{percent}_{clients}"
            aim = _ADDS if (percent, clients) == (50, 1) else None
            ours, theirs = taken["ours"][key], taken[name][key]
            yield Measurement(f"{what}, p{percent}", "ms", ours, against, theirs, aim)
        key = f"rate_{clients}"
        yield Measurement(what, "requests/s", taken["ours"][key], against, taken[name][key])


def _ask_all(
    env: Environment, server: ServerProcess, bodies: Mapping[str, bytes]
) -> dict[str, float]:
    """Send requests from 1, 8 and 32 clients; return percentiles, ms, and requests a second."""
    figures = {}
    if "refused" in bodies:
        refused = ask(server, bodies["refused"], 1, env.count(_CLIENTS[1]))
        figures["p50_refused"] = float(np.percentile(refused, 50))
    for clients, full in _CLIENTS.items():
        started = time.perf_counter()
        times = ask(server, bodies["page"], clients, env.count(full // clients))
        figures[f"rate_{clients}"] = len(times) / (time.perf_counter() - started)
        for percent in _PERCENTILES:
            figures[f"p{percent}_{clients}"] = float(np.percentile(times, percent))
    return figures


def startup(env: Environment, models: Mapping[str, str]) -> list[Measurement]:
    """Measure imports, loading and serving against MLflow, and the main job in a fresh clone."""
    extractors = {engine: models[engine] for engine in ("openai", "local")}
    loading = {name: _LOAD.format(uri) for name, uri in models.items() if name != "bare"}
    programs = {
        "mlflow": "import mlflow",
        "ours": "import mlflow, ocr_extractor.extractor",
    } | loading
    taken = side_by_side(
        {name: partial(_seconds_of, env, program) for name, program in programs.items()},
        env.repeats,
    )
    ready = side_by_side(
        {
            name: partial(
                _seconds_to_serve, env, OURS if name in extractors else MLFLOWS, models[name]
            )
            for name in loading
        },
        env.repeats,
    )
    lines = [
        _startup_line("import ocr_extractor", taken["ours"], "import mlflow", taken["mlflow"], 0.3)
    ]
    for engine in extractors:
        what, empty = f"load_model, {engine}", "an empty model"
        lines.append(_startup_line(what, taken[engine], empty, taken["empty"], 1.0))
        what = f"serve until ready, {engine}"
        lines.append(_startup_line(what, ready[engine], empty, ready["empty"], 2.0))
    what, aim = "main job on the samples, fresh clone, warm package cache", Aim("value", True, 60.0)
    return [*lines, Measurement.once(what, "s", _seconds_of_main_job(env), aim=aim)]


def _startup_line(
    what: str, ours: Mapping[str, Sample], against: str, theirs: Mapping[str, Sample], adds: float
) -> Measurement:
    return Measurement(what, "s", ours["s"], against, theirs["s"], Aim("adds", True, adds))


def _seconds_of(env: Environment, program: str) -> dict[str, float]:
    started = time.perf_counter()
    env.run([sys.executable, "-c", program], **_NO_SERVER)
    return {"s": time.perf_counter() - started}


def _seconds_to_serve(
    env: Environment, program: tuple[str, ...], model_uri: str
) -> dict[str, float]:
    started = time.perf_counter()
    with served(env, program, model_uri, **_NO_SERVER):
        return {"s": time.perf_counter() - started}


def _seconds_of_main_job(env: Environment) -> float:
    """Run the README's first command in a clone, in an environment that is built for it, s."""
    clone = env.folder / "clone"
    git, manager = shutil.which("git") or "git", "uv" if shutil.which("uv") else "local"
    env.run([git, "clone", "--quiet", str(ROOT), str(clone)])
    words = [sys.executable, "-m", "mlflow", "run", str(clone), "--env-manager", manager]
    fresh = {
        "MLFLOW_ENV_ROOT": str(env.folder / "environments"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{clone / 'mlflow.db'}",
        "PYTHONPATH": "",
    }
    started = time.perf_counter()
    env.run([*words, "-P", "engine=local", "-P", f"limit={env.limit(_SAMPLES)}"], **fresh)
    return time.perf_counter() - started
