"""The evaluations of an extractor, and the forms on which two extractors can be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mlflow
from mlflow.entities import Metric, Run
from mlflow.models import get_model_info
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from entry_points.command_line.cli import RUN, UsageError
from entry_points.evaluation.read_items import READ
from entry_points.evaluation.results import PREDICTIONS, FormResult, load_results
from entry_points.logged_models.loading import LEARNED_FROM
from entry_points.scoring.scores import Score

_DIGEST = "dataset_digest"
# A metric that every evaluation logs with its model and its dataset.
_ALWAYS = "coverage"
# Settings that change neither what is asked nor what is answered.
_IMMATERIAL = {"cache", "cache_bytes", "max_concurrency", "requests_per_minute"}


@dataclass(frozen=True)
class UsageTotals:
    """The input and output tokens of a page, on average; its cost, USD, is None if not known."""

    tokens: float
    cost: float | None


@dataclass(frozen=True)
class Evidence:
    """How an extractor read some forms, which have the content hash `digest`.

    Forms are named by id; `scores` are the means of the `repeats`. What a page costs is None if
    that was never measured. `learned_from` is the number of these forms that the extractor's local
    weights have learned from.
    """

    model_uri: str
    run_ids: tuple[str, ...]
    digest: str
    repeats: tuple[Mapping[str, FormResult], ...]
    scores: Mapping[str, Score]
    usage: UsageTotals | None
    learned_from: int = 0

    @property
    def kind(self) -> Score:
        """One of the scores, for what is the same in all of them."""
        return next(iter(self.scores.values()))

    def main(self, doc_id: str) -> float:
        """Return the metric that stands for the whole form, [0, 1]."""
        score = self.scores[doc_id]
        return score.metrics()[score.MAIN]


def load_evidence(model_uri: str, runs: Sequence[Run]) -> Evidence:
    """Read what evaluations of one extractor, at least one, have logged.

    Raises:
        UsageError: They did not read the same forms.
    """
    digests = {run.data.tags[_DIGEST] for run in runs}
    if len(digests) > 1:
        raise UsageError(
            f"{model_uri} was evaluated on forms that changed meanwhile ({', '.join(digests)}): "
            "evaluate again while nobody edits the dataset."
        )
    digest = digests.pop()
    repeats = tuple(load_results(run.info.run_id) for run in runs)
    return Evidence(
        model_uri=model_uri,
        run_ids=tuple(run.info.run_id for run in runs),
        digest=digest,
        repeats=repeats,
        scores={
            doc_id: type(first.score).mean([repeat[doc_id].score for repeat in repeats])
            for doc_id, first in repeats[0].items()
        },
        usage=page_usage(model_id, digest) if (model_id := _model_id(model_uri)) else None,
        learned_from=max(int(run.data.tags.get(LEARNED_FROM, 0)) for run in runs),
    )


def load_outputs(run_id: str) -> dict[str, dict[str, Any]] | None:
    """Return the scored columns of what an evaluation read, by form id.

    None if the extractor keeps document text out of MLflow (`trace_content=metadata`).
    """
    uri = mlflow.get_run(run_id).info.artifact_uri
    table = mlflow.artifacts.load_dict(f"{uri}/{PREDICTIONS}")
    rows = [dict(zip(table["columns"], cells, strict=True)) for cells in table["data"]]
    columns = next(names for names in READ.values() if names[0] in rows[0])
    if any(row[columns[0]] is None for row in rows):
        return None
    return {row["doc_id"]: _read_columns(row, columns) for row in rows}


def _read_columns(row: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """Return what is scored of a row; `values` is JSON text, in the output as well."""
    read = {name: json.loads(row[name]) for name in columns}
    if read.get("values") is not None:
        read["values"] = row["values"]
    return {**read, "error_code": row["error_code"]}


def shared_evidence(one: str, other: str) -> tuple[Evidence, Evidence]:
    """Find the newest evaluations of two registered versions on the same forms.

    Evaluations on a development split do not count, because the prompt was written with these forms
    in view. All repeats of one comparison count.

    Raises:
        UsageError: There are none; the message names the command that makes some.
    """
    ours, theirs = evaluations(one), evaluations(other)
    if digest := next((each for each in ours if each in theirs), None):
        return load_evidence(one, ours[digest]), load_evidence(other, theirs[digest])
    changed = _names(ours) & _names(theirs)
    reason = (
        f"the forms of {', '.join(sorted(changed))} changed between their evaluations, or "
        "different forms were drawn"
        if changed
        else "they were not evaluated on the same forms (a development split does not count)"
    )
    raise UsageError(
        f"{one} cannot be compared with {other}: {reason}. "
        f'Evaluate both: {RUN} -e compare -P candidates="{other},{one}"'
    )


def evaluations(model_uri: str) -> dict[str, list[Run]]:
    """Return an extractor's runs by the digest of the forms, newest first."""
    model_id = _model_id(model_uri)
    metrics = (mlflow.get_logged_model(model_id).metrics if model_id else None) or []
    found: dict[str, list[Run]] = {}
    for metric in sorted(metrics, key=lambda metric: -metric.timestamp):
        if metric.key != _ALWAYS or not metric.run_id:
            continue
        run = mlflow.get_run(metric.run_id)
        if run.data.tags.get("split") == "development":
            continue
        repeats = found.setdefault(run.data.tags[_DIGEST], [])
        if not repeats or _is_repeat(run, repeats[0]):
            repeats.append(run)
    return found


def _model_id(model_uri: str) -> str | None:
    return get_model_info(model_uri).model_id


def _is_repeat(run: Run, newest: Run) -> bool:
    parent = run.data.tags.get(MLFLOW_PARENT_RUN_ID)
    return parent is not None and parent == newest.data.tags.get(MLFLOW_PARENT_RUN_ID)


def _names(evaluations: Mapping[str, Sequence[Run]]) -> set[str]:
    return {
        each.dataset.name.removesuffix(f"@{digest[:8]}")
        for digest, runs in evaluations.items()
        for run in runs
        for each in (run.inputs.dataset_inputs if run.inputs else [])
        if each.dataset.digest == digest
    }


def page_usage(model_id: str, digest: str) -> UsageTotals | None:
    """Return the mean cost of a page; None if all pages so far came from the cache.

    Pages from the completions cache cost nothing, which says nothing about other pages. So this
    uses the newest evaluation that asked the LLM, of this extractor or of another one with the same
    settings and prompt; one on the forms with this `digest` if there is any.
    """
    model = mlflow.get_logged_model(model_id)
    settings = _material(model.params)
    alike = mlflow.search_logged_models(
        experiment_ids=[model.experiment_id],
        filter_string=f"params.prompt_uri = '{model.params['prompt_uri']}'",
        output_format="list",
    )
    runs: dict[str, dict[str, Metric]] = {}
    for each in alike:
        if _material(each.params) == settings:
            for metric in each.metrics or []:
                runs.setdefault(str(metric.run_id), {})[metric.key] = metric
    newest_first = sorted(
        (run for run in runs.values() if _pages_read(run)),
        key=lambda run: (run["pages"].dataset_digest == digest, run["pages"].timestamp),
        reverse=True,
    )
    return _usage(newest_first[0]) if newest_first else None


def _material(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name not in _IMMATERIAL}


def _pages_read(run: Mapping[str, Metric]) -> float:
    return run["pages"].value - run["cache_hits"].value if "pages" in run else 0.0


def _usage(run: Mapping[str, Metric]) -> UsageTotals:
    pages = _pages_read(run)
    tokens = (run["input_tokens"].value + run["output_tokens"].value) / pages
    return UsageTotals(tokens, run["cost"].value / pages if "cost" in run else None)
