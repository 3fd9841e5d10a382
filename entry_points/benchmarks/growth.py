"""Child of the memory suite: resident memory after 100 documents and after many."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import mlflow

from entry_points.benchmarks.memory import SETTLED
from entry_points.benchmarks.reading import reader
from entry_points.benchmarks.stage import documents
from entry_points.benchmarks.usage import rss_mb

_AT_ONCE = 50
_CONCURRENCY = 8


def main() -> None:
    """Print both, MB, each once all traces are written; arguments: mode, model, dataset, count."""
    mode, model_uri, dataset, count = sys.argv[1:]
    read = reader(mode, model_uri, _CONCURRENCY)
    pages = documents(Path(dataset), _AT_ONCE)
    figures, done = {}, 0
    for name, until in {"start_mb": SETTLED, "end_mb": int(count)}.items():
        while done < until:
            read(pages)
            done += len(pages)
        mlflow.flush_trace_async_logging()
        figures[name] = rss_mb()
    print(json.dumps(figures), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
