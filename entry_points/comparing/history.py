"""The extractors and prompts that were in force: an append-only list that cannot be forked.

Each move is a tag of the registered model, so it outlives every version and run. MLflow overwrites
tags, so writers take turns: each sets a tag of its own, its claim, and then looks for others. A
writer that sees a smaller key withdraws. A writer that sees only greater keys waits until they are
gone: their writers withdraw, or are about to finish. So at most one writes at a time, and of the
writers that start at the same time exactly one succeeds. This needs a store in which every read
sees all earlier confirmed writes: SQLite and a PostgreSQL server are such stores, lagging read
replicas are not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from pydantic import TypeAdapter, ValidationError

from entry_points.command_line.cli import UsageError
from entry_points.command_line.tracking import list_of

# A move's tag is `promotion.000001`. MLflow's column holds 5,000 characters, and names have 256.
_LONGEST = 5000
_KEY = "promotion.{:06}"
_IS_KEY = re.compile(r"promotion\.\d{6}")
_CLAIM = "promotion_claim."
_POLL_S = 0.1


@dataclass(frozen=True)
class InForce:
    """The versions that users get: a model version and `prompts:/<name>/<version>`; "" for none."""

    champion: str
    production: str


@dataclass(frozen=True)
class Move:
    """One change of the versions in force.

    Attributes:
        before: What was in force.
        after: What is in force since then.
        is_rollback: Whether it restores what an earlier promotion replaced.
        run_id: The run that made it.
        user: Who made it, as the registry's server or else the machine knows them.
        at: When, in ISO 8601 (UTC); "" before the move is made.
        evidence: The runs of the compared evaluations.
        objections: The gate's objections that were overridden.
    """

    before: InForce
    after: InForce
    is_rollback: bool
    run_id: str
    user: str
    at: str = ""
    evidence: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()


_MOVE = TypeAdapter(Move)


def is_missing(error: MlflowException) -> bool:
    """Tell whether MLflow's error says that something does not exist."""
    return bool(error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST))


class History:
    """The moves of one registered model, oldest first."""

    def __init__(self, client: MlflowClient, model_name: str) -> None:
        """Read the list as it is now.

        Raises:
            UsageError: There is no such model, or somebody has edited an entry.
        """
        self.client = client
        self.model_name = model_name
        entries = self._entries()
        self._last = max(entries, default="")
        self.moves: Sequence[Move] = [self._parse(*entry) for entry in entries.items()]

    def append(
        self, move: Move, record: Callable[[], None] = lambda: None, *, patience_s: float = 30.0
    ) -> None:
        """Write the next move, the only one of its run; wait `patience_s` seconds for others.

        `record` is called before it is written, by the one writer that writes: what it raises, for
        example because its user may not change the prompt, leaves the history as it was.

        Raises:
            UsageError: Another writer has written a move since this list was read, or is writing.
        """
        claim = f"{_CLAIM}{move.run_id}"
        self._set(claim, move)
        try:
            self._wait_for_turn(claim, patience_s)
            entries = self._entries()
            if (last := max(entries, default="")) > self._last:
                theirs = self._parse(last, entries[last])
                raise UsageError(
                    f"{theirs.user} was faster: version {theirs.after.champion} is in force (run "
                    f"{theirs.run_id}). Compare with that one."
                )
            record()
            number = int(self._last[-6:] or 0) + 1
            self._set(_KEY.format(number), move)
        finally:
            self.client.delete_registered_model_tag(self.model_name, claim)

    def previous(self) -> InForce | None:
        """Return the versions that a rollback restores, None if there are none."""
        undoable: list[InForce] = []
        for move in self.moves:
            if move.is_rollback:
                del undoable[-1:]  # none is left where somebody has deleted its entry
            else:
                undoable.append(move.before)
        return undoable[-1] if undoable and undoable[-1].champion else None

    def _wait_for_turn(self, claim: str, patience_s: float) -> None:
        """Wait until no other writer can be writing; the module's docstring has the rule."""
        deadline = time.monotonic() + patience_s
        while others := {
            key: value
            for key, value in self._tags().items()
            if key.startswith(_CLAIM) and key != claim
        }:
            first = min(others)
            if first < claim or time.monotonic() > deadline:
                theirs = self._parse(first, others[first])
                raise UsageError(
                    f"{theirs.user} is promoting version {theirs.after.champion} (run "
                    f"{theirs.run_id}). Try again when that run has ended; if its process has "
                    f"died, delete the tag {first} of the model {self.model_name}: see "
                    f"{list_of('models')}."
                )
            time.sleep(_POLL_S)

    def _entries(self) -> dict[str, str]:
        """Return the moves' tags in their order."""
        return {key: value for key, value in sorted(self._tags().items()) if _IS_KEY.fullmatch(key)}

    def _tags(self) -> dict[str, str]:
        try:
            return dict(self.client.get_registered_model(self.model_name).tags)
        except MlflowException as error:
            if is_missing(error):
                raise UsageError(
                    f"no model is registered as {self.model_name[:80]!r}: see {list_of('models')}."
                ) from None
            raise

    def _set(self, key: str, move: Move) -> None:
        self.client.set_registered_model_tag(self.model_name, key, _fitting_text(move))

    def _parse(self, key: str, value: str) -> Move:
        try:
            return _MOVE.validate_json(value)
        except ValidationError:
            raise UsageError(
                f"the tag {key} of the model {self.model_name} is no move of its history: "
                f"{value[:80]!r}. Restore it or delete it."
            ) from None


def _fitting_text(move: Move) -> str:
    """Return a move as JSON that fits into a tag: the last of many objections and runs may lack."""
    text = _MOVE.dump_json(move).decode()
    for name in ("objections", "evidence"):
        given = kept = getattr(move, name)
        while kept and len(text) > _LONGEST:
            kept = kept[:-1]
            cut: dict[str, Any] = {name: (*kept, f"and {len(given) - len(kept)} more")}
            move = replace(move, **cut)
            text = _MOVE.dump_json(move).decode()
    return text
