"""Documents with fields through evaluate, promote's gate, compare and the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.entities import Feedback

from data.dataset import load_documents
from entry_points import ROOT
from entry_points import evaluate as command
from entry_points.command_line.cli import UsageError
from entry_points.comparing.comparison import Comparison
from entry_points.comparing.evidence import load_evidence
from entry_points.comparing.gate import Gate
from entry_points.comparing.printing import render
from entry_points.comparing.printing import report as report_comparison
from entry_points.evaluation.accepting import accept
from entry_points.evaluation.assessors import load_scorers
from entry_points.evaluation.evaluating import evaluate
from entry_points.evaluation.printing import report
from entry_points.evaluation.reading import Dataset
from entry_points.evaluation.results import load_results
from entry_points.logged_models.calls import predict_rows
from entry_points.logged_models.loading import load_extractor
from entry_points.scoring.scores import aggregate
from tests.stores import own_store

# MLflow logs a table of texts.
pytestmark = pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes")

RECEIPTS = ROOT / "data" / "samples-fields" / "receipts"
WRONG: dict[str, dict[str, Any]] = {
    "receipt-01": {"total": 99.99, "company": None},
    "receipt-02": {"receipt_number": "made up", "ROW": ""},
    "receipt-03": {"FAIL": ""},
}


@pytest.fixture(scope="module")
def store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("fields")
    with own_store(empty_store, folder, "fields") as experiment_id:
        mlflow.set_experiment(experiment_id=experiment_id)
        yield experiment_id


def log_model(store: str, wrong: dict[str, Any], **config: Any) -> str:
    settings = {
        "engine": "local",
        "ocr_quality": "fast",
        "prompt_uri": "",
        "max_concurrency": 2,
        "max_document_bytes": 10**8,
        "trace_content": "full",
        "cache": "",
        "truth": str(RECEIPTS),
        "wrong": wrong,
        "accept_at": None,
        "schema": True,
    }
    with mlflow.start_run(experiment_id=store):
        info = mlflow.pyfunc.log_model(
            name="extractor",
            python_model=str(ROOT / "tests" / "true_fields.py"),
            model_config=settings | config,
            pip_requirements=[],
            params={"prompt_uri": "prompts:/fields/1"},
        )
    return str(info.model_uri)


def run_evaluation(store: str, model_uri: str, **options: Any):
    documents = load_documents(RECEIPTS)
    with mlflow.start_run(experiment_id=store) as run:
        found = evaluate(
            run,
            model_uri,
            Dataset("receipts", documents),
            settings={"max_concurrency": 2, "cache": ""},
            **options,
        )
    return run.info.run_id, found


@pytest.fixture(scope="module")
def spoiled(store: str):
    return run_evaluation(store, log_model(store, WRONG))


@pytest.fixture(scope="module")
def perfect(store: str):
    return run_evaluation(store, log_model(store, {}))


def artifact(run_id: str, name: str) -> str:
    uri = mlflow.get_run(run_id).info.artifact_uri
    return str(mlflow.artifacts.load_text(f"{uri}/{name}"))


def test_every_score_is_logged_and_can_be_computed_again(spoiled):
    run_id, found = spoiled
    logged = mlflow.get_run(run_id).data.metrics
    again = aggregate([each.score for each in load_results(run_id).values()])
    assert again == pytest.approx({name: logged[name] for name in again})
    assert logged["coverage"] == 0.75
    assert logged["document_accuracy"] == 0.25
    assert logged["field_f1/total"] == 0.5
    assert logged["field_f1/date"] == 0.75
    assert 0 < logged["value_f1_low"] <= logged["value_f1"] <= logged["value_f1_high"] < 1
    assert logged["grounding_f1"] < logged["value_f1"]
    assert found.fates["invented"] == 0
    assert found.fates["missed"] > 10


def test_a_perfect_reading_is_1_in_everything(perfect):
    _, found = perfect
    for name in ("value_f1", "value_f1_lenient", "document_accuracy", "grounding_f1", "coverage"):
        assert found.metrics[name] == 1, name


def test_traces_have_the_scores_of_the_document_and_what_went_wrong(store, spoiled):
    run_id, _ = spoiled
    traces = mlflow.search_traces(run_id=run_id, return_type="list", locations=[store])
    assert len(traces) == 4
    by_document = {}
    for trace in traces:
        said = {each.name: each for each in trace.info.assessments}
        by_document[json.loads(trace.data.request)["doc_id"]] = said
    first = by_document["receipt-01"]
    assert 0 < first["value_f1"].value < 1
    assert "read 'total: 99.99' for '61.31'" in first["value_f1"].rationale
    assert not [name for name in first if name.startswith("field_f1/")]
    assert by_document["receipt-03"]["value_f1"].value == 0
    assert "image_truncated" in by_document["receipt-03"]["value_f1"].rationale


def test_the_headlines_are_printed_in_few_lines(spoiled, capsys):
    run_id, found = spoiled
    report(found, mlflow.get_run(run_id), 4, verbose=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 25
    for name in ("value_f1", "value_f1_lenient", "document_accuracy", "coverage", "seconds_per"):
        assert any(line.strip().startswith(name) for line in lines), name
    assert any("receipt-03" in line and "The image is cut off." in line for line in lines)


def test_the_report_shows_fields_beside_the_page(spoiled):
    run_id, _ = spoiled
    html = artifact(run_id, "report.html")
    assert "Value F1" in html
    assert "printed &#39;99.99&#39;" in html
    assert "fails tax_total &lt;= total" in html
    assert "7 rows missing" in html
    assert "<td>items[].amount</td>" in html
    assert html.count("<svg") == 4  # a page each; the failed one is shown, too
    figures = mlflow.artifacts.list_artifacts(run_id=run_id, artifact_path="figures")
    assert "figures/error_types.png" in [each.path for each in figures]


def test_a_comparison_shows_the_fields_that_changed(spoiled, perfect, capsys):
    found = [
        load_evidence(each.model_uri, [mlflow.get_run(run_id)])
        for run_id, each in (perfect, spoiled)
    ]
    comparison = Comparison.of(["good", "bad"], found, load_documents(RECEIPTS))
    report_comparison(comparison)
    printed = capsys.readouterr().out
    assert "value_f1" in printed
    assert "field_f1/total" in printed
    assert "receipt-03" in printed
    page = render(comparison)
    assert "99.99" in page
    assert "12 values" not in page
    [contest] = comparison.contests
    assert contest.objections == ["4 forms are too few to judge by: at least 8"]
    objections = Gate(min_forms=4).objections(found[1], found[0])
    assert any(each.startswith("value_f1 may be worse") for each in objections)
    assert any(each.startswith("field_f1/total may be worse") for each in objections)
    assert any("fails on more forms" in each for each in objections)
    assert Gate(min_forms=4).objections(found[0], found[0])[1:] == []


def test_metadata_only_keeps_no_value(store: str):
    run_id, _ = run_evaluation(store, log_model(store, WRONG, trace_content="metadata"))
    predictions, html = artifact(run_id, "predictions.json"), artifact(run_id, "report.html")
    for kept in (predictions, html):
        assert "receipt-01" in kept
        assert "99.99" not in kept
        assert "Harbour" not in kept


def test_what_may_be_accepted_travels_with_the_logged_model(store: str, capsys):
    uri = log_model(store, {name: {"total": 1.0} for name in ("receipt-01", "receipt-02")})
    documents = load_documents(RECEIPTS)
    with mlflow.start_run(experiment_id=store) as run:
        found = evaluate(
            run,
            uri,
            Dataset("receipts", documents),
            settings={"max_concurrency": 2, "cache": ""},
        )
        accept(found, documents, 0.4)
    printed = capsys.readouterr().out
    assert "Values that need no person, at a precision of 0.4" in printed
    assert "No person needs to look at 93 % of the values" in printed
    kept = json.loads(artifact(run.info.run_id, "accept_at.json"))
    assert kept["accept_at"]["company"] == 0.95
    assert "total" not in kept["accept_at"]
    logged = mlflow.get_run(run.info.run_id).data.metrics
    assert 0 < logged["accepted_share"] < 1
    model = load_extractor(uri)
    image = documents[0].image_path.read_bytes()
    [row] = predict_rows(model, [("receipt-01", image)])
    accepted = {leaf["path"]: leaf["accepted"] for leaf in row["fields"]}
    assert (accepted["company"], accepted["total"]) == (True, None)
    [row] = predict_rows(load_extractor(uri, accept_at={"total": 0.99}), [("receipt-01", image)])
    assert {leaf["path"]: leaf["accepted"] for leaf in row["fields"]}["total"] is False


def test_too_few_documents_show_no_high_precision(store: str, spoiled, capsys):
    run_id, found = spoiled
    with mlflow.start_run(run_id=run_id):
        nothing = accept(found, load_documents(RECEIPTS), 0.99)
    assert nothing.fields == {}
    assert "0.99 can be shown by 299 documents or more" in capsys.readouterr().out


def total_is_close(outputs: dict[str, Any], expectations: dict[str, Any]) -> bool:
    return bool(abs(outputs["values"]["total"] - expectations["values"]["total"]) < 50)


def share_of_company(outputs: dict[str, Any], expectations: dict[str, Any]) -> Feedback:
    return Feedback(value=0.5, rationale="half of it")


def value_f1(outputs: dict[str, Any], expectations: dict[str, Any]) -> float:
    return 1.0


def document_accuracy_low(outputs: dict[str, Any], expectations: dict[str, Any]) -> float:
    return 1.0


def cost(outputs: dict[str, Any], expectations: dict[str, Any]) -> float:
    return 0.0


def as_numpy(outputs: dict[str, Any], expectations: dict[str, Any]) -> Any:
    return np.bool_(True)


def forgetful(outputs: dict[str, Any], expectations: dict[str, Any]) -> Any:
    return None


def broken(outputs: dict[str, Any], expectations: dict[str, Any]) -> float:
    raise KeyError("total")


def test_own_scorers_are_run_and_logged(store: str, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    names = ("total_is_close", "share_of_company", "as_numpy")
    scorers = load_scorers([f"test_fields:{name}" for name in names])
    run_id, _ = run_evaluation(store, log_model(store, WRONG), scorers=scorers)
    logged = mlflow.get_run(run_id).data.metrics
    assert logged["total_is_close"] == 0.75  # the failed document counts as 0
    assert logged["share_of_company"] == 0.375
    assert logged["as_numpy"] == 0.75
    with pytest.raises(UsageError, match="scorer broken raised for 3 documents"):
        run_evaluation(store, log_model(store, WRONG), scorers=load_scorers(["test_fields:broken"]))


def test_a_scorer_that_returns_nothing_is_named(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    [own] = load_scorers(["test_fields:forgetful"])
    score = own.to_mlflow({"a": {"values": {}}})
    with pytest.raises(ValueError, match="returned None"):
        score(inputs={"doc_id": "a"}, outputs={"error_code": None, "values": "{}"})
    with pytest.raises(UsageError, match="scorer forgetful raised for 1 documents"):
        own.mean()


@pytest.mark.parametrize("name", ["value_f1", "document_accuracy_low", "cost"])
def test_a_scorer_does_not_replace_a_metric(store: str, monkeypatch, name: str):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    scorers = load_scorers([f"test_fields:{name}"])
    with pytest.raises(UsageError, match=f"the scorer {name} has the name of a metric"):
        run_evaluation(store, log_model(store, WRONG), scorers=scorers)


def test_a_module_of_scorers_that_fails_is_named_with_its_error(tmp_path: Path, monkeypatch):
    (tmp_path / "half_written.py").write_text("scorer = not_defined\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match=r"half_written:scorer'.*NameError: name 'not_defined'"):
        load_scorers(["half_written:scorer"])


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["no_such_module:f"], "cannot be imported"),
        (["json"], "cannot be imported"),
        (["json:no_such"], "cannot be imported"),
        (["math:pi"], "is not a function"),
        (["json:dumps", "marshal:dumps"], "two scorers are called dumps"),
    ],
    ids=["no module", "no function", "no such function", "a number", "one name twice"],
)
def test_a_scorer_that_cannot_be_used_is_refused(names, reason):
    with pytest.raises(UsageError, match=reason):
        load_scorers(names)


def test_a_model_without_a_schema_is_refused_on_a_dataset_of_fields(store: str):
    uri = log_model(store, {}, schema=False)
    with pytest.raises(UsageError, match="reads pairs, but the dataset has fields"):
        run_evaluation(store, uri)


def test_a_model_of_fields_is_refused_on_a_dataset_of_pairs(store: str):
    forms, uri = load_documents(ROOT / "data" / "samples", limit=2), log_model(store, {})
    with (
        mlflow.start_run(experiment_id=store) as run,
        pytest.raises(UsageError, match="reads fields, but the dataset has pairs"),
    ):
        evaluate(run, uri, Dataset("samples", forms), settings={})


@pytest.mark.parametrize("text", ["1", "0", "high", "-0.5"])
def test_a_precision_is_a_share_below_1(text: str, capsys):
    with pytest.raises(SystemExit):
        command.build_parser().parse_args(["--precision", text])
    assert "a share below 1" in capsys.readouterr().err
