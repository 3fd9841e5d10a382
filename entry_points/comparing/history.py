"""Which extractor and prompt were in force: an append-only list that two people cannot fork.

Aliases and tags of MLflow's registry are simply overwritten. A run's param is not: the tracking
store refuses a second value, in one transaction. So each move is the next numbered param of one
run, the one that logged the model's oldest version, and of two people who write the same number one
is told.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from entry_points.cli import UsageError

_PREFIX = "promotion."


@dataclass(frozen=True)
class InForce:
    """What users get.

    Attributes:
        champion: The model version, "" for none.
        production: `prompts:/<name>/<version>`, "" for none.
    """

    champion: str
    production: str


@dataclass(frozen=True)
class Move:
    """One change of what is in force.

    Attributes:
        before: What was in force.
        after: What is since.
        is_rollback: Whether it undid an earlier one.
        run_id: The run that made it.
        user: Who did.
    """

    before: InForce
    after: InForce
    is_rollback: bool
    run_id: str
    user: str


class History:
    """The moves of one registered model.

    Attributes:
        client: MLflow's.
        model_name: The registered model.
        moves: What was written so far, oldest first.
    """

    def __init__(self, client: MlflowClient, model_name: str) -> None:
        """Read the list as it is now.

        Raises:
            UsageError: No version of the model was logged by a run.
        """
        versions = client.search_model_versions(f"name='{model_name}'")
        logged = sorted((int(each.version), each.run_id) for each in versions if each.run_id)
        if not logged:
            raise UsageError(f"no run has logged a version of {model_name}.")
        self.client = client
        self.model_name = model_name
        self._run_id = logged[0][1]
        params = client.get_run(self._run_id).data.params
        entries = sorted(item for item in params.items() if item[0].startswith(_PREFIX))
        self.moves: Sequence[Move] = [_parse(value) for _, value in entries]

    def append(self, move: Move) -> None:
        """Write the next move.

        Raises:
            UsageError: Somebody else wrote one since this list was read.
        """
        key = f"{_PREFIX}{len(self.moves) + 1:06}"
        try:
            self.client.log_param(self._run_id, key, json.dumps(asdict(move)))
        except MlflowException:
            params = self.client.get_run(self._run_id).data.params
            if key not in params:
                raise
            theirs = _parse(params[key])
            raise UsageError(
                f"{theirs.user} was faster: version {theirs.after.champion} is in force (run "
                f"{theirs.run_id}). Compare with that one."
            ) from None

    def previous(self) -> InForce | None:
        """Return what a rollback leads to, None when there is nothing before."""
        undoable: list[InForce] = []
        for move in self.moves:
            if move.is_rollback:
                undoable.pop()
            else:
                undoable.append(move.before)
        return undoable[-1] if undoable and undoable[-1].champion else None


def _parse(text: str) -> Move:
    values = json.loads(text)
    before, after = InForce(**values.pop("before")), InForce(**values.pop("after"))
    return Move(before=before, after=after, **values)
