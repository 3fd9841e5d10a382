"""Reads documents through batches: asks, waits, fetches, and asks again for what is missing."""

from __future__ import annotations

import itertools
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Set
from dataclasses import replace
from functools import partial
from typing import IO, Any, TypeVar

import mlflow
from mlflow.pyfunc import PyFuncModel
from tqdm import tqdm

from entry_points.batching.plan import BatchPlan
from entry_points.batching.state import BatchState, Shard
from entry_points.command_line import cli
from entry_points.logged_models.loading import extractor_errors_reported

Row = dict[str, Any]
D = TypeVar("D")

# A page sends fewer than ten requests, retries included. A document whose requests differ each time
# that it is read would be paid for without end.
_MOST_ROUNDS = 20


def read_in_batches(
    model: PyFuncModel,
    plan: BatchPlan,
    documents: Iterable[tuple[str, D]],
    read: Callable[[D], Row],
    finished: Iterable[str] = (),
) -> Iterator[Row]:
    """Yield each document's row when it is known.

    Documents are taken one by one: the first batches begin before the last document is opened.

    Args:
        model: The loaded extractor.
        plan: How large batches are, and what an earlier start has left.
        documents: Each document with a key that is the same at every start; documents of one key
            are the same.
        read: Reads one of them.
        finished: The keys of documents whose row is written; looked at only if an earlier start
            has left requests of other documents.

    Raises:
        UsageError: The extractor or its server does not support batches, or refuses one, or the
            batches to cancel are of none of these documents.
    """
    extractor: Any = model.unwrap_python_model()  # type: ignore[no-untyped-call]
    with (
        extractor_errors_reported(),
        BatchState(plan.state) as state,
        tempfile.TemporaryFile() as lines,
    ):
        rounds = _Rounds(extractor.batch_server(), state, plan, lines)
        yield from rounds.read(documents, read, finished)


def _key_of(scope: str) -> str:
    return scope.rpartition(".")[0]


class _Rounds:
    """One start's work on the batches of an output.

    Reading a document never waits: the state answers its requests, and those without an answer are
    collected for the next batch. When they are answered, the document is read again.
    """

    def __init__(self, server: Any, state: BatchState, plan: BatchPlan, lines: IO[bytes]) -> None:
        self._server = server
        self._state = state
        self._plan = plan
        # What the next batch asks for: the lines of its file, and the (custom id, scope) of each.
        self._lines = lines
        self._asked: list[tuple[str, str]] = []
        self._rounds: Counter[str] = Counter()
        self._queue_is_full = False

    def read(
        self,
        documents: Iterable[tuple[str, D]],
        read: Callable[[D], Row],
        finished: Iterable[str],
    ) -> Iterator[Row]:
        waiting = set(self._state.scopes(answered=False))
        earlier = waiting.union(self._state.scopes(answered=True))
        begun: dict[str, D] = {}
        for key, document in documents:
            scope = self._scope(key, begun)
            begun[scope] = document
            if scope not in waiting:
                yield from self._read_one(scope, partial(read, document))
        others = earlier.difference(begun)
        written = self._forget_finished(others, finished) if others else set()
        if self._plan.cancel and earlier and others - written == earlier:
            raise cli.UsageError(
                f"the batches of {self._plan.state.stem} were asked with another model, other "
                "parameters or other documents: give the same ones."
            )
        self._upload()
        while self._state.shards():
            for shard in self._state.shards():
                with self._server.faults():
                    self._look_at(shard)
            for scope in self._state.scopes(answered=True):
                if scope in begun:  # an earlier start may have asked for others
                    yield from self._read_one(scope, partial(read, begun[scope]))
            self._upload()
            if self._state.shards():
                time.sleep(self._plan.poll_s)

    def _forget_finished(self, scopes: Set[str], finished: Iterable[str]) -> set[str]:
        """Forget and return scopes whose row was written just before an earlier start stopped."""
        keys = {_key_of(scope) for scope in scopes}.intersection(finished)
        written = {scope for scope in scopes if _key_of(scope) in keys}
        for scope in written:
            self._state.forget(scope)
        return written

    def _scope(self, key: str, taken: Container[str]) -> str:
        """Return the name of a document's requests; each copy of a document has its own.

        An earlier start may have asked for some copies: those requests come first.
        """
        new = (f"{key}.{number}" for number in itertools.count())
        names = itertools.chain(self._state.scopes_of(key), new)
        return next(name for name in names if name not in taken)

    def _read_one(self, scope: str, read: Callable[[], Row]) -> Iterator[Row]:
        """Yield the document's row, or collect the requests that have no answer yet."""
        answers = self._state.answers(scope)
        if self._plan.cancel and not answers:
            return
        with (
            self._server.deferred(scope, answers) as asked,
            mlflow.tracing.context(enabled=bool(answers)),
        ):
            row = read()
        if asked and self._plan.cancel:
            return
        if asked and self._rounds[scope] < _MOST_ROUNDS:
            self._rounds[scope] += 1
            for custom_id, body in asked.items():
                self._ask(scope, custom_id, body)
            return
        if asked:
            row |= {
                "error_code": "batch_unanswered",
                "error": f"After {_MOST_ROUNDS} batches, requests of this document have no answer.",
            }
        yield row
        self._state.forget(scope)

    def _ask(self, scope: str, custom_id: str, body: bytes) -> None:
        line = self._server.line(custom_id, body)
        if self._asked and (
            len(self._asked) >= self._plan.max_requests
            or self._lines.tell() + len(line) > self._plan.max_bytes
        ):
            self._upload()
        self._lines.write(line)
        self._asked.append((custom_id, scope))

    def _upload(self) -> None:
        """Upload the collected requests and start their batch."""
        if not self._asked:
            return
        name, file_id = uuid.uuid4().hex, None
        while file_id is None:
            self._lines.seek(0)
            with self._server.faults():
                file_id = self._server.upload(name, self._lines)
            if file_id is None:
                time.sleep(self._plan.poll_s)
        shard = Shard(name, file_id, attempted=False, batch_id=None)
        self._state.add(shard, self._asked)
        self._lines.seek(0)
        self._lines.truncate()
        self._asked.clear()
        with self._server.faults():
            self._begin(shard)

    def _begin(self, shard: Shard) -> None:
        if self._queue_is_full:
            return
        batch_id = self._server.find(shard.name) if shard.attempted else None
        if batch_id is None:
            # Noted first: if this process stops before the answer, the next start looks for it.
            self._state.update(replace(shard, attempted=True))
            batch_id = self._server.begin(shard.name, shard.file_id)
        self._state.update(replace(shard, attempted=True, batch_id=batch_id))
        tqdm.write(cli.printable(f"{batch_id} started."))

    def _look_at(self, shard: Shard) -> None:
        """Fetch the answers of a batch that has ended; start or cancel one that waits for it."""
        if self._plan.cancel:
            self._withdraw(shard)
        elif shard.batch_id is None:
            self._begin(shard)
        else:
            self._fetch(shard)

    def _withdraw(self, shard: Shard) -> None:
        if shard.batch_id is None:
            found = self._server.find(shard.name) if shard.attempted else None
            if found is None:
                self._state.close(shard, None)
                return
            shard = replace(shard, batch_id=found)
            self._state.update(shard)
        self._server.cancel(shard.batch_id)
        self._fetch(shard)

    def _fetch(self, shard: Shard) -> None:
        progress = self._server.progress(shard.batch_id)
        if not progress.ended:
            return
        others = any(each.batch_id for each in self._state.shards() if each.name != shard.name)
        if progress.waits_for_others and others and not self._plan.cancel:
            self._queue_is_full = True
            self._state.update(replace(shard, attempted=False, batch_id=None))
            tqdm.write(cli.printable(f"{shard.batch_id} waits: {progress.reason}"))
            return
        self._queue_is_full = False
        self._state.keep(shard, self._server.answers(progress.files))
        reason = progress.reason or f"the batch has {progress.status} without it"
        unanswered = None if self._plan.cancel else self._server.unanswered(reason)
        asked, answered = self._state.close(shard, unanswered)
        said = f"{shard.batch_id} {progress.status}: {answered} of {asked} requests answered."
        tqdm.write(cli.printable(said))
        self._server.discard([shard.file_id, *progress.files])
