"""A standalone Spark cluster on loopback: a master and workers, each a process of its own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.waiting import wait_for


class Cluster:
    """Started from pyspark's own classes and stopped, whatever the test does."""

    def __init__(self, folder: Path, environment: dict[str, str], workers: int) -> None:
        import pyspark

        self._class = Path(pyspark.__file__).parent / "bin" / "spark-class"
        self._folder = folder
        self._environment = environment | {"SPARK_LOCAL_IP": "127.0.0.1"}
        self._workers = workers
        self._processes: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
        self.url = ""

    def __enter__(self) -> Cluster:
        self._folder.mkdir()
        try:
            master = ("master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
            log = self._start("master", *master)
            self.url = self._wait_for(log, r"Starting Spark master at (spark://\S+)", 1)
            for number in range(self._workers):
                work = self._folder / f"worker-{number}"
                flags = ("--host", "127.0.0.1", "--cores", "1", "--memory", "1g")
                kept = ("--webui-port", "0", "--work-dir", str(work), self.url)
                self._start(work.name, "worker.Worker", *flags, *kept)
            self._wait_for(log, r"Registering worker (\S+)", self._workers)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process, _ in reversed(self._processes):
            process.terminate()
        for process, log in self._processes:
            process.wait(120)
            log.close()

    def executors(self) -> list[Path]:
        """The folders of the executors that did some work."""
        return [*self._folder.glob("worker-*/app-*/*/stderr")]

    def _start(self, name: str, of: str, *arguments: str) -> Path:
        path = self._folder / f"{name}.log"
        log = path.open("wb")
        command = ["bash", str(self._class), f"org.apache.spark.deploy.{of}", *arguments]
        self._processes.append(
            (
                subprocess.Popen(
                    command,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                ),
                log,
            )
        )
        return path

    def _wait_for(self, log: Path, pattern: str, times: int) -> str:
        def found() -> list[str]:
            return re.findall(pattern, log.read_text(encoding="utf-8", errors="replace"))

        wait_for(lambda: len(found()) >= times)
        return found()[0]
