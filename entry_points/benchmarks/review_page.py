"""Suite `review`: how fast the review page opens and answers, in Chromium."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entry_points.benchmarks.environment import Environment
from entry_points.benchmarks.measurements import Aim, Measurement, Sample
from entry_points.command_line.cli import UsageError
from entry_points.predictions.output import KEY

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_DOCUMENTS, _SCALARS, _ROWS, _COLUMNS = 500, 12, 12, 4
_PAGES = 20  # the documents are copies of these
_OPENED, _KEYS = 20, 40
_PAUSE_MS = 80  # between two keys of a fast typist
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# From the key to the frame that shows what it has done, ms.
_TIME_KEYS = """() => {
  globalThis.keys = [];
  addEventListener("keydown", (event) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => keys.push(performance.now() - event.timeStamp);
    channel.port2.postMessage(0);
  }), true);
}"""
# From the choice of a document to its values, and to its picture, ms.
_OPEN = """async (n) => {
  const began = performance.now();
  location.hash = `#/${n}`;
  const until = async (holds) => {
    while (!holds()) await new Promise(requestAnimationFrame);
    return performance.now() - began;
  };
  const desk = document.getElementById("desk");
  const image = document.querySelector("#sheet img");
  const values = await until(() => desk.dataset.n === String(n));
  return [values, await until(() => image.getAttribute("src") && image.complete)];
}"""


def review_page(env: Environment, models: Mapping[str, str]) -> list[Measurement]:  # noqa: ARG001
    """Measure the list, documents that were fetched ahead and others, and keys.

    Raises:
        UsageError: There is no Chromium, no playwright, or the page does not open.
    """
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        raise UsageError("it needs Chromium and the package playwright: install both.")
    count = env.count(_DOCUMENTS)
    folder = _write(env, count)
    with _serving(env, folder) as address, sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        taken: dict[str, list[float]] = {}
        for _ in range(env.repeats):
            for what, times in _measure(browser, address, count).items():
                taken.setdefault(what, []).extend(times)
        browser.close()
    leaves = _SCALARS + _ROWS * _COLUMNS
    aims = {"the list opens": 1000.0, "a document opens": 200.0, "a key answers": 50.0}
    return [
        Measurement(
            f"{what}, {count} documents of {leaves} values",
            "ms",
            Sample(tuple(times)),
            aim=Aim("value", True, aims[what]) if what in aims else None,
        )
        for what, times in taken.items()
    ]


def _measure(browser: Browser, address: str, count: int) -> dict[str, list[float]]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(address)
    page.wait_for_function(f"() => document.querySelectorAll('#forms tbody tr').length === {count}")
    [shown] = page.evaluate("performance.getEntriesByName('list').map(mark => mark.startTime)")
    opened = [page.evaluate(_OPEN, n) for n in range(min(_OPENED, count))]
    taken = {
        "the list opens": [shown],
        "a document opens": [values for values, _ in opened],
        "and shows its page": [picture for _, picture in opened],
        "a key answers": _keys(page),
    }
    page.close()
    return taken


def _keys(page: Page) -> list[float]:
    page.evaluate(_TIME_KEYS)
    for number in range(_KEYS // 4):
        for key in ("1", str(number % 10), "Enter", "ArrowDown"):
            page.keyboard.press(key)
            page.wait_for_timeout(_PAUSE_MS)
    page.wait_for_function(f"() => keys.length >= {_KEYS // 4 * 4}")
    times: list[float] = page.evaluate("keys")
    return times


def _write(env: Environment, count: int) -> Path:
    """Write documents, their predictions and a schema; return the folder."""
    folder = env.folder / "review"
    (folder / "scans").mkdir(parents=True, exist_ok=True)
    pages = sorted(env.pages(_PAGES).iterdir())
    columns = {f"column_{at}": {"type": ["string", "null"]} for at in range(_COLUMNS)}
    scalars = {f"field_{at}": {"type": ["number", "null"]} for at in range(_SCALARS)}
    table = {"type": "array", "items": {"type": "object", "properties": columns}}
    checks = ["field_0 + field_1 == field_2", "field_3 <= field_4"]
    schema = {"type": "object", "properties": {**scalars, "rows": table}, "x-checks": checks}
    (folder / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    paths = [*scalars, *(f"rows[{row}].{name}" for row in range(_ROWS) for name in columns)]
    with (folder / "predictions.jsonl").open("w", encoding="utf-8") as lines:
        for number in range(count):
            name = f"{number:04}.png"
            shutil.copyfile(pages[number % len(pages)], folder / "scans" / name)
            lines.write(json.dumps(_row(name, number, paths)) + "\n")
    return folder


def _row(name: str, number: int, paths: list[str]) -> dict[str, Any]:
    leaves = [
        {
            "path": path,
            "value": str(at) if path.startswith("field") else f'"text {at}"',
            "raw": str(at) if path.startswith("field") else f"text {at}",
            "status": "found",
            "page": 1,
            "box": [20 + at, 12 * at, 120 + at, 12 * at + 10],
            "confidence": (at * 37 + number) % 100 / 100,
            "grounded": at % 7 > 0,
            "checks": [],
            "accepted": None,
        }
        for at, path in enumerate(paths)
    ]
    return {
        "doc_id": name,
        KEY: f"{number:064}",
        "page_count": 1,
        "error_code": None,
        "error": None,
        "pairs": [],
        "values": "{}",
        "fields": leaves,
    }


@contextlib.contextmanager
def _serving(env: Environment, folder: Path) -> Iterator[str]:
    """Run the command; yield the page's address."""
    flags = {
        "predictions": folder / "predictions.jsonl",
        "input": folder / "scans",
        "output": folder / "labelled",
        "schema": folder / "schema.json",
        "port": 0,
    }
    words = [f"--{name}={value}" for name, value in flags.items()]
    command = [sys.executable, "-m", "entry_points.review", *words]
    with env.process(command, stdout=subprocess.PIPE, text=True) as server:
        found = (re.search(r"http://\S+", line) for line in server.stdout or ())
        address = next(filter(None, found), None)
        if address is None:
            raise UsageError("the review page did not start: see above.")
        yield address[0]
