"""The journal: every change of a review in one SQLite file, written before it is answered."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entry_points.command_line.cli import UsageError

NAME = "review.sqlite"

# How long a document stays reserved for a page that sends nothing more, s.
_TAKEN_S = 60.0
# How long a write waits for another process on the same folder, s.
_BUSY_S = 10.0
# Changes that can be undone after the page was loaded again.
_UNDONE = 200

_TABLES = """
CREATE TABLE IF NOT EXISTS documents (
    doc_id TEXT PRIMARY KEY, read_by TEXT NOT NULL, version INTEGER NOT NULL,
    state TEXT NOT NULL, who TEXT NOT NULL, at REAL NOT NULL, told INTEGER NOT NULL,
    written INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS contents (doc_id TEXT PRIMARY KEY, sha256 TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS changes (
    doc_id TEXT NOT NULL, version INTEGER NOT NULL, read_by TEXT NOT NULL, who TEXT NOT NULL,
    at REAL NOT NULL, ms INTEGER NOT NULL, changed TEXT NOT NULL, PRIMARY KEY (doc_id, version));
CREATE TABLE IF NOT EXISTS taken (
    doc_id TEXT PRIMARY KEY, page TEXT NOT NULL, who TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS words (page TEXT PRIMARY KEY, words TEXT NOT NULL);
"""

State = dict[str, Any]
"""The leaves of a document by path, and its verdict at ""; JSON values."""


class StaleError(Exception):
    """A document was changed by somebody else since it was read."""


@dataclass(frozen=True)
class Reviewed:
    """A document as the journal has it.

    Attributes:
        read_by: Ties it to the prediction that was reviewed.
        version: The number of its changes.
        state: What they have led to.
        who: Who made the last one.
        told: The version that MLflow knows; 0 for none.
        written: Whether its truth file was written.
        content: sha256 of its file, hex; "" where that is not known.
    """

    read_by: str
    version: int = 0
    state: State = field(default_factory=dict)
    who: str = ""
    told: int = 0
    written: bool = False
    content: str = ""


@dataclass(frozen=True)
class Author:
    """Who makes a change.

    Attributes:
        who: The person's name.
        page: The page in the person's browser; a name may have two of them.
    """

    who: str
    page: str


class Journal:
    """The journal of one folder; for several threads, and several processes on one machine."""

    def __init__(self, folder: Path) -> None:
        """Open the journal, or begin one.

        Raises:
            UsageError: It cannot be written, or it is no journal.
        """
        self._path = folder / NAME
        try:
            with self._open() as database:
                database.executescript(_TABLES)
        except sqlite3.Error as error:
            raise UsageError(
                f"{self._path} cannot be used ({error}): restore it, or name another --output."
            ) from error

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # A connection for each use: threads come and go, and opening one takes 0.1 ms.
        database = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
        try:
            database.row_factory = sqlite3.Row
            database.execute("PRAGMA synchronous=FULL")  # a saved value survives a loss of power
            yield database
        finally:
            database.close()

    def versions(self) -> dict[str, int]:
        """Return the version of each document that was changed."""
        with self._open() as database:
            found = database.execute("SELECT doc_id, version FROM documents").fetchall()
        return {row["doc_id"]: row["version"] for row in found}

    def get(self, doc_id: str) -> Reviewed | None:
        """Return a document, None if nobody has changed it."""
        with self._open() as database:
            return _get(database, doc_id)

    def save(self, doc_id: str, seen: Reviewed, state: State, author: Author, ms: int) -> int:
        """Write what a document has become, and what has changed; return the new version.

        Args:
            doc_id: The document.
            seen: What the author has seen; its version is 0 where nobody has changed it.
            state: What the author makes of it.
            author: Who.
            ms: How long it took, milliseconds.

        Raises:
            StaleError: It has another version.
        """
        text, now = json.dumps(state), time.time()
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            found = _get(database, doc_id)
            if (found.version if found else 0) != seen.version:
                raise StaleError(doc_id)
            version = seen.version + 1
            notes = (found.told, found.written) if found else (0, False)
            database.execute(
                "REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (doc_id, seen.read_by, version, text, author.who, now, *notes),
            )
            database.execute("REPLACE INTO contents VALUES (?, ?)", (doc_id, seen.content))
            changed = json.dumps(_changes(seen.state, state))
            database.execute(
                "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?)",
                (doc_id, version, seen.read_by, author.who, now, ms, changed),
            )
            database.execute("COMMIT")
        return version

    def history(self, doc_id: str, read_by: str) -> list[dict[str, Any]]:
        """Return the last changes of a prediction, each the value before and after by path."""
        with self._open() as database:
            found = database.execute(
                "SELECT changed FROM changes WHERE doc_id = ? AND read_by = ?"
                " ORDER BY version DESC LIMIT ?",
                (doc_id, read_by, _UNDONE),
            ).fetchall()
        return [json.loads(row["changed"]) for row in reversed(found)]

    def spent(self) -> list[tuple[str, int]]:
        """Return (path, milliseconds) of each change of one value that was timed."""
        with self._open() as database:
            found = database.execute("SELECT ms, changed FROM changes WHERE ms > 0").fetchall()
        timed = ((list(json.loads(row["changed"])), row["ms"]) for row in found)
        return [(paths[0], ms) for paths, ms in timed if len(paths) == 1]

    def note(self, doc_id: str, *, told: int | None = None, written: bool | None = None) -> None:
        """Note which version of a document MLflow knows, or whether its truth file is written."""
        with self._open() as database:
            database.execute(
                "UPDATE documents SET told = coalesce(?, told), written = coalesce(?, written)"
                " WHERE doc_id = ?",
                (told, written, doc_id),
            )

    def take(self, doc_id: str, author: Author, *, force: bool = False) -> str | None:
        """Reserve a document for a page and release its others; return who else has it.

        Args:
            doc_id: The document; "" releases all.
            author: The page that wants it.
            force: Take it from another page.
        """
        now = time.time()
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute(
                "DELETE FROM taken WHERE until < ? OR (page = ? AND doc_id != ?)",
                (now, author.page, doc_id),
            )
            found = database.execute(
                "SELECT who FROM taken WHERE doc_id = ? AND page != ?", (doc_id, author.page)
            ).fetchone()
            if doc_id and (found is None or force):
                database.execute(
                    "REPLACE INTO taken VALUES (?, ?, ?, ?)",
                    (doc_id, author.page, author.who, now + _TAKEN_S),
                )
            database.execute("COMMIT")
        return None if found is None or force else str(found["who"])

    def holders(self, page: str) -> dict[str, str]:
        """Return who has which document open on pages other than this one."""
        with self._open() as database:
            found = database.execute(
                "SELECT doc_id, who FROM taken WHERE until >= ? AND page != ?", (time.time(), page)
            ).fetchall()
        return {row["doc_id"]: row["who"] for row in found}

    def words(self, page: str) -> list[Sequence[Any]] | None:
        """Return the words of a page, by a key made from its content; None if it was not read."""
        with self._open() as database:
            found = database.execute("SELECT words FROM words WHERE page = ?", (page,)).fetchone()
        return None if found is None else json.loads(found["words"])

    def keep_words(self, page: str, words: Sequence[Sequence[Any]]) -> None:
        """Keep the words of a page."""
        with self._open() as database:
            database.execute("REPLACE INTO words VALUES (?, ?)", (page, json.dumps(words)))


def _changes(before: State, after: State) -> dict[str, list[Any]]:
    return {
        path: [before.get(path), after.get(path)]
        for path in {**before, **after}
        if before.get(path) != after.get(path)
    }


def _get(database: sqlite3.Connection, doc_id: str) -> Reviewed | None:
    found: Mapping[str, Any] | None = database.execute(
        "SELECT * FROM documents LEFT JOIN contents USING (doc_id) WHERE doc_id = ?", (doc_id,)
    ).fetchone()
    if found is None:
        return None
    state = json.loads(found["state"])
    notes = found["told"], bool(found["written"]), found["sha256"] or ""
    return Reviewed(found["read_by"], found["version"], state, found["who"], *notes)
