"""Suite `memory`: memory in use after thousands of documents."""

from __future__ import annotations

from collections.abc import Mapping

from entry_points.benchmarks.environment import Environment, read_pages
from entry_points.benchmarks.measurements import Aim, Measurement, Sample
from entry_points.benchmarks.overhead import reader
from entry_points.benchmarks.server import OURS, ServerProcess, ask, page_of, request_body, served
from entry_points.benchmarks.usage import cpu_s, rss_mb, rss_once_quiet, usage_of_tree

# Documents after which pools, threads and caches have their size.
_SETTLED = 100
_DOCUMENTS = 5000
_CLIENTS = 8
_AT_ONCE = 50


def memory(stage: Environment, models: Mapping[str, str]) -> list[Measurement]:
    """Measure how much memory the LLM engine holds more after many documents than after 100.

    Args:
        stage: Where to run.
        models: The URIs of the logged models.
    """
    lines = []
    count, pages = stage.count(_DOCUMENTS), stage.pages(_AT_ONCE)
    with stage.llm(0.0) as url:
        for mode in ("off", "on"):
            taken = stage.child(growth, mode, models["openai"], pages, count, OPENAI_BASE_URL=url)
            lines.append(_line(f"predict, {count:,} documents, tracing {mode}", taken))
        with served(stage, OURS, models["openai"], OPENAI_BASE_URL=url) as server:
            lines.append(
                _line(f"serve, {count:,} documents, tracing on", _serve(stage, server, count))
            )
    return lines


def _line(what: str, taken: Mapping[str, float]) -> Measurement:
    against = f"after {_SETTLED}"
    ours, theirs = Sample.of(taken["end_mb"]), Sample.of(taken["start_mb"])
    return Measurement("memory", what, "MB", ours, against, theirs, Aim("adds", True, 50.0))


def _serve(stage: Environment, server: ServerProcess, count: int) -> dict[str, float]:
    body = request_body(page_of(stage))
    figures = {}
    for name, requests in {"start_mb": _SETTLED, "end_mb": count}.items():
        ask(server, body, _CLIENTS, max(1, requests // _CLIENTS))
        figures[name] = rss_once_quiet(lambda: usage_of_tree(server.group))
    return figures


def growth(mode: str, model_uri: str, pages: str, count: str) -> dict[str, float]:
    """Return resident memory, MB, after 100 documents and after many (a child of `memory`).

    Args:
        mode: Whether traces are written: "on" or "off".
        model_uri: The logged extractor.
        pages: A folder of documents.
        count: How many are read in all.
    """
    read = reader(mode, model_uri, _CLIENTS)
    documents = read_pages(pages, _AT_ONCE)
    figures, done = {}, 0
    for name, until in {"start_mb": _SETTLED, "end_mb": int(count)}.items():
        while done < until:
            read(documents)
            done += len(documents)
        figures[name] = rss_once_quiet(lambda: (cpu_s(), rss_mb()))
    return figures
