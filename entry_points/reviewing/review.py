"""A review under way: documents with their leaves, what is saved of them, and their truth files."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from data.field_schema import pattern
from entry_points.command_line.cli import UsageError
from entry_points.labelling.feedback import Truth
from entry_points.labelling.labelled_folder import LabelledFolder, is_path
from entry_points.predictions.output import KEY
from entry_points.reviewing.journal import Author, Journal, Reviewed, StaleError, State
from entry_points.reviewing.leaves import Leaf, Task
from entry_points.reviewing.pages import Pages

_log = logging.getLogger(__name__)

VERDICT = ""
"""The key of a document's verdict among its leaves."""

ACCEPTED, REJECTED = "accepted", "rejected"


class Verdict(BaseModel):
    """What a person has decided about a document.

    Attributes:
        status: "open" until a person decides.
        reason: Why it was rejected or postponed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Literal["open", "accepted", "postponed", "rejected"] = "open"
    reason: Annotated[str, Field(max_length=1000)] = ""


class RefusedError(Exception):
    """A change cannot be made; the message says why.

    Attributes:
        path: The leaf that stands in the way, "" for none.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class Edit(BaseModel):
    """What a page sends to change a document.

    Attributes:
        doc_id: The document that the person has seen.
        version: The version that the person has seen, 0 where nobody has changed it.
        leaves: The leaves that change by path, None for one that is gone.
        verdict: The new verdict, None for the old one.
        ms: How long it took, milliseconds; 0 if that is not known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    doc_id: str
    version: Annotated[int, Field(ge=0)]
    leaves: dict[Annotated[str, Field(max_length=200)], Leaf | None] = {}
    verdict: Verdict | None = None
    ms: Annotated[int, Field(ge=0, le=3_600_000)] = 0


@dataclass(frozen=True)
class Document:
    """A document as it is now.

    Attributes:
        reviewed: As the journal has it; version 0 where nobody has changed it.
        leaves: Its values, in the schema's order.
        verdict: What was decided.
    """

    reviewed: Reviewed
    leaves: dict[str, Leaf]
    verdict: Verdict


class Review:
    """The documents of one start; safe to use from several threads."""

    def __init__(
        self,
        rows: Mapping[str, Mapping[str, Any]],
        task: Task,
        journal: Journal,
        folder: LabelledFolder,
        pages: Pages,
    ) -> None:
        """Take what is reviewed, and finish what a killed process has begun.

        Args:
            rows: The predictions by doc_id.
            task: What they hold.
            journal: Where changes are kept.
            folder: Where accepted documents go.
            pages: Their pages.

        Raises:
            UsageError: A truth file cannot be written, or is of another document of that name.
        """
        self.rows, self.task, self.journal, self.pages = rows, task, journal, pages
        self.ids: Sequence[str] = list(rows)
        self.folder = folder
        self._writing = threading.Lock()
        self._lines: dict[str, tuple[int, dict[str, Any]]] = {}
        self._patterns = {path: at for at, path in enumerate(task.shape.leaves)}
        for doc_id in self._changed():
            self._refuse_another(doc_id)
        self.write_truths()

    def document(self, doc_id: str) -> Document:
        """Return a document as it is now.

        A document that was read again is reviewed again; an earlier verdict on it stays, but not
        on another document of its name.
        """
        row = self.rows[doc_id]
        read_by, found = row[KEY][:16], self.journal.get(doc_id)
        if found is not None:
            verdict = Verdict(**found.state[VERDICT])
            settled = verdict.status in {ACCEPTED, REJECTED}
            if found.read_by == read_by or (settled and not self._is_another(doc_id, found)):
                leaves = {path: Leaf(**leaf) for path, leaf in found.state.items() if path}
                return Document(found, self._in_order(leaves), verdict)
        leaves = self._in_order(self.task.read(row))
        fresh = replace(
            found or Reviewed(read_by), read_by=read_by, state=_state(leaves, Verdict())
        )
        return Document(fresh, leaves, Verdict())

    def _changed(self) -> list[str]:
        return sorted(self.journal.versions().keys() & self.rows.keys())

    def _refuse_another(self, doc_id: str) -> None:
        found = self.journal.get(doc_id)
        if found and found.state[VERDICT]["status"] == ACCEPTED and self._is_another(doc_id, found):
            raise UsageError(
                f"another document named {doc_id[:80]!r} was accepted into this --output: name "
                "another one for this document."
            )

    def _is_another(self, doc_id: str, found: Reviewed) -> bool:
        """Tell whether what was decided is about another document of that name."""
        return bool(found.content) and self.pages.digest(doc_id) not in {"", found.content}

    def save(self, doc_id: str, edit: Edit, author: Author) -> tuple[Document, list[str]]:
        """Make a change; return the document after it, and the paths that have changed.

        Raises:
            StaleError: Somebody else has changed it since the edit's version.
            RefusedError: The change makes no sense.
        """
        now = self.document(doc_id)
        if now.reviewed.version != edit.version:
            raise StaleError(doc_id)
        leaves, changed = self._applied(doc_id, now, edit)
        verdict = edit.verdict or now.verdict
        if verdict.status == ACCEPTED:
            for path, reason in self.task.objections(leaves).items():
                raise RefusedError(f"{path} {reason}", path)
            try:
                self.pages.path(doc_id)
            except UsageError as error:
                raise RefusedError(str(error)) from error
        seen = replace(now.reviewed, content=self.pages.digest(doc_id))
        self.journal.save(doc_id, seen, _state(leaves, verdict), author, edit.ms)
        if ACCEPTED in {now.verdict.status, verdict.status}:
            try:
                self.write_truth(doc_id)
            except UsageError as error:
                # The change is saved: `write_truths` writes the file before the summary.
                _log.warning("%s", error)
        return self.document(doc_id), list(changed)

    def _applied(
        self, doc_id: str, now: Document, edit: Edit
    ) -> tuple[dict[str, Leaf], dict[str, Leaf]]:
        for path in edit.leaves:
            if not is_path(path, self._patterns):
                raise RefusedError(f"the schema has no field {path[:80]!r}")
            if edit.leaves[path] is None and path in self.task.shape.scalars:
                raise RefusedError(f"{path[:80]} is a field of every document: mark it as absent")
        given = {**now.leaves, **edit.leaves}
        leaves = {path: leaf for path, leaf in given.items() if leaf is not None}
        self._refuse_half_rows(leaves)
        wanted = {path: leaf for path, leaf in edit.leaves.items() if leaf is not None}
        read = self.task.read(self.rows[doc_id])
        changed = self.task.settled(leaves, wanted, read)
        return self._in_order(leaves | changed), changed

    def _refuse_half_rows(self, leaves: Mapping[str, Leaf]) -> None:
        rows = Counter(path.partition("]")[0] for path in leaves if "[" in path)
        for row, cells in rows.items():
            if cells != len(self.task.shape.tables[row.partition("[")[0]]):
                raise RefusedError(f"{row}] has not all cells of a row")

    def write_truths(self) -> None:
        """Write or remove the truth files that do not fit the journal.

        Raises:
            UsageError: One of them cannot be written.
        """
        for doc_id in self._changed():
            self.write_truth(doc_id)

    def write_truth(self, doc_id: str) -> None:
        """Write or remove a document's truth file, as the journal says.

        Raises:
            UsageError: It cannot be written.
        """
        with self._writing:
            document = self.document(doc_id)
            accepted = document.verdict.status == ACCEPTED
            if accepted:
                self.pages.path(doc_id)
                truth = self.truth(doc_id, document)
                self.folder.save(doc_id, truth, self.rows[doc_id]["page_count"] or 1)
            elif document.reviewed.written:
                self.folder.remove(doc_id)
            if accepted != document.reviewed.written:
                self.journal.note(doc_id, written=accepted)

    def truth(self, doc_id: str, document: Document) -> Truth:
        """Return what is true of an accepted document.

        Raises:
            UsageError: A value cannot be used.
        """
        return self.folder.truth(doc_id, self.task.confirmed(document.leaves))

    def lines(self, page: str) -> list[dict[str, Any]]:
        """Return what the list shows of all documents, with who has them open elsewhere."""
        versions, holders = self.journal.versions(), self.journal.holders(page)
        for doc_id in self.ids:
            version = versions.get(doc_id, 0)
            if doc_id not in self._lines or self._lines[doc_id][0] != version:
                self._lines[doc_id] = version, self._line(doc_id)
        return [
            {"n": number, "id": doc_id, "holder": holders.get(doc_id), **self._lines[doc_id][1]}
            for number, doc_id in enumerate(self.ids)
        ]

    def _line(self, doc_id: str) -> dict[str, Any]:
        document = self.document(doc_id)
        left = {path: leaf for path, leaf in document.leaves.items() if not leaf.ok}
        known = [leaf.confidence for leaf in left.values() if leaf.confidence is not None]
        checks = self.task.checks(document.leaves)
        return {
            **document.verdict.model_dump(),
            "who": document.reviewed.who,
            "left": len(left),
            "all": sum(map(self.task.is_judged, document.leaves)),
            "needs": sorted({self._patterns[pattern(path)] for path in left}),
            "fails": [at for at, each in enumerate(checks) if each["failures"]],
            "least": min(known) if known else None,
            "text": " ".join(leaf.raw for leaf in document.leaves.values() if leaf.raw).lower(),
            "error": self.rows[doc_id]["error_code"],
        }

    def _in_order(self, leaves: Mapping[str, Leaf]) -> dict[str, Leaf]:
        def place(path: str) -> tuple[Any, ...]:
            table, _, rest = path.partition("[")
            row = int(rest.partition("]")[0]) if rest else 0
            return (bool(rest), table if rest else "", row, self._patterns[pattern(path)])

        known = [path for path in leaves if is_path(path, self._patterns)]
        return {path: leaves[path] for path in sorted(known, key=place)}


def _state(leaves: Mapping[str, Leaf], verdict: Verdict) -> State:
    state: State = {path: leaf.model_dump(mode="json") for path, leaf in leaves.items()}
    return {VERDICT: verdict.model_dump(), **state}
