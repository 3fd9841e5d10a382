"""The scorer that `mlflow.genai.evaluate` runs on each form; scoring's only use of MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.entities import AssessmentSource, AssessmentSourceType, Feedback
from mlflow.genai.scorers import scorer

from entry_points.scoring.forms import FormScore, score_form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.genai.scorers import Scorer

    from entry_points.scoring.forms import Truth

SCORER_NAME = "form_score"
NOT_BEGUN = "not_begun"
"""The error code of a form that was left out on purpose: it has no scores."""


def form_scorer(truths: Mapping[str, Truth], *, content: bool) -> Scorer:
    """Build the one scorer of a form: all metrics from a single comparison.

    It takes the form's truth by `inputs["doc_id"]`, so that no true text has to stand in a
    record or enter a trace, and returns one Feedback a metric, named like the metrics of
    `FormScore.metrics`. MLflow logs their means over the forms as `<name>/mean`; the micro
    averages are `aggregate`'s. A form for which predict_fn raised arrives as outputs=None and
    gets 0 in every metric: None would leave the mean, and an exception here would too. A form
    that was not begun leaves it.

    Args:
        truths: By doc_id; every record's doc_id must be in it.
        content: Name the worst mistakes with their texts in the rationales; False gives counts
            only (`trace_content=metadata`).
    """

    @scorer(name=SCORER_NAME)
    def form_score(inputs: dict[str, Any], outputs: dict[str, Any] | None) -> list[Feedback]:
        if outputs is not None and outputs.get("error_code") == NOT_BEGUN:
            return []
        score = score_form(truths[inputs["doc_id"]], outputs)
        source = AssessmentSource(AssessmentSourceType.CODE, SCORER_NAME)
        rationales = score.mistakes.by_metric() if content else {}
        rationales["pair_f1"] = _rationale(score, outputs, content=content)
        return [
            Feedback(name=name, value=value, source=source, rationale=rationales.get(name))
            for name, value in score.metrics().items()
        ]

    return form_score


def _rationale(score: FormScore, outputs: dict[str, Any] | None, *, content: bool) -> str:
    counts = score.counts
    if counts.failed:
        reason = (outputs or {}).get("error_code") or "predict gave no row"
        return f"Failed ({reason}): all {counts.true} pairs missed"
    examples = score.mistakes.examples() if content else ""
    return (
        f"{counts.fuzzy} of {counts.true} pairs right, {counts.predicted} predicted: "
        f"{score.mistakes.counts()}" + (f" ({examples})" if examples else "")
    )
