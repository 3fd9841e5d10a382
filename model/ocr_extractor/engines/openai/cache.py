"""Keeps paid completions in one SQLite file that several processes may share."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import sqlite3
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

from ocr_extractor.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PIL import Image

_Result = TypeVar("_Result")

_logger = logging.getLogger(__name__)

_TABLE = """
CREATE TABLE IF NOT EXISTS completions (
    key TEXT PRIMARY KEY, text BLOB NOT NULL, size INTEGER NOT NULL, used REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS completions_by_use ON completions (used, size);
"""
# Only values that `put` may have written: a text, or a number of gigabytes, is not a completion.
_FIND = """
SELECT text FROM completions WHERE key = ? AND typeof(text) = 'blob' AND length(text) <= ?
"""
# A full cache frees space for many completions at once.
_KEPT_WHEN_FULL = 0.9
_BUSY_TIMEOUT_S = 30.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FILES = ("", "-wal", "-shm")


def cache_key(page: Image.Image, settings: dict[str, Any]) -> str:
    """Return a key for the completion of one request: the page's pixels, and its JSON settings."""
    digest = hashlib.sha256(f"{page.mode} {page.size}".encode())
    digest.update(page.tobytes())
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()


class CompletionCache:
    """A bounded store of completions by key; safe to share between threads and processes.

    A cache that cannot be used causes one warning and more requests, but no page fails: a damaged
    file is set aside; with any other error nothing is found or kept.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Name the SQLite file; beyond `max_bytes` the least recently used ones are removed."""
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._warned = False

    def get(self, key: str) -> str | None:
        """Return the completion with this key, None when there is none."""

        def find(database: sqlite3.Connection) -> str | None:
            row = database.execute(_FIND, [key, self._max_bytes]).fetchone()
            try:
                return None if row is None else bytes(row[0]).decode("utf-8", "surrogatepass")
            except UnicodeDecodeError:
                return None

        def touch(database: sqlite3.Connection) -> None:
            database.execute("UPDATE completions SET used = ? WHERE key = ?", [time.time(), key])

        text = self._with_database(find)
        if text is not None:
            self._with_database(touch)  # a separate step: a read-only disk can still be read
        return text

    def put(self, key: str, text: str) -> None:
        """Keep a completion."""
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > self._max_bytes:
            return

        def keep(database: sqlite3.Connection) -> None:
            database.execute(
                "INSERT OR REPLACE INTO completions VALUES (?, ?, ?, ?)",
                [key, data, len(data), time.time()],
            )
            self._make_room(database)

        self._with_database(keep)

    def _make_room(self, database: sqlite3.Connection) -> None:
        # Cast: another program may have written anything into the file.
        [total] = database.execute("SELECT TOTAL(CAST(size AS INT)) FROM completions").fetchone()
        if total <= self._max_bytes:
            return
        surplus = total - self._max_bytes * _KEPT_WHEN_FULL
        for key, size in database.execute(
            "SELECT key, CAST(size AS INT) FROM completions ORDER BY used"
        ).fetchall():
            if surplus <= 0:
                return
            database.execute("DELETE FROM completions WHERE key = ?", [key])
            surplus -= size

    def _with_database(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._open()
                with self._connection:
                    return work(self._connection)
            except (sqlite3.Error, OSError) as error:
                self._report(error)
        return None

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, _BUSY_TIMEOUT_S, check_same_thread=False)
        with contextlib.ExitStack() as opened:
            opened.callback(database.close)
            database.execute("PRAGMA journal_mode = WAL")
            # A loss of power may lose the last completions, no more.
            database.execute("PRAGMA synchronous = NORMAL")
            database.executescript(_TABLE)
            opened.pop_all()
        # A model that is deleted must not leave the file open.
        weakref.finalize(self, database.close)
        return database

    def _report(self, error: sqlite3.Error | OSError) -> None:
        """Warn, and start a new file if this one is damaged."""
        # The low byte names the kind of error (sqlite.org/rescode.html, "extended result codes").
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            try:
                self._set_aside(error)
            except OSError as refusal:
                error = refusal
            else:
                return
        if not self._warned:
            self._warned = True
            _logger.warning(
                "The cache %s cannot be used (%s): pages are read without what it holds. Set "
                '`cache` to a file in a folder that can be written, or to "" for none.',
                shorten(self._path, 400),
                shorten(error),
            )

    def _set_aside(self, error: sqlite3.Error | OSError) -> None:
        """Move a damaged file out of the way."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        aside = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
        for suffix in _FILES:
            file = self._path.with_name(self._path.name + suffix)
            with contextlib.suppress(FileNotFoundError):
                file.rename(aside.with_name(aside.name + suffix))
        _logger.warning(
            "The cache %s is damaged (%s): set aside as %s.",
            shorten(self._path, 400),
            shorten(error),
            shorten(aside.name),
        )
