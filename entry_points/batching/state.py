"""The file beside the output that keeps the requests and answers of batches."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS shards (
    name TEXT PRIMARY KEY, file_id TEXT NOT NULL, attempted INTEGER NOT NULL, batch_id TEXT
);
CREATE TABLE IF NOT EXISTS requests (
    custom_id TEXT PRIMARY KEY, scope TEXT NOT NULL, shard TEXT NOT NULL, answer TEXT
);
CREATE INDEX IF NOT EXISTS requests_by_scope ON requests (scope);
CREATE INDEX IF NOT EXISTS requests_by_shard ON requests (shard);
"""


@dataclass(frozen=True)
class Shard:
    """A file of requests that was uploaded and whose answers were not all fetched.

    Attributes:
        name: Our own name for it.
        file_id: The server's name for the file.
        attempted: Whether its batch may have been started, even if no `batch_id` is known.
        batch_id: The server's name for its batch; None until the server has told it.
    """

    name: str
    file_id: str
    attempted: bool
    batch_id: str | None


class BatchState:
    """Requests and answers by custom id; every change is on disk when its method returns."""

    def __init__(self, path: Path) -> None:
        """Open the file of an earlier start, or create it."""
        self._path = path
        self._database = sqlite3.connect(path)
        self._database.executescript(_TABLES)

    def __enter__(self) -> BatchState:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, and remove it when nothing is left in it."""
        [left] = self._database.execute(
            "SELECT EXISTS(SELECT 1 FROM requests) OR EXISTS(SELECT 1 FROM shards)"
        ).fetchone()
        self._database.close()
        if not left:
            self._path.unlink()

    def add(self, shard: Shard, requests: Iterable[tuple[str, str]]) -> None:
        """Add an uploaded file with the (custom id, scope) of each of its requests."""
        with self._database as database:
            database.execute(
                "INSERT INTO shards VALUES (?, ?, ?, ?)",
                (shard.name, shard.file_id, shard.attempted, shard.batch_id),
            )
            database.executemany(
                "INSERT INTO requests VALUES (?, ?, ?, NULL)",
                ((custom_id, scope, shard.name) for custom_id, scope in requests),
            )

    def update(self, shard: Shard) -> None:
        """Store whether the batch of a shard was started, and its id."""
        with self._database as database:
            database.execute(
                "UPDATE shards SET attempted = ?, batch_id = ? WHERE name = ?",
                (shard.attempted, shard.batch_id, shard.name),
            )

    def shards(self) -> list[Shard]:
        """Return the shards whose answers were not all fetched, oldest first."""
        rows = self._database.execute(
            "SELECT name, file_id, attempted, batch_id FROM shards ORDER BY rowid"
        ).fetchall()
        return [Shard(name, file, bool(attempted), batch) for name, file, attempted, batch in rows]

    def keep(self, shard: Shard, answers: Iterable[tuple[str, str]]) -> None:
        """Keep the answers of a shard: the first one for each request, none for other requests."""
        with self._database as database:
            database.executemany(
                "UPDATE requests SET answer = ? "
                "WHERE custom_id = ? AND shard = ? AND answer IS NULL",
                ((answer, custom_id, shard.name) for custom_id, answer in answers),
            )

    def close(self, shard: Shard, unanswered: str | None) -> tuple[int, int]:
        """Remove a shard.

        Args:
            shard: The shard.
            unanswered: The answer for its requests that have none; None drops these requests.

        Returns:
            How many requests it had, and how many of them were answered.
        """
        with self._database as database:
            asked, answered = database.execute(
                "SELECT COUNT(*), COUNT(answer) FROM requests WHERE shard = ?", (shard.name,)
            ).fetchone()
            if unanswered is None:
                database.execute(
                    "DELETE FROM requests WHERE shard = ? AND answer IS NULL", (shard.name,)
                )
            else:
                database.execute(
                    "UPDATE requests SET answer = ? WHERE shard = ? AND answer IS NULL",
                    (unanswered, shard.name),
                )
            database.execute("DELETE FROM shards WHERE name = ?", (shard.name,))
        return asked, answered

    def answers(self, scope: str) -> dict[str, str]:
        """Return a document's answers by custom id."""
        rows = self._database.execute(
            "SELECT custom_id, answer FROM requests WHERE scope = ? AND answer IS NOT NULL",
            (scope,),
        )
        return dict(rows.fetchall())

    def scopes(self, *, answered: bool) -> Sequence[str]:
        """Return the documents whose requests are all answered, or those with open requests."""
        rows = self._database.execute(
            "SELECT scope FROM requests GROUP BY scope HAVING (COUNT(answer) = COUNT(*)) = ?",
            (answered,),
        )
        return [scope for (scope,) in rows.fetchall()]

    def scopes_of(self, key: str) -> Sequence[str]:
        """Return the documents named `<key>.<number>` that have requests."""
        rows = self._database.execute(
            "SELECT DISTINCT scope FROM requests WHERE scope >= ? AND scope < ?",
            (f"{key}.", f"{key}/"),  # "/" follows "."
        )
        return [scope for (scope,) in rows.fetchall()]

    def forget(self, scope: str) -> None:
        """Drop a document whose row is written."""
        with self._database as database:
            database.execute("DELETE FROM requests WHERE scope = ?", (scope,))
