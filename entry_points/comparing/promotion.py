"""Moves `champion` and `production` if the gate has no objection, and records it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, ErrorCode
from mlflow.utils.mlflow_tags import MLFLOW_USER

from entry_points.command_line import cli
from entry_points.command_line.rights import login
from entry_points.comparing.evidence import shared_evidence
from entry_points.comparing.gate import Gate
from entry_points.comparing.history import History, InForce, Move, is_missing
from entry_points.logged_models.loading import extractor_config, pinned


@dataclass(frozen=True)
class PromotionResult:
    """The versions in force before and after a promotion, the objections, and the compared runs."""

    model_uri: str
    before: InForce
    after: InForce
    objections: tuple[str, ...]
    run_ids: tuple[str, ...]

    @property
    def promoted(self) -> bool:
        """Whether the candidate is the champion."""
        return self.before != self.after


def promote(run: Run, model_uri: str, gate: Gate, *, force: bool = False) -> PromotionResult:
    """Put a registered version and its prompt in force, if the gate has no objection.

    Without a champion the gate is not asked; `force` promotes despite objections and records who
    did it. The local engine uses only the schema of a prompt: without one, `production` stays. If
    the version's promotion stopped before it moved `production`, that is done now.

    Raises:
        UsageError: It is the champion already, or another promotion runs at the same time.
    """
    name, version = pinned(model_uri)
    candidate = f"models:/{name}/{version}"
    history = History(mlflow.MlflowClient(), name)
    config = extractor_config(candidate)
    before = in_force(history, config["prompt_uri"])
    if before.champion == version:
        return _finish(history, candidate, before)
    objections, run_ids = _judge(candidate, name, before.champion, gate)
    if objections and not force:
        return PromotionResult(candidate, before, before, objections, run_ids)
    prompt = config["prompt_uri"]
    if config["engine"] != "openai" and not _has_schema(history.client, prompt):
        prompt = ""
    after = InForce(version, prompt or before.production)
    tags = {"promotion.evidence": ", ".join(run_ids) or "none: there was no champion"}
    who = user(run)
    if objections:
        tags |= {"promotion.forced_by": who, "promotion.objections": "; ".join(objections)}
    step = Move(
        before,
        after,
        is_rollback=False,
        run_id=run.info.run_id,
        user=who,
        evidence=run_ids,
        objections=objections,
    )
    move(history, step, InForce(version, prompt), tags)
    return PromotionResult(candidate, before, after, objections, run_ids)


def _finish(history: History, candidate: str, now: InForce) -> PromotionResult:
    """Move `production` if the move that made the candidate champion has not done so.

    Raises:
        UsageError: It has.
    """
    last = history.moves[-1] if history.moves else None
    if (
        last is None
        or last.after.champion != now.champion
        or last.before.production != now.production
        or last.after.production in {"", now.production}
    ):
        raise cli.UsageError(f"{candidate} is the {cli.CHAMPION} already.")
    _set_production(history.client, last.after.production)
    return PromotionResult(candidate, last.before, last.after, last.objections, last.evidence)


def _judge(
    candidate: str, model_name: str, champion: str, gate: Gate
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the objections, and the runs they rest on."""
    if not champion:
        return (), ()
    try:
        ours, theirs = shared_evidence(candidate, f"models:/{model_name}/{champion}")
    except cli.UsageError as error:
        return (str(error),), ()
    return tuple(gate.objections(ours, theirs)), (*ours.run_ids, *theirs.run_ids)


def in_force(history: History, prompt_uri: str) -> InForce:
    """Return a model's champion, and the production version of the prompt that a URI names.

    Raises:
        UsageError: Another process has written the next move but not set the aliases yet.
    """
    client = history.client
    champion = str(client.get_registered_model(history.model_name).aliases.get(cli.CHAMPION, ""))
    last = history.moves[-1] if history.moves else None
    # If that run has ended, somebody has moved the alias by hand since: the alias counts.
    if last and last.after.champion != champion and _is_running(client, last.run_id):
        raise cli.UsageError(
            f"{last.user} is moving {cli.CHAMPION} to version {last.after.champion} (run "
            f"{last.run_id}): wait for its end. If it has died, end that run: `mlflow runs`."
        )
    prompt_name, _ = _prompt(prompt_uri)
    try:
        prompt = client.get_prompt_version_by_alias(prompt_name, cli.PRODUCTION)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(INVALID_PARAMETER_VALUE):
            raise
        return InForce(champion, "")
    return InForce(champion, f"prompts:/{prompt_name}/{prompt.version}")


def _is_running(client: mlflow.MlflowClient, run_id: str) -> bool:
    try:
        return bool(client.get_run(run_id).info.status == "RUNNING")
    except MlflowException as error:
        if is_missing(error):  # it was deleted for good
            return False
        raise


def move(history: History, step: Move, tagged: InForce, tags: Mapping[str, str]) -> None:
    """Write the next move and set the aliases; tag some versions first, the prompt's as well.

    So who may change the model but not the prompt is refused before anything has moved.

    Raises:
        UsageError: Another writer has written one since the history was read.
    """
    client = history.client

    def record() -> None:
        for key, value in tags.items():
            if tagged.champion:
                client.set_model_version_tag(history.model_name, tagged.champion, key, value)
            if tagged.production:
                client.set_prompt_version_tag(*_prompt(tagged.production), key, value)

    history.append(replace(step, at=datetime.now(UTC).isoformat(timespec="seconds")), record)
    client.set_registered_model_alias(history.model_name, cli.CHAMPION, step.after.champion)
    # Where no prompt was in production before, the one that is there stays.
    if step.after.production not in {"", step.before.production}:
        _set_production(client, step.after.production)


def _set_production(client: mlflow.MlflowClient, prompt_uri: str) -> None:
    name, version = _prompt(prompt_uri)
    client.set_prompt_alias(name, cli.PRODUCTION, int(version))


def _has_schema(client: mlflow.MlflowClient, prompt_uri: str) -> bool:
    version = client.get_prompt_version(*_prompt(prompt_uri))
    return version is not None and version.response_format is not None


def user(run: Run) -> str:
    """Return who moves aliases: the user of the registry's server, or who started the run."""
    return login() or str(run.data.tags.get(MLFLOW_USER, "unknown"))


def _prompt(uri: str) -> tuple[str, str]:
    """Return name and version of `prompts:/<name>/<version>`."""
    name, _, version = uri.removeprefix("prompts:/").rpartition("/")
    return name, version
