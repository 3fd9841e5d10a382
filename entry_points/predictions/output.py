"""The file that predict writes: one whole line a document, and one process at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from tqdm import tqdm

from entry_points.command_line.cli import UsageError, writing
from entry_points.predictions.documents import OF_THE_FILE, InputDocuments, doc_id_of
from entry_points.predictions.tally import Tally

# The only key of a line that is not a column of the output contract.
KEY = "document_key"


def configuration_of(
    model_id: str | None, params: Mapping[str, str], prompt_uri: str | None = None
) -> str:
    """Return everything except the document that decides what is read from it.

    Args:
        model_id: The extractor's id.
        params: The params that it is given.
        prompt_uri: The version of a followed prompt; None for a pinned prompt.
    """
    parts = [model_id, dict(params)]
    return json.dumps(parts if prompt_uri is None else [*parts, prompt_uri])


def key_prefix(configuration: str, *, readable: bool) -> bytes:
    """Return the prefix of a document's bytes in the hash that is its key."""
    return configuration.encode() + (b"\1" if readable else b"\0")


def document_key(content: bytes | None, configuration: str) -> str:
    """Return a key made from the content of a document and how it is read, not from its name.

    Args:
        content: The document's bytes, None when its file cannot be read.
        configuration: See `configuration_of`.
    """
    digest = hashlib.sha256(key_prefix(configuration, readable=content is not None))
    digest.update(content or b"")
    return digest.hexdigest()


class OutputFile:
    """Lines that are written at once and kept over restarts; for one thread.

    A line is one write to a file opened for appending, followed by fsync: a reader
    that sees the end of a line sees all of it, and a finished document survives `kill -9` and a
    loss of power.
    """

    def __init__(self, path: Path) -> None:
        """Make the folder if it is not there.

        Raises:
            UsageError: It cannot be made.
        """
        self._path = path
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)

    def finished(
        self,
        documents: InputDocuments,
        key_of: Callable[[Path], str],
        *,
        retry_errors: bool,
        drop: bool = True,
    ) -> tuple[set[str], Tally]:
        """Find the documents that are finished, and drop the lines of the others.

        No line stays in memory, and only documents that may be finished are opened.

        Args:
            documents: The documents.
            key_of: Returns a document's key.
            retry_errors: Whether failed documents count as not finished.
            drop: Whether to drop lines; an incomplete one is always dropped.

        Returns:
            The doc_id of each finished document, and the sums of their lines. A line that was
            written under another name counts where the content is the same.

        Raises:
            UsageError: The file is not from predict, or cannot be written.
        """
        # Whether a document has a line. No Path is made of a name before its file is opened: for
        # 200,000 documents that takes a second.
        listed = dict.fromkeys(map(doc_id_of, documents.names), False)
        own: dict[bytes, bool] = {}  # the lines of documents, and whether they are finished
        spare = Counter[str]()
        for row in read_rows(self._path):
            if retry_errors and row["error_code"]:
                continue
            if row["doc_id"] in listed:
                listed[row["doc_id"]] = True
                own[_digest(row["doc_id"], row[KEY])] = False
            elif row["error_code"] not in OF_THE_FILE:
                spare[row[KEY]] += 1
        finished: set[str] = set()
        renamed = Counter[str]()
        names = documents.names if own or spare else ()
        for name in tqdm(names, "Looking for finished", leave=False, delay=2):
            doc_id = doc_id_of(name)
            if not (listed[doc_id] or spare):
                continue
            key = key_of(documents.folder / name)
            if (line := _digest(doc_id, key)) in own:
                own[line] = True
            elif spare[key] > renamed[key]:
                renamed[key] += 1
            else:
                continue
            finished.add(doc_id)
        tally, dropped = self._sum(own, renamed, listed, retry_errors=retry_errors)
        self._drop(dropped if drop else set())
        return finished, tally

    def __enter__(self) -> OutputFile:
        with writing(self._path):
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, row: Mapping[str, Any]) -> None:
        """Append the row of a document, with its key.

        Raises:
            UsageError: The disk is full, or the file is no longer there.
        """
        line = _line(row)
        with writing(self._path):
            if (written := os.write(self._file, line)) < len(line):
                # The next start removes the incomplete line.
                raise OSError(errno.ENOSPC, f"it took {written} of {len(line)} bytes")
            os.fsync(self._file)
            if not os.path.samestat(os.fstat(self._file), self._path.stat()):
                raise OSError(errno.ENOENT, "another file has taken its place")

    def _sum(
        self,
        kept: dict[bytes, bool],
        renamed: Counter[str],
        listed: Container[str],
        *,
        retry_errors: bool,
    ) -> tuple[Tally, set[int]]:
        """Sum the lines that are `kept` or `renamed`; return also the numbers of those to drop."""
        tally = Tally()
        dropped: set[int] = set()
        for number, row in enumerate(read_rows(self._path)):
            line = _digest(row["doc_id"], row[KEY])
            again = retry_errors and row["error_code"]
            if kept.get(line) and not again:
                kept[line] = False  # a second line of the same document is dropped
                tally.add(row)
            elif row["doc_id"] in listed:
                dropped.add(number)
            elif renamed[row[KEY]] and not again:
                renamed[row[KEY]] -= 1
                tally.add(row)
        return tally, dropped

    def _drop(self, numbers: Set[int]) -> None:
        """Drop some lines, and the incomplete line at the end."""
        with writing(self._path):
            if numbers:
                with replacing(self._path) as path, path.open("wb") as new:
                    new.writelines(
                        line
                        for number, line in enumerate(_whole_lines(self._path))
                        if number not in numbers
                    )
                    new.flush()
                    os.fsync(new.fileno())
            elif self._path.exists():
                # Unlike a copy, this needs no space on a full disk.
                os.truncate(self._path, sum(map(len, _whole_lines(self._path))))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write; its file replaces another in one step, or is removed on error."""
    new = path.with_name(f"{path.name}.new")
    try:
        yield new
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read the complete lines of predict; a full disk may have left an incomplete one.

    Raises:
        UsageError: The file is not from predict.
    """
    for line in _whole_lines(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict) or {KEY, "doc_id", "error_code"} - row.keys():
            raise UsageError(f"{path} was not written by predict: name another file, or remove it.")
        yield row


def _whole_lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))


def _digest(doc_id: str, key: str) -> bytes:
    """Return a short digest that identifies a line in memory."""
    return hashlib.blake2b(f"{doc_id}\0{key}".encode(), digest_size=16).digest()


def _line(row: Mapping[str, Any]) -> bytes:
    return (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "replace")


@contextlib.contextmanager
def locked(output: Path) -> Iterator[None]:
    """Keep other processes from writing an output; create its folder if needed.

    The kernel releases the lock when the process ends for any reason. The lock file that a killed
    process leaves beside the output does not block others.

    Raises:
        UsageError: Another process writes it, or its folder cannot be written.
    """
    path = output.with_name(f"{output.name}.lock")
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        file = _take(path, output)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the folder was removed
            path.unlink()
        os.close(file)


def _take(path: Path, output: Path) -> int:
    """Return the open file that holds the lock."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 200).decode("utf-8", "replace") or "it has just started"
            os.close(file)
            raise UsageError(
                f"--output is {output}, which another predict is writing ({holder}): wait until it "
                "has ended, or name another."
            ) from None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                holder = f"process {os.getpid()} on {socket.gethostname()} since {time.ctime()}"
                os.truncate(file, 0)
                os.write(file, holder.encode())
                return file
        os.close(file)  # the process that held the lock has removed the file
