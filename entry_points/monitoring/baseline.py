"""What documents are compared with: the evaluation that the version was promoted on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import mlflow
from mlflow.exceptions import MlflowException

from entry_points.command_line.cli import RUN, UsageError
from entry_points.comparing.evidence import evaluations
from entry_points.comparing.history import is_missing
from entry_points.monitoring.comparison import FEWEST
from entry_points.monitoring.records import (
    Period,
    Record,
    WatchedModel,
    one_a_document,
    production_records,
    run_records,
)

_RUN_ID = re.compile("[0-9a-f]{32}")
_EVIDENCE = "promotion.evidence"  # the tag that promote leaves on a version


@dataclass(frozen=True)
class Baseline:
    """Documents to compare with; `told` says where they are from."""

    told: str
    records: Sequence[Record]


def run_or_period(text: str) -> Period | str:
    """Read the id of a run, or a period.

    Raises:
        ValueError: It is neither.
    """
    return text if _RUN_ID.fullmatch(text) else Period.parse(text)


def find_baseline(
    client: mlflow.MlflowClient, model: WatchedModel, given: Period | str
) -> Baseline:
    """Read the documents to compare with.

    Args:
        client: Of the store.
        model: The model.
        given: A period of production, a run's id, or "" for the evaluation that the version in
            force was promoted on; where it was promoted without one, its newest evaluation.

    Raises:
        UsageError: There are fewer than `FEWEST`.
    """
    if isinstance(given, Period):
        told, records = f"production {given}", list(production_records(client, model, given))
    else:
        runs = [given] if given else _evidence(client, model)
        told = f"run {', '.join(runs)}" if runs else "none"
        records = [each for run in runs for each in _of_run(client, model, run)]
        if not given:
            records = [each for each in records if each.version == model.version]
        records = one_a_document(records)
    if len(records) < FEWEST:
        uri = f"models:/{model.name}/{model.version}"
        raise UsageError(
            f"the baseline ({told}) has traces of {len(records)} documents, and at least {FEWEST} "
            f"are needed: evaluate the version (`{RUN} -e evaluate -P model_uri={uri}`), or name a "
            "good time with -P baseline=<first day>..<last day>. Models that were logged before "
            "traces had counts must be logged again."
        )
    return Baseline(told, records)


def _evidence(client: mlflow.MlflowClient, model: WatchedModel) -> list[str]:
    tags = client.get_model_version(model.name, model.version).tags
    if runs := _RUN_ID.findall(tags.get(_EVIDENCE, "")):
        return runs
    newest_first = evaluations(f"models:/{model.name}/{model.version}").values()
    return [run.info.run_id for run in next(iter(newest_first), [])]


def _of_run(client: mlflow.MlflowClient, model: WatchedModel, run_id: str) -> list[Record]:
    try:
        return run_records(client, model, run_id)
    except MlflowException as error:
        if is_missing(error):
            raise UsageError(
                f"the baseline's run {run_id} does not exist: give -P baseline= another run's id."
            ) from None
        raise
