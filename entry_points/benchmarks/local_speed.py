"""Child of throughput: pages a second of the local engine and of OCR alone, on so many cores."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from entry_points.benchmarks.stage import documents
from entry_points.benchmarks.throughput import has_tesseract


def seconds(work: Callable[[Any], object], inputs: list[Any]) -> float:
    """Return how long the work takes for all inputs, after one that does not count, s."""
    work(inputs[0])
    started = time.perf_counter()
    for each in inputs:
        work(each)
    return time.perf_counter() - started


def tesseract(page: bytes) -> None:
    """Let Tesseract read a page."""
    subprocess.run(["tesseract", "-", "-"], input=page, capture_output=True, check=True)  # noqa: S607


def main() -> None:
    """Print pages a second and seconds a page; arguments: dataset, pages, cores."""
    dataset, count, cores = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    os.cpu_count = lambda: cores  # what thread pools are sized by does not heed the affinity
    import rapidocr

    from ocr_extractor.engines.base import Page
    from ocr_extractor.engines.local import LocalEngine
    from ocr_extractor.engines.local.ocr import WordReader

    files = documents(dataset, count)
    images = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
    engine, words = LocalEngine(), WordReader()
    alone = rapidocr.RapidOCR(params={"Global.log_level": "error"})

    def read(image: Image.Image) -> None:
        engine.read(Page(1, image), "")

    ocr_s, ours_s = seconds(words.read, images), seconds(read, images)
    with ThreadPoolExecutor(2 * cores) as callers:
        side_by_side_s = seconds(lambda pages: list(callers.map(read, pages)), [images])
    figures = {
        "rapidocr": count / seconds(alone, images),
        "ours": count / side_by_side_s,
        "ocr_s": ocr_s / count,
        "linking_s": max(ours_s - ocr_s, 0.0) / count,
    }
    if has_tesseract():
        figures["tesseract"] = count / seconds(tesseract, files)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
