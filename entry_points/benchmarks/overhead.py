"""Suites `overhead` and `memory`: the cost of a page without its engine, and memory in use.

The throughput suite reads pages with the same functions.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import PromptVersion

from entry_points import ROOT
from entry_points.benchmarks.environment import Environment, read_pages
from entry_points.benchmarks.measurements import (
    Aim,
    Measurement,
    Sample,
    cpu_s,
    rss_mb,
    rss_once_quiet,
    side_by_side,
    usage_of_tree,
)
from entry_points.benchmarks.models import BareClient, file_url, plain_request, redrawn_url
from entry_points.benchmarks.server import OURS, ServerProcess, ask, page_of, request_body, served
from entry_points.logged_models.calls import predict_rows
from entry_points.logged_models.loading import load_extractor

_PAGES_PREPARED = 100
_PAGES_READ = 100
_WARM_UP = 3
_TEMPLATE = ROOT / "model" / "prompts" / "ocr-question-answer.md"
# Documents after which pools, threads and caches have reached their size.
_SETTLED = 100
_DOCUMENTS = 5000
_CLIENTS = 8
_AT_ONCE = 50
_UNIT = "CPU ms a page"

# The bare client, by mode: how it makes a URL of a page.
_BARE = {"plain": file_url, "redrawn": redrawn_url}
# The extractor with tracing off and on.
_OURS = ("off", "on")

# Reads documents and returns once they are read.
Read = Callable[[list[bytes]], None]


def overhead(env: Environment, models: Mapping[str, str]) -> list[Measurement]:
    """Measure the CPU time from document to request, and of predict on a server without latency."""
    return [*_prepare(env), *_predict(env, models["openai"])]


def _prepare(env: Environment) -> list[Measurement]:
    pages = env.count(_PAGES_PREPARED)
    taken = side_by_side(
        {"both": partial(env.child, prepare, env.pages(pages), pages)}, env.repeats
    )["both"]
    what, ours, aim = "document to request", taken["ours"], Aim("ratio", True, 1.3)
    return [
        Measurement(what, _UNIT, ours, "Pillow + base64", taken["plain"], aim),
        Measurement(what, _UNIT, ours, aim=Aim("value", True, 10.0)),
    ]


def _predict(env: Environment, model_uri: str) -> list[Measurement]:
    folders = dict.fromkeys((*_BARE, *_OURS), env.pages(env.count(_PAGES_READ)))
    taken = read_side_by_side(env, model_uri, 0.0, {1: _PAGES_READ}, folders)
    what, against = "predict, 0 ms server, tracing {}", "openai client + Pillow"
    off, on, bare = (taken[mode]["cpu_ms_1"] for mode in ("off", "on", "redrawn"))
    # MLflow writes part of the traces in the background after predict has returned.
    written, plain = taken["on"]["all_cpu_ms_1"], taken["plain"]["cpu_ms_1"]
    return [
        Measurement(what.format("off"), _UNIT, off, against, bare, Aim("ratio", True, 1.1)),
        Measurement(what.format("on"), _UNIT, on, against, bare, Aim("ratio", True, 1.3)),
        Measurement("predict, and its traces written", _UNIT, written, against, bare),
        Measurement(what.format("off"), _UNIT, off, "bare openai client", plain),
    ]


def read_side_by_side(
    env: Environment,
    model_uri: str,
    latency_s: float,
    pages: Mapping[int, int],
    folders: Mapping[str, Path],
) -> dict[str, dict[str, Sample]]:
    """Read pages with bare clients, and with predict with tracing off and on.

    Args:
        env: Where to run.
        model_uri: The extractor with the LLM engine.
        latency_s: How long the LLM takes for a page, s.
        pages: How many are read at full scale, by how many are read at once.
        folders: Where the pages are, by what reads them (a mode of `reader`).

    Returns:
        What `read_all` measures, by mode.
    """
    sizes = [f"{most}:{env.count(full)}" for most, full in pages.items()]
    with env.llm(latency_s) as url:
        child = partial(env.child, read_all, OPENAI_BASE_URL=url)
        return side_by_side(
            {
                mode: partial(child, mode, model_uri, folder, *sizes)
                for mode, folder in folders.items()
            },
            env.repeats,
        )


def reader(mode: str, model_uri: str, concurrency: int) -> Read:
    """Return what reads documents: a bare client in threads, or the extractor's predict.

    Args:
        mode: "plain" or "redrawn", a bare client; or "on" and "off": the extractor with tracing on
            and off.
        model_uri: The logged extractor.
        concurrency: Most requests in flight.
    """
    if mode in _BARE:
        client = BareClient(os.environ["OPENAI_BASE_URL"], _BARE[mode])
        pool = ThreadPoolExecutor(concurrency)

        def read_bare(pages: list[bytes]) -> None:
            for _ in pool.map(client.read, pages):
                pass

        return read_bare
    model = load_extractor(model_uri, max_concurrency=concurrency)
    if mode == "off":
        mlflow.tracing.disable()

    def read(pages: list[bytes]) -> None:
        rows = predict_rows(model, [("page", page) for page in pages])
        if failed := [row["error"] for row in rows if row["error"] is not None]:
            raise RuntimeError(f"{len(failed)} pages failed, the first: {failed[0]}")

    return read


def read_all(mode: str, model_uri: str, folder: str, *sizes: str) -> dict[str, float]:
    """Return figures by name and concurrency (a child of `read_side_by_side`).

    Args:
        mode: As `reader` takes it.
        model_uri: The logged extractor.
        folder: A folder of documents.
        sizes: How many requests are in flight, a colon, and how many pages are read.
    """
    figures = {}
    for size in sizes:
        concurrency, count = map(int, size.split(":"))
        pages = read_pages(folder, count)
        read = reader(mode, model_uri, concurrency)
        read(pages[:_WARM_UP])
        mlflow.flush_trace_async_logging()
        used, started = cpu_s(), time.perf_counter()
        read(pages)
        finished = time.perf_counter()
        figures[f"cpu_ms_{concurrency}"] = 1000 * (cpu_s() - used) / count
        figures[f"ms_{concurrency}"] = 1000 * (finished - started) / count
        figures[f"rate_{concurrency}"] = count / (finished - started)
        mlflow.flush_trace_async_logging()
        figures[f"all_cpu_ms_{concurrency}"] = 1000 * (cpu_s() - used) / count
        figures[f"traces_ms_{concurrency}"] = 1000 * (time.perf_counter() - finished) / count
    return figures


def request_of_ours() -> Callable[[bytes], bytes]:
    """Return what makes the request's body of a document, as the openai engine does."""
    from ocr_extractor.config import ExtractorConfig
    from ocr_extractor.documents.encoding import encode_for_llm
    from ocr_extractor.documents.opener import open_document
    from ocr_extractor.engines.openai.answer_form import PAIRS
    from ocr_extractor.engines.openai.capabilities import Capabilities
    from ocr_extractor.prompts.prompt import Prompt

    template = _TEMPLATE.read_text(encoding="utf-8")
    prompt = Prompt(
        "prompts:/p/1",
        PromptVersion("p", 1, template),  # type: ignore[abstract]  # it is not, at run time
        "snapshot",
    )
    config = ExtractorConfig(engine="openai", prompt_uri=prompt.uri)
    capabilities = Capabilities(config, compatible=True)

    def request(document: bytes) -> bytes:
        page = open_document(document, config.limits).page(1)
        image, _ = encode_for_llm(page, config.max_size, config.image_format, config.quality)
        url = f"data:image/{config.image_format};base64,{base64.b64encode(image).decode()}"
        part = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
        messages = [
            {"role": "system", "content": prompt.render()},
            {"role": "user", "content": [part]},
        ]
        body = {"model": config.llm, "messages": messages, **capabilities.parameters(PAIRS)}
        return json.dumps(body).encode()

    return request


def prepare(folder: str, count: str) -> dict[str, float]:
    """Return CPU ms from a document to its request, ours and plain (a child of `overhead`)."""
    pages = read_pages(folder, int(count))
    figures = {}
    for name, request in {"ours": request_of_ours(), "plain": plain_request}.items():
        request(pages[0])
        started = cpu_s()
        for page in pages:
            request(page)
        figures[name] = 1000 * (cpu_s() - started) / len(pages)
    return figures


def memory(env: Environment, models: Mapping[str, str]) -> list[Measurement]:
    """Measure how much the memory of the LLM engine grows from 100 to many documents."""
    lines = []
    count, pages = env.count(_DOCUMENTS), env.pages(_AT_ONCE)
    with env.llm(0.0) as url:
        for mode in ("off", "on"):
            taken = env.child(growth, mode, models["openai"], pages, count, OPENAI_BASE_URL=url)
            lines.append(_line(f"predict, {count:,} documents, tracing {mode}", taken))
        with served(env, OURS, models["openai"], OPENAI_BASE_URL=url) as server:
            lines.append(
                _line(f"serve, {count:,} documents, tracing on", _serve(env, server, count))
            )
    return lines


def _line(what: str, taken: Mapping[str, float]) -> Measurement:
    against, aim = f"after {_SETTLED}", Aim("adds", True, 50.0)
    return Measurement.once(what, "MB", taken["end_mb"], against, taken["start_mb"], aim=aim)


def _serve(env: Environment, server: ServerProcess, count: int) -> dict[str, float]:
    body = request_body(page_of(env))
    figures = {}
    for name, requests in {"start_mb": _SETTLED, "end_mb": count}.items():
        ask(server, body, _CLIENTS, max(1, requests // _CLIENTS))
        figures[name] = rss_once_quiet(lambda: usage_of_tree(server.group))
    return figures


def growth(mode: str, model_uri: str, pages: str, count: str) -> dict[str, float]:
    """Return resident memory, MB, after 100 documents and after `count` (a child of `memory`)."""
    read = reader(mode, model_uri, _CLIENTS)
    documents = read_pages(pages, _AT_ONCE)
    figures, done = {}, 0
    for name, until in {"start_mb": _SETTLED, "end_mb": int(count)}.items():
        while done < until:
            read(documents)
            done += len(documents)
        figures[name] = rss_once_quiet(lambda: (cpu_s(), rss_mb()))
    return figures
