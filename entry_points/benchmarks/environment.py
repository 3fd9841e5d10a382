"""The environment of the suites: their store, child processes, loopback servers, documents."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from PIL import Image, ImageChops

from entry_points import ROOT
from entry_points.benchmarks.measurements import Measurement
from entry_points.command_line.cli import UsageError

# Runs a function of the benchmark in a process of its own: its module, its name, its arguments.
_CHILD = "from entry_points.benchmarks.environment import run_child; run_child()"


# A PNG file ends with a chunk without content (PNG 3rd edition, 11.2.5).
_END_CHUNK_BYTES = 12


@dataclass(frozen=True)
class Environment:
    """Where and how much a suite measures.

    Attributes:
        folder: A scratch folder: children run in it, its store is `mlflow.db`.
        dataset: A FUNSD-layout folder.
        repeats: How often each figure is taken, from 1.
        scale: The part of the full number of pages and requests that is used, above 0.

    Raises:
        UsageError: `scale` is too small to measure anything.
    """

    folder: Path
    dataset: Path
    repeats: int
    scale: float

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise UsageError(f"--scale is {self.scale}: give more than 0; 1 is all.")

    def count(self, full: int, least: int = 2) -> int:
        """Return how many pages or requests to use of the full number."""
        return max(least, round(full * self.scale))

    def limit(self, full: int) -> str:
        """Return the flag --limit of a command: a part of the full number of forms, or all."""
        return "all" if self.scale >= 1 else str(self.count(full))

    def pages(self, count: int, *, anew: bool = False) -> Path:
        """Write at least `count` distinct pages to a folder, in order, unless it has them already.

        With `anew` their files also hold text, so that they must be encoded again.

        Raises:
            UsageError: The dataset has no PNG file.
        """
        folder = self.folder / ("pages-with-text" if anew else "pages")
        folder.mkdir(exist_ok=True)
        if len(list(folder.iterdir())) < count:
            for number, page in enumerate(distinct_pages(self.dataset, count)):
                (folder / f"{number:05}.png").write_bytes(with_text(page) if anew else page)
        return folder

    def variables(self, **more: str) -> dict[str, str]:
        """Return a child's environment: the scratch store, no network, no user's keys."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OPENAI_", "AZURE_", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_"))
        }
        paths = [str(ROOT), str(ROOT / "model")]
        return (
            kept
            | {
                "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")]),
                "PYTHONPATH": os.pathsep.join(paths),
                "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder / 'mlflow.db'}",
                "MLFLOW_MODEL_CATALOG_URI": "",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "OPENAI_API_KEY": "loopback",
            }
            | more
        )

    def child(
        self, function: Callable[..., Mapping[str, Any]], *arguments: object, **environment: str
    ) -> dict[str, Any]:
        """Call a function in a process of its own, with text arguments, and return its figures.

        Raises:
            UsageError: It failed; the message ends with what it printed.
        """
        words = [sys.executable, "-c", _CHILD, function.__module__, function.__name__]
        printed = self.run([*words, *map(str, arguments)], **environment)
        figures: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return figures

    def run(self, words: list[str], **environment: str) -> str:
        """Run a command in the scratch folder and return what it printed.

        Raises:
            UsageError: It failed.
        """
        done = subprocess.run(  # noqa: S603 - fixed programs
            words,
            cwd=self.folder,
            env=self.variables(**environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise UsageError(f"{' '.join(words)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
        return done.stdout

    @contextlib.contextmanager
    def llm(self, latency_s: float) -> Iterator[str]:
        """Run a loopback LLM that takes `latency_s` seconds for a page; give its base URL."""
        words = [sys.executable, "-m", "entry_points.benchmarks.loopback", str(latency_s)]
        pipe = subprocess.PIPE
        with self.process(words, stdin=pipe, stdout=pipe, text=True) as server:
            if server.stdout is None or not (port := server.stdout.readline().strip()):
                raise UsageError("The loopback LLM did not start.")
            yield f"http://127.0.0.1:{port}/v1"

    @contextlib.contextmanager
    def process(
        self, words: list[str], environment: Mapping[str, str] | None = None, **options: Any
    ) -> Iterator[subprocess.Popen[Any]]:
        """Run a process during the context; stop it and its children afterwards."""
        server = subprocess.Popen(  # noqa: S603 - fixed programs
            words,
            cwd=self.folder,
            env=self.variables(**(environment or {})),
            start_new_session=True,
            **options,
        )
        try:
            yield server
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.communicate(timeout=60)


class SuiteError(UsageError):
    """A suite measured a result that must not happen; its `lines` are shown anyway."""

    def __init__(self, message: str, lines: Sequence[Measurement]) -> None:
        super().__init__(message)
        self.lines = lines


def run_child() -> NoReturn:
    """Run one function and print its figures as JSON: the process of `Environment.child`."""
    module, name, *arguments = sys.argv[1:]
    with contextlib.redirect_stdout(sys.stderr):
        figures = getattr(importlib.import_module(module), name)(*arguments)
    print(json.dumps(figures), flush=True)
    # MLflow's threads and pools have nothing more to do, and a normal exit takes seconds.
    os._exit(0)


def distinct_pages(dataset: Path, count: int) -> Iterator[bytes]:
    """Yield `count` distinct pages: the dataset's PNG files, then shifted copies of them.

    The copies are PNG files of 8-bit pixels and nothing else.

    Raises:
        UsageError: The dataset has no PNG file.
    """
    files = sorted((dataset / "images").glob("*.png"))
    if not files:
        raise UsageError(f"{dataset / 'images'} has no PNG file: the benchmark reads those.")
    for number in range(count):
        shift, at = divmod(number, len(files))
        if shift == 0:
            yield files[at].read_bytes()
            continue
        with Image.open(files[at]) as page:
            yield encoded(ImageChops.offset(page.convert("L"), 0, shift), "PNG")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return an image as a file of a kind; the options are those of Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def with_text(png: bytes) -> bytes:
    """Return a PNG file with an added text chunk: it must be encoded again before it is sent."""
    end = len(png) - _END_CHUNK_BYTES
    text = b"Software\0scanner"
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text
    return png[:end] + chunk + struct.pack(">I", zlib.crc32(b"tEXt" + text)) + png[end:]


def read_pages(folder: str, count: int) -> list[bytes]:
    """Return the first `count` documents of a folder that `Environment.pages` wrote."""
    return [path.read_bytes() for path in sorted(Path(folder).iterdir())[:count]]


def has_tesseract() -> bool:
    """Tell whether Tesseract is installed."""
    return shutil.which("tesseract") is not None


def tesseract(page: bytes) -> list[str]:
    """Let Tesseract read a page, the bytes of an image file; return its lines."""
    command = ["tesseract", "-", "-"]
    done = subprocess.run(command, input=page, capture_output=True, check=True)  # noqa: S603
    return done.stdout.decode().splitlines()
