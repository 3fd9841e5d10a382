"""The results of an evaluation: how they are logged to an MLflow run and loaded from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.data.pandas_dataset import from_pandas

from entry_points.evaluation.read_items import READ, ReadItem, read_items
from entry_points.evaluation.reading import Reading, named
from entry_points.logged_models.loading import LEARNED_FROM
from entry_points.scoring.calibration import reliability
from entry_points.scoring.counts import Numbers
from entry_points.scoring.scores import Score, aggregate
from entry_points.scoring.truths import stored_score

PREDICTIONS = "predictions.json"
SCORES = "scores.json"

_SUMMED = ("input_tokens", "output_tokens", "cached_tokens", "attempts", "cache_hits")
_PERCENTILES = (50, 95)

MEASURED = {
    *_SUMMED,
    "confidence_ece",
    "seconds_per_page",
    *(f"seconds_per_page_p{percent}" for percent in _PERCENTILES),
    "pages",
    "llm_share",
    "cost",
}
"""The metrics of an evaluation beside the scores."""


@dataclass(frozen=True)
class FormCost:
    """What reading one form took, s, and the columns of the output of the same names."""

    seconds: float
    page_count: int | None
    error_code: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    attempts: int
    cache_hits: int
    cost: float | None


@dataclass(frozen=True)
class FormResult:
    """How well one form was read and what that took: numbers only, a row of `scores.json`."""

    doc_id: str
    score: Score
    cost: FormCost

    @classmethod
    def of(cls, doc_id: str, score: Score, reading: Reading) -> FormResult:
        """Take the numbers out of a reading."""
        names = FormCost.__dataclass_fields__.keys() - {"seconds"}
        taken = {name: reading.outputs[name] for name in names}
        return cls(doc_id, score, FormCost(seconds=reading.seconds, **taken))

    @property
    def main(self) -> float:
        """The metric that stands for the whole, [0, 1]."""
        return self.score.metrics()[self.score.MAIN]

    def to_row(self) -> dict[str, Any]:
        """Return it as JSON values, by column."""
        return {"doc_id": self.doc_id, **self.score.to_row(), **asdict(self.cost)}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> FormResult:
        """Build it from what `to_row` returned."""
        return cls(
            doc_id=row["doc_id"],
            score=stored_score(row),
            cost=FormCost(**{name: row[name] for name in FormCost.__dataclass_fields__}),
        )


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        model_uri: The extractor that was evaluated.
        model_id: MLflow's id of its LoggedModel, None for one that is not logged.
        read_by: What read the forms, by the settings' names: engine, LLM, page input, prompt.
        dataset_name: The name of the forms' dataset.
        digest: The content hash of the forms.
        content: Whether texts of the forms may be kept (`trace_content=full`).
        metrics: The headline metrics, as logged.
        intervals: The 95 % intervals of those metrics that are scores.
        forms: One result a form, by form id.
        readings: What was read, by form id.
        blanks_asked: Whether the engine returns fields that were left blank.
        learned_from: The ids of the forms that the local weights have learned from: the scores are
            too high where there are any.
        judged: (2, n): of all pairs or values with a confidence, the confidences in [0, 1], and 1
            for each that is right.
    """

    model_uri: str
    model_id: str | None
    read_by: Mapping[str, str]
    dataset_name: str
    digest: str
    content: bool
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    forms: Sequence[FormResult]
    readings: Mapping[str, Reading]
    judged: Numbers
    blanks_asked: bool = True
    learned_from: Sequence[str] = ()

    @property
    def shown(self) -> dict[str, float]:
        """The metrics that apply: no tokens without an LLM, no blank fields unless asked for."""
        silent: set[str] = set()
        if self.read_by["engine"] != "openai":
            silent = {*_SUMMED, "parse_failure_rate"}
        if self.metrics["llm_share"] in (0.0, 1.0):
            silent.add("llm_share")
        costs = [form.cost for form in self.forms]
        silent |= {name for name in _SUMMED if all(getattr(each, name) is None for each in costs)}
        return {
            name: value
            for name, value in self.metrics.items()
            if name not in silent and (self.blanks_asked or not name.startswith("blank_"))
        }

    @property
    def typical(self) -> FormResult | None:
        """The form with the median score among those read; None if texts are not kept."""
        shown = [form for form in self.forms if self.content and self.items(form)]
        shown.sort(key=lambda form: form.main)
        return shown[len(shown) // 2] if shown else None

    def items(self, form: FormResult) -> list[ReadItem]:
        """Return what was read on a form, without what was left blank."""
        return read_items(self.readings[form.doc_id].outputs, self.kind.UNIT)

    @property
    def kind(self) -> type[Score]:
        """What kind of score the forms have."""
        return type(self.forms[0].score)

    @property
    def fates(self) -> dict[str, int]:
        """How many pairs or values were right, misread, missed or invented."""
        forms = [form.score.fates for form in self.forms]
        return {kind: sum(form[kind] for form in forms) for kind in forms[0]}

    @property
    def all_failed(self) -> bool:
        """Whether not a single form could be read."""
        return self.metrics["coverage"] == 0.0

    def what_went_wrong(self, form: FormResult) -> str:
        """Return why a form failed, or its mistakes."""
        return self.readings[form.doc_id].outputs["error"] or self.mistakes(form)

    def mistakes(self, form: FormResult) -> str:
        """Name a form's worst mistakes, or only count them where its texts may not be kept."""
        mistakes = form.score.mistakes
        return mistakes.examples() if self.content else mistakes.counts()


def headline(forms: Sequence[FormResult], judged: Numbers, seconds: float) -> dict[str, float]:
    """Return the split's scores, time, tokens and money by name.

    There is no `cost` if that of one form is not known or no LLM was asked, and no `confidence_ece`
    if no pair has a confidence. `seconds_per_page` is a page's share of `seconds`, the time of the
    whole evaluation.
    """
    taken = [form.cost for form in forms]
    pages = sum(each.page_count or 0 for each in taken)
    metrics = aggregate([form.score for form in forms])
    if judged.size:
        metrics["confidence_ece"] = reliability(*judged).ece
    metrics |= {"seconds_per_page": seconds / max(pages, 1)} | _latency(taken)
    metrics["pages"] = float(pages)
    metrics["llm_share"] = float(np.mean([bool(e.attempts or e.cache_hits) for e in taken]))
    for name in _SUMMED:
        metrics[name] = float(sum(getattr(each, name) or 0 for each in taken))
    costs = [each.cost or 0.0 for each in taken if each.cost is not None or not each.attempts]
    known = len(costs) == len(forms) and metrics["llm_share"] > 0
    return metrics | ({"cost": sum(costs)} if known else {})


def _latency(taken: Sequence[FormCost]) -> dict[str, float]:
    """Return the middle and the 95th percentile of the forms' own seconds a page."""
    a_page = [each.seconds / each.page_count for each in taken if each.page_count]
    if not a_page:
        return {}
    return {f"seconds_per_page_p{q}": float(np.percentile(a_page, q)) for q in _PERCENTILES}


def log(evaluation: Evaluation) -> None:
    """Log metrics with the model and the dataset's content hash, what read it, and the tables."""
    scores = pd.DataFrame([form.to_row() for form in evaluation.forms], dtype=object)
    dataset = from_pandas(
        scores[["doc_id"]],
        name=named(evaluation.dataset_name, evaluation.digest),
        digest=evaluation.digest,
    )
    ends = {
        f"{name}_{end}": value
        for name, interval in evaluation.intervals.items()
        for end, value in zip(("low", "high"), interval, strict=True)
    }
    metrics = {**evaluation.metrics, **ends}
    mlflow.log_metrics(metrics, model_id=evaluation.model_id, dataset=dataset)
    mlflow.log_input(dataset, context="evaluation")
    read = {
        "dataset_digest": evaluation.digest,
        "documents": len(evaluation.forms),
        LEARNED_FROM: len(evaluation.learned_from),
    }
    mlflow.set_tags({"model_uri": evaluation.model_uri, **read, **evaluation.read_by})
    mlflow.log_table(scores, SCORES)
    mlflow.log_table(
        pd.DataFrame([_prediction(form, evaluation) for form in evaluation.forms]), PREDICTIONS
    )


def _prediction(form: FormResult, evaluation: Evaluation) -> dict[str, Any]:
    """Return a form's row of `predictions.json`: its texts beside the numbers to sort by."""
    outputs, score = evaluation.readings[form.doc_id].outputs, form.score
    columns = READ[score.UNIT]
    return {
        "doc_id": form.doc_id,
        score.MAIN: form.main,
        f"true_{score.UNIT}": score.true,
        f"right_{score.UNIT}": score.right,
        "seconds": form.cost.seconds,
        "pages": form.cost.page_count,
        "error_code": form.cost.error_code,
        "error": outputs["error"],
        "mistakes": evaluation.mistakes(form),
        **{name: _text(outputs[name]) if evaluation.content else None for name in columns},
    }


def _text(value: Any) -> str | None:
    """Return a column of the output as JSON text; `values` is one already."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def load_results(run_id: str) -> dict[str, FormResult]:
    """Return the results that an evaluation has logged, without `mistakes`, by doc_id.

    Raises:
        MlflowException: There is no such run, or it evaluated nothing.
    """
    uri = mlflow.get_run(run_id).info.artifact_uri
    table = mlflow.artifacts.load_dict(f"{uri}/{SCORES}")
    rows = [dict(zip(table["columns"], cells, strict=True)) for cells in table["data"]]
    return {row["doc_id"]: FormResult.from_row(row) for row in rows}
