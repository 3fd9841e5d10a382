"""The file that predict writes: a line a document, whole or not at all, and never twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from entry_points.cli import UsageError, writing

# The one key of a line that is not a column of the output contract.
KEY = "document_key"


def configuration_of(
    model_id: str | None, params: Mapping[str, str], prompt_uri: str | None = None
) -> str:
    """Return what, beside a document, decides what is read from it.

    Args:
        model_id: The extractor's id.
        params: The params that it is given.
        prompt_uri: The version of a followed prompt; None where it belongs to the model.
    """
    parts = [model_id, dict(params)]
    return json.dumps(parts if prompt_uri is None else [*parts, prompt_uri])


def key_prefix(configuration: str, *, readable: bool) -> bytes:
    """Return what goes before a document's bytes in the hash that is its key."""
    return configuration.encode() + (b"\1" if readable else b"\0")


def document_key(content: bytes | None, configuration: str) -> str:
    """Name a document by what it holds and how it is read, not by its file name.

    Args:
        content: The document's bytes, None when its file cannot be read.
        configuration: See `configuration_of`.
    """
    digest = hashlib.sha256(key_prefix(configuration, readable=content is not None))
    digest.update(content or b"")
    return digest.hexdigest()


class OutputFile:
    """Lines that are written at once and kept over restarts; used by one thread.

    A line is one write to a file opened for appending, followed by fsync: whoever sees the end of
    a line sees all of it, and a finished document survives `kill -9` and a loss of power.
    """

    def __init__(self, path: Path) -> None:
        """Read what an earlier start has left; make the folder if it is not there.

        Raises:
            UsageError: The file is not one of predict's, or the folder cannot be made.
        """
        self._path = path
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._rows = read_rows(path)

    def finished(
        self, documents: Mapping[str, str], *, retry_errors: bool
    ) -> dict[str, dict[str, Any]]:
        """Tell which documents need not be read again, and drop the lines that they replace.

        Args:
            documents: The key of each document by its id.
            retry_errors: Whether failed documents count as not finished.

        Returns:
            The row of each finished document by its id. A row that was written under another
            name counts where the content is the same.
        """
        usable = [row for row in self._rows if not (retry_errors and row["error_code"] is not None)]
        found = {row["doc_id"]: row for row in usable if documents.get(row["doc_id"]) == row[KEY]}
        spare = {row[KEY]: row for row in usable if row["doc_id"] not in documents}
        for doc_id, key in documents.items():
            if doc_id not in found and key in spare:
                found[doc_id] = spare.pop(key)
        kept = {id(row) for row in found.values()}
        self._rewrite(
            [row for row in self._rows if id(row) in kept or row["doc_id"] not in documents]
        )
        return found

    def __enter__(self) -> OutputFile:
        with writing(self._path):
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def write(self, row: Mapping[str, Any], key: str) -> None:
        """Append a document's row."""
        line = _line(dict(row) | {KEY: key})
        written = os.write(self._file, line)
        if written < len(line):  # a full disk: the next start removes the piece
            raise OSError(f"{self._path} took {written} of {len(line)} bytes: is the disk full?")
        os.fsync(self._file)

    def _rewrite(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace the file in one step, where it does not hold these very lines."""
        content = b"".join(map(_line, rows))
        if not self._path.exists() or self._path.read_bytes() == content:
            return
        new = self._path.with_name(self._path.name + ".new")
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read predict's whole lines; a piece after the last one is what a full disk has left.

    Raises:
        UsageError: The file is not one of predict's.
    """
    if not path.exists():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    try:
        rows = [json.loads(line) for line in whole.splitlines()]
        if all(KEY in row and "doc_id" in row and "error_code" in row for row in rows):
            return rows
    except (ValueError, TypeError):
        pass
    raise UsageError(f"{path} was not written by predict: name another file, or remove it.")


def _line(row: Mapping[str, Any]) -> bytes:
    return (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "replace")
