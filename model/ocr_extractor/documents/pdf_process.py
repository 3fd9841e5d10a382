"""Starts the processes that open and draw PDFs, keeps them, and kills those that take too much.

A loaded model has no such process before its first PDF, and a few of them afterwards, so that a
slow PDF does not block others. They are plain commands of the same Python: nothing is
forked, and the caller's main module is not imported. They end with the model, and with the process
that loaded it. `pdf_worker.py` is what runs in them.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
import sysconfig
import threading
import weakref
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import IO, Any, cast

from ocr_extractor.documents.limits import Budget
from ocr_extractor.documents.pdf_worker import LENGTHS
from ocr_extractor.errors import DocumentError, shorten

# They keep about 30 MB each, and draw 10 and more pages a second.
_MOST = 8
# Most memory of an idle process, bytes: PDFium does not return all of it to the system.
_LARGE = 100_000_000
# PDFs may come from anyone: the process does not get the caller's API keys.
_VARIABLES = (
    "PATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SYSTEMROOT",
    "PYTHONHOME",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPYCACHEPREFIX",
)
# With its default, glibc returns and requests the memory of every page: 22 ms of 77 for a scan.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {0} import main; main()"


class ProcessEndedError(Exception):
    """A process ended before it answered; the exit code is negative for a signal."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


class PdfProcesses:
    """The processes of one loaded model."""

    def __init__(self, seconds: float, memory: int, most: int = _MOST) -> None:
        """Start nothing yet; a request may take `seconds` of CPU time, a process `memory` bytes."""
        self._limits = (str(seconds), str(memory))
        self._turns = Budget(min(most, _MOST, 2 * (os.cpu_count() or 1)))
        self._idle: list[PdfProcess] = []
        self._lock = threading.Lock()
        self._alive: set[PdfProcess] = set()
        weakref.finalize(self, _kill_all, self._alive)

    @contextlib.contextmanager
    def borrow(self, document: int, until: float = inf) -> Iterator[PdfProcess]:
        """Wait for a process, and prefer an idle one that has the document open.

        Args:
            document: The document's number.
            until: The moment (`time.monotonic`) at which waiting ends.

        Raises:
            TimeoutError: None was free in time.
            DocumentError: No process can be started.
        """
        with self._turns.share(1, until):
            process = self._take(document) or self._start()
            try:
                yield process
            finally:
                with self._lock:
                    if process.usable:
                        self._idle.append(process)
                    else:
                        self._alive.discard(process)

    def forget(self, document: int) -> None:
        """Let idle processes close a document; end a process that has grown too large."""
        with self._lock:
            has_it = [process for process in self._idle if process.document == document]
            large = [process for process in has_it if process.memory > _LARGE]
            for process in has_it:
                process.close_document()
                if process in large:
                    self._idle.remove(process)
                    self._alive.remove(process)
        for process in large:
            process.end()

    def _take(self, document: int) -> PdfProcess | None:
        with self._lock:
            ended = [process for process in self._idle if not process.usable]
            for process in ended:
                process.end()
            self._alive.difference_update(ended)
            self._idle = [process for process in self._idle if process not in ended]
            if not self._idle:
                return None
            # Otherwise the one that was idle longest: its document is the least needed.
            has_it = (i for i, process in enumerate(self._idle) if process.document == document)
            return self._idle.pop(next(has_it, 0))

    def _start(self) -> PdfProcess:
        try:
            process = PdfProcess(self._limits)
        except OSError as error:
            raise DocumentError(
                "no_pdf_process",
                f"No process can be started to draw the PDF ({shorten(error)}): send it again when "
                "the machine has fewer processes and more memory.",
                retryable=True,
            ) from None
        with self._lock:
            self._alive.add(process)
        return process


class PdfProcess:
    """One process, used by one thread at a time.

    Attributes:
        document: The number of its open document, None for none.
        memory: Its memory at the last answer, bytes; 0 if the system does not tell.
    """

    def __init__(self, limits: tuple[str, str]) -> None:
        path = json.dumps([str(Path(__file__).parents[2]), *sys.path])
        start = _START.format(f"{__package__}.pdf_worker")
        # -S: the caller's sys.path already has what site.py and .pth files add.
        self._process = subprocess.Popen(  # noqa: S603 - our own code
            [_python(), "-S", "-P", "-c", start, path, *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_KEEP_MEMORY
            | {each: os.environ[each] for each in _VARIABLES if each in os.environ},
            start_new_session=True,  # Ctrl-C is for the caller, which then ends this process
        )
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)
        for pipe in (self._requests, self._answers):
            _widen(pipe)
        self.document: int | None = None
        self.memory = 0
        self._killed = False

    @property
    def usable(self) -> bool:
        """Whether the process still runs."""
        return not self._killed and self._process.poll() is None

    def ask(
        self, request: dict[str, Any], document: int, data: bytes
    ) -> tuple[dict[str, Any], bytearray]:
        """Send a request (see `pdf_worker.py`), and the PDF's bytes if the process lacks them.

        Returns:
            The answer, and its pixels.

        Raises:
            ProcessEndedError: The process ended, by its limits or because it was killed.
        """
        try:
            self._send(request, data if self.document != document else b"")
            self.document = document
            text_length, pixels_length = LENGTHS.unpack(self._answers.read(LENGTHS.size))
            answer = json.loads(self._answers.read(text_length))
            pixels = bytearray(pixels_length)
            if self._answers.readinto(pixels) == pixels_length:  # type: ignore[attr-defined]
                self.memory = answer["memory"]
                return answer, pixels
        except (OSError, struct.error, json.JSONDecodeError):
            pass  # it has ended, perhaps in the middle of an answer
        except BaseException:
            self.end()  # the rest of its answer must not reach the next caller
            raise
        raise ProcessEndedError(self.end())

    def close_document(self) -> None:
        """Let it close its open document."""
        self.document = None
        with contextlib.suppress(OSError):  # it has ended
            self._send({"ask": "close"}, b"")

    def kill(self) -> None:
        """Kill it; a thread that waits for its answer gets a `ProcessEndedError`."""
        self._killed = True
        self._process.kill()

    def end(self) -> int:
        """End it, and return its exit code."""
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):  # unsent bytes are lost
                pipe.close()
        return code

    def _send(self, request: dict[str, Any], data: bytes) -> None:
        text = json.dumps(request).encode()
        self._requests.write(LENGTHS.pack(len(text), len(data)) + text)
        self._requests.write(data)
        self._requests.flush()


def _kill_all(processes: set[PdfProcess]) -> None:
    for process in processes:
        process.end()


def _widen(pipe: IO[bytes]) -> None:
    """Enlarge a pipe to 1 MB, if Linux allows it.

    A page of 6.5 MB through the usual 64 kB costs 100 changes between two processes: on a busy
    machine 7 ms more for a page of text, and 18 for a scan.
    """
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):  # the pipes of this user already hold 64 MB
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)


def _python() -> str:
    """Return the command of this Python; a program that embeds it calls itself `sys.executable`."""
    if "python" in Path(sys.executable or "").name.lower():
        return sys.executable
    version = sys.version_info
    return str(Path(sysconfig.get_path("scripts"), f"python{version.major}.{version.minor}"))
