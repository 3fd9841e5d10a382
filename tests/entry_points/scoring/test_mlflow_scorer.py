"""The scorer inside a real `mlflow.genai.evaluate`."""

from __future__ import annotations

import shutil

import mlflow
import pytest

from entry_points.scoring.counts import LOWER_IS_BETTER
from entry_points.scoring.forms import Truth
from entry_points.scoring.mlflow_scorer import form_scorer
from entry_points.scoring.scores import aggregate, score_forms

DATE, NAME, FAX = ("Date", "June 5"), ("Name", "Ann"), ("Fax", "555")


def row(*pairs, error_code=None):
    listed = [{"question": question, "answer": answer} for question, answer in pairs]
    return {"pairs": listed, "error_code": error_code, "error": error_code and "broken"}


TRUTHS = {
    name: Truth(pairs, pairs)
    for name, pairs in {
        "raises": (DATE, NAME),
        "right": (DATE,),
        "half": (DATE, NAME),
        "refused": (FAX,),
    }.items()
}
OUTPUTS = {
    "right": row(DATE),
    "half": row(DATE, ("Name", "Bob"), ("Total", "9")),
    "refused": row(error_code="image_truncated"),
}


def predict(doc_id):
    if doc_id == "raises":
        raise TimeoutError("the model did not answer")
    return OUTPUTS[doc_id]


@pytest.fixture(scope="module")
def evaluate(empty_store, tmp_path_factory):
    """Return a function that evaluates in a tracking store of this module's own."""
    folder = tmp_path_factory.mktemp("tracking")
    shutil.copy(empty_store, folder)

    def run(*, content):
        records = [{"inputs": {"doc_id": doc_id}} for doc_id in TRUTHS]
        with mlflow.start_run() as active:
            result = mlflow.genai.evaluate(
                data=records,
                predict_fn=mlflow.trace(predict),
                scorers=[form_scorer(TRUTHS, content=content)],
            )
        return active.info.run_id, result

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    with pytest.MonkeyPatch.context() as environment:
        experiment = mlflow.create_experiment("scores", artifact_location=str(folder))
        environment.setenv("MLFLOW_EXPERIMENT_ID", experiment)
        # MLflow tries predict_fn on the first record beforehand and gives up when it raises.
        environment.setenv("MLFLOW_GENAI_EVAL_SKIP_TRACE_VALIDATION", "true")
        yield run
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def with_content(evaluate):
    return evaluate(content=True)


def assessments(run_id):
    """Return {doc_id: {metric: Feedback}} as the store has them."""
    traces = mlflow.search_traces(run_id=run_id, return_type="list")
    return {
        trace.data.spans[0].inputs["doc_id"]: {a.name: a for a in trace.info.assessments}
        for trace in traces
    }


def test_a_form_that_fails_stays_in_every_mean(with_content):
    run_id, result = with_content
    expected = {
        "pair_precision": (0 + 1 + 1 / 3 + 0) / 4,
        "pair_recall": (0 + 1 + 1 / 2 + 0) / 4,
        "pair_f1": (0 + 1 + 2 / 5 + 0) / 4,
        "pair_f1_exact": (0 + 1 + 2 / 5 + 0) / 4,
        "pair_f1_nospace": (0 + 1 + 2 / 5 + 0) / 4,
        "question_f1": (0 + 1 + 4 / 5 + 0) / 4,
        "anls": (0 + 1 + (1 + 1 / 2) / 3 + 0) / 4,
        "key_value_accuracy": (0 + 1 + 1 / 2 + 0) / 4,
        "coverage": 2 / 4,
        "answer_cer": (0 + 0 + 3 / 9 + 0) / 4,
        "blank_correct": 2 / 4,
        "blank_honesty": 2 / 4,
    }
    expected |= dict.fromkeys(LOWER_IS_BETTER - {"answer_cer"}, 0.0)
    means = {f"{name}/mean": value for name, value in expected.items()}
    assert result.metrics == pytest.approx(means)
    assert mlflow.get_run(run_id).data.metrics == pytest.approx(means)

    split = aggregate(score_forms(TRUTHS, OUTPUTS).values())
    assert split["pair_f1_macro"] == pytest.approx(means["pair_f1/mean"])
    for name in ("anls", "key_value_accuracy", "coverage"):
        assert split[name] == pytest.approx(means[f"{name}/mean"])


def test_every_form_carries_every_metric_and_says_what_went_wrong(with_content):
    run_id, _ = with_content
    stored = assessments(run_id)
    assert {doc_id: len(feedbacks) for doc_id, feedbacks in stored.items()} == dict.fromkeys(
        TRUTHS, 17
    )
    assert {doc_id: feedbacks["pair_f1"].rationale for doc_id, feedbacks in stored.items()} == {
        "raises": "Failed (predict gave no row): all 2 pairs missed",
        "right": "1 of 1 pairs right, 1 predicted: 0 misread, 0 missed, 0 invented",
        "half": "1 of 2 pairs right, 3 predicted: 1 misread, 0 missed, 1 invented"
        " (read 'Bob' for 'Ann'; invented 'Total')",
        "refused": "Failed (image_truncated): all 1 pairs missed",
    }


def test_without_content_no_text_of_a_form_enters_an_assessment(evaluate):
    run_id, _ = evaluate(content=False)
    stored = assessments(run_id)
    assert stored["half"]["pair_f1"].rationale.endswith("1 misread, 0 missed, 1 invented")
    everything = str([a.to_dictionary() for f in stored.values() for a in f.values()])
    for text in ("Ann", "Bob", "Total", "June 5", "Name"):
        assert text not in everything
