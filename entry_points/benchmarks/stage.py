"""The environment of the suites: their store, child processes, loopback servers, documents."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entry_points import ROOT
from entry_points.cli import UsageError

PACKAGE = "entry_points.benchmarks"


@dataclass(frozen=True)
class Stage:
    """What every suite is given.

    Attributes:
        folder: A scratch folder: children run in it, its store is `mlflow.db`.
        dataset: A FUNSD-layout folder.
        repeats: How often each figure is taken.
        scale: The part of the full number of pages and requests that is used, above 0.

    Raises:
        UsageError: Nothing would be measured.
    """

    folder: Path
    dataset: Path
    repeats: int
    scale: float

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise UsageError(f"--repeats is {self.repeats}: give 1 or more.")
        if not self.scale > 0:
            raise UsageError(f"--scale is {self.scale}: give more than 0; 1 is all.")

    def count(self, full: int, least: int = 2) -> int:
        """Return how many pages or requests to use of the full number."""
        return max(least, round(full * self.scale))

    def limit(self, full: int) -> str:
        """Return how many forms a command is told to read: of the full number, or all."""
        return "all" if self.scale >= 1 else str(self.count(full))

    def environment(self, **more: str) -> dict[str, str]:
        """Return a child's environment: the scratch store, no network, no key of the user's."""
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

    def child(self, module: str, *arguments: object, **environment: str) -> dict[str, Any]:
        """Run one of this package's modules and return the JSON object of its last line.

        Raises:
            UsageError: It failed; the message ends with what it printed.
        """
        words = [sys.executable, "-m", f"{PACKAGE}.{module}", *map(str, arguments)]
        figures: dict[str, Any] = json.loads(self.run(words, **environment).splitlines()[-1])
        return figures

    def run(self, words: list[str], **environment: str) -> str:
        """Run a command in the scratch folder and return what it printed.

        Raises:
            UsageError: It failed.
        """
        done = subprocess.run(  # noqa: S603 - fixed programs
            words,
            cwd=self.folder,
            env=self.environment(**environment),
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
        """Run a loopback LLM and give its base URL."""
        words = [sys.executable, "-m", f"{PACKAGE}.loopback", str(latency_s)]
        pipe = subprocess.PIPE
        with self.process(words, stdin=pipe, stdout=pipe, text=True) as server:
            if server.stdout is None or not (port := server.stdout.readline().strip()):
                raise UsageError("The loopback LLM did not start.")
            yield f"http://127.0.0.1:{port}/v1"

    @contextlib.contextmanager
    def process(
        self, words: list[str], environment: Mapping[str, str] | None = None, **options: Any
    ) -> Iterator[subprocess.Popen[Any]]:
        """Run a process for as long as it is needed, with all that it starts."""
        server = subprocess.Popen(  # noqa: S603 - fixed programs
            words,
            cwd=self.folder,
            env=self.environment(**(environment or {})),
            start_new_session=True,
            **options,
        )
        try:
            yield server
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.communicate(timeout=60)


def documents(dataset: Path, count: int) -> list[bytes]:
    """Return so many documents, the dataset's PNG files over and over.

    Raises:
        UsageError: The dataset has none.
    """
    files = sorted((dataset / "images").glob("*.png"))
    if not files:
        raise UsageError(f"{dataset / 'images'} has no PNG file: the benchmark reads those.")
    data = [file.read_bytes() for file in files[:count]]
    return [data[number % len(data)] for number in range(count)]
