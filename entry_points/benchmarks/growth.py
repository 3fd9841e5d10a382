"""Child of the memory suite: resident memory after 100 documents and after many."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from entry_points.benchmarks.memory import SETTLED
from entry_points.benchmarks.reading import reader
from entry_points.benchmarks.stage import documents
from entry_points.benchmarks.usage import cpu_s, rss_mb, rss_once_quiet

_AT_ONCE = 50
_CONCURRENCY = 8


def main() -> None:
    """Print both, MB, each once the traces are written; arguments: mode, model, dataset, count."""
    mode, model_uri, dataset, count = sys.argv[1:]
    read = reader(mode, model_uri, _CONCURRENCY)
    pages = documents(Path(dataset), _AT_ONCE)
    figures, done = {}, 0
    for name, until in {"start_mb": SETTLED, "end_mb": int(count)}.items():
        while done < until:
            read(pages)
            done += len(pages)
        figures[name] = rss_once_quiet(lambda: (cpu_s(), rss_mb()))
    print(json.dumps(figures), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
