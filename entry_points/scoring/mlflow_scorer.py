"""The scorer that `mlflow.genai.evaluate` runs on each form; scoring's only use of MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlflow.entities import AssessmentSource, AssessmentSourceType, Feedback, Trace
from mlflow.genai.scorers import Scorer, scorer

from entry_points.scoring.field_score import PER_FIELD
from entry_points.scoring.scores import DocumentTruth, Score

SCORER_NAME = "form_score"
NOT_BEGUN = "not_begun"
"""The error code of a form that was left out on purpose: it has no scores."""


def form_scorer(
    truths: Mapping[str, DocumentTruth[Score]],
    *,
    content: bool,
    note_trace: Callable[[str], object] = lambda _: None,
) -> Scorer:
    """Build the one scorer of a form: all metrics but single fields', from a single comparison.

    It takes the form's truth by `inputs["doc_id"]`, so that no true text has to stand in a
    record or enter a trace, and returns one Feedback a metric, named like those of
    `Score.metrics`. MLflow logs their means over the forms as `<name>/mean`; the micro
    averages are `aggregate`'s. A form for which predict_fn raised arrives as outputs=None and
    gets 0 in every metric: None would leave the mean, and an exception here would too. A form
    that was not started is not in the mean.

    Args:
        truths: By doc_id; every record's doc_id must be in it.
        content: Name the worst mistakes with their texts in the rationales; False gives counts
            only (`trace_content=metadata`).
        note_trace: Called with the doc_id of each form whose trace is in the store.
    """

    @scorer(name=SCORER_NAME)
    def form_score(
        inputs: dict[str, Any], outputs: dict[str, Any] | None, trace: Trace | None = None
    ) -> list[Feedback]:
        if trace is not None:
            note_trace(inputs["doc_id"])
        if outputs is not None and outputs.get("error_code") == NOT_BEGUN:
            return []
        score = truths[inputs["doc_id"]].score(outputs)
        source = AssessmentSource(AssessmentSourceType.CODE, SCORER_NAME)
        rationales = score.mistakes.by_metric() if content else {}
        rationales[score.MAIN] = _rationale(score, outputs, content=content)
        return [
            Feedback(name=name, value=value, source=source, rationale=rationales.get(name))
            for name, value in score.metrics().items()
            if not name.startswith(PER_FIELD)
        ]

    return form_score


def _rationale(score: Score, outputs: dict[str, Any] | None, *, content: bool) -> str:
    if score.failed:
        reason = (outputs or {}).get("error_code") or "predict gave no row"
        return f"Failed ({reason}): all {score.true} {score.UNIT} missed"
    examples = score.mistakes.examples() if content else ""
    return (
        f"{score.right} of {score.true} {score.UNIT} right, {score.predicted} predicted: "
        f"{score.mistakes.counts()}" + (f" ({examples})" if examples else "")
    )
