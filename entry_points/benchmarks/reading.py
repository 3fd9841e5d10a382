"""Child of overhead and throughput: pages a second through predict, or through the bare client."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow

from entry_points.benchmarks.baselines import BareClient
from entry_points.benchmarks.stage import documents
from entry_points.benchmarks.usage import cpu_s
from entry_points.loading import load_extractor, predict_rows

_WARM_UP = 3

# Reads documents and returns once they are read.
Read = Callable[[list[bytes]], None]


def reader(mode: str, model_uri: str, concurrency: int) -> Read:
    """Return what reads documents: the bare client in threads, or the extractor's predict.

    Args:
        mode: "bare", or "on" and "off": the extractor with tracing on and off.
        model_uri: The logged extractor.
        concurrency: Most requests in flight.
    """
    if mode == "bare":
        client = BareClient(os.environ["OPENAI_BASE_URL"])
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


def main() -> None:
    """Print figures by name and concurrency; arguments: mode, model, dataset, concurrency:pages."""
    mode, model_uri, dataset, *sizes = sys.argv[1:]
    figures = {}
    for size in sizes:
        concurrency, count = map(int, size.split(":"))
        pages = documents(Path(dataset), count)
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
    print(json.dumps(figures), flush=True)
    # The pool's threads and MLflow's own have nothing more to do: ending in order takes seconds.
    os._exit(0)


if __name__ == "__main__":
    main()
