"""What an evaluation leaves in its run."""

from __future__ import annotations

import json
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from data.funsd import load_folder
from entry_points.command_line.cli import UsageError
from entry_points.evaluation.assessors import correct_format
from entry_points.evaluation.evaluating import evaluate
from entry_points.evaluation.reading import Dataset
from entry_points.evaluation.results import load_results
from entry_points.scoring.scores import aggregate
from tests.entry_points.conftest import FORMS, Done, Project, answer_invoice, run_id_of
from tests.llm_servers.completions import PAIRS, completion


def test_every_score_is_computed_again_from_the_run_alone(project: Project, main_run: Done):
    run_id = run_id_of(main_run)
    results = load_results(run_id)
    logged = project.client.get_run(run_id).data.metrics
    assert sorted(results) == sorted(FORMS)
    again = aggregate([each.score for each in results.values()])
    assert again == pytest.approx({name: logged[name] for name in again})
    assert again["pair_f1"] > 0
    costs = [each.cost for each in results.values()]
    assert sum(each.input_tokens or 0 for each in costs) == logged["input_tokens"] > 0
    assert sum(each.page_count or 0 for each in costs) == logged["pages"] == 3
    assert {each.error_code for each in costs} == {None}


def test_every_score_has_its_interval(project: Project, main_run: Done):
    logged = project.client.get_run(run_id_of(main_run)).data.metrics
    results = load_results(run_id_of(main_run))
    for name in aggregate([each.score for each in results.values()]):
        assert logged[f"{name}_low"] <= logged[name] <= logged[f"{name}_high"], name
    low, high = logged["pair_f1_low"], logged["pair_f1_high"]
    assert low < high
    assert f"{low:.3f} to {high:.3f}" in main_run.stdout
    assert 0 < logged["seconds_per_page_p50"] <= logged["seconds_per_page_p95"]


def test_an_evaluation_says_what_read_the_forms(project: Project, main_run: Done):
    prompt = "prompts:/ocr-question-answer/1"
    said = f"  read by engine openai, llm loopback-vision, page_input image, prompt_uri {prompt}"
    assert said in main_run.stdout.splitlines()
    tags = project.client.get_run(run_id_of(main_run)).data.tags
    assert tags["page_input"] == "image"


def report_of(project: Project, run_id: str) -> str:
    artifacts = project.client.get_run(run_id).info.artifact_uri
    return mlflow.artifacts.load_text(f"{artifacts}/report.html")


def test_the_report_shows_every_form_and_leads_to_its_trace(project: Project, main_run: Done):
    run_id = run_id_of(main_run)
    html = report_of(project, run_id)
    assert html.count("data:image/webp;base64,") == html.count("<svg") == len(FORMS)
    traces = mlflow.search_traces(run_id=run_id, return_type="list")
    assert len(traces) == len(FORMS)
    for trace in traces:
        assert f"selectedEvaluationId={trace.info.trace_id}&amp;" in html
    assert f"/runs/{run_id}" in html
    figures = [each.path for each in project.client.list_artifacts(run_id, "figures")]
    assert figures == ["figures/error_types.png", "figures/score_by_length.png"]


def test_no_text_of_a_form_is_kept_where_only_metadata_may_be(project: Project, main_run: Done):
    settings = '{"trace_content": "metadata"}'
    done = project.command(
        "main", dataset=project.dataset, engine="openai", settings=settings, model_name="private"
    )
    assert done.returncode == 0, done.stdout
    run_id = run_id_of(done)
    artifacts = project.client.get_run(run_id).info.artifact_uri
    predictions = mlflow.artifacts.load_text(f"{artifacts}/predictions.json")
    for kept in (report_of(project, run_id), predictions, done.stdout):
        assert FORMS[0] in kept
        for form in load_folder(project.dataset):
            long = [pair.answer for pair in form.pairs() if len(pair.answer) > 5]
            assert not [answer for answer in long if answer in kept]


def test_a_judge_gives_its_opinion_beside_the_scores(project: Project, main_run: Done):
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        asked = json.dumps(body["messages"])
        if "Judge only the form" not in asked:
            return completion(json.dumps({"pairs": PAIRS}))
        assert "November 5, 1998" in asked
        return completion(json.dumps({"result": False, "rationale": "'Date:' is not a label"}))

    project.llm.answer = answer
    done = project.command(
        "evaluate",
        model_uri="models:/ocr-extractor/1",
        dataset=project.dataset,
        judge="openai:/loopback-judge",
    )
    answer_invoice(project.llm)
    assert done.returncode == 0, done.stdout
    run_id = run_id_of(done)
    for trace in mlflow.search_traces(run_id=run_id, return_type="list"):
        [opinion] = [each for each in trace.info.assessments if each.name == "correct_format"]
        assert (opinion.value, opinion.rationale) == (False, "'Date:' is not a label")
    metrics = project.client.get_run(run_id).data.metrics
    assert metrics["correct_format/mean"] == 0
    assert "correct_format" not in metrics
    assert metrics["coverage"] == 1


@pytest.mark.parametrize(
    ("llm", "key", "content", "reason"),
    [
        ("gpt-5.4-mini", "k", True, "give openai:/<model>"),
        ("openai:/gpt-5.4-mini", "", True, "set OPENAI_API_KEY"),
        ("openai:/gpt-5.4-mini", "k", False, "trace_content=metadata forbids"),
    ],
    ids=["no such name", "no key", "no content"],
)
def test_a_judge_that_cannot_be_used_is_refused(llm, key, content, reason, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UsageError, match=reason):
        correct_format(llm, content=content)


def test_max_cost_leaves_forms_and_scores_the_others(project: Project, main_run: Done):
    prices = {"input_price": 10.0, "output_price": 10.0}  # 0.01342 USD a form
    asked = len(project.llm.requests)
    done = project.command(
        "main",
        dataset=project.dataset,
        engine="openai",
        model_name="priced",
        settings=json.dumps(prices),
        max_cost=0.03,
    )
    assert done.returncode == 0, done.stdout
    assert len(project.llm.requests) - asked == 2
    assert "1 of 3 forms left: they could exceed --max-cost." in done.stdout
    assert "champion stays as it was." in done.stdout
    with pytest.raises(MlflowException, match="champion"):
        project.client.get_model_version_by_alias("priced", "champion")
    run = project.client.get_run(run_id_of(done))
    results = load_results(run_id_of(done))
    assert len(results) == 2
    assert run.data.tags["forms_left"] == "1"
    assert run.data.metrics["coverage"] == 1.0
    assert run.data.metrics["cost"] == pytest.approx(2 * 0.01342)
    assert run.data.metrics["pair_f1_macro"] == pytest.approx(run.data.metrics["pair_f1/mean"])
    of_all = project.client.get_run(run_id_of(main_run)).data.tags["dataset_digest"]
    assert run.data.tags["dataset_digest"] != of_all


def test_max_cost_is_not_promised_where_a_judge_spends_too(project: Project, main_run: Done):
    run = project.client.get_run(run_id_of(main_run))
    with pytest.raises(UsageError, match="give only one of --max-cost and --judge"):
        evaluate(
            run,
            "models:/ocr-extractor/1",
            Dataset("none", []),
            settings={},
            max_cost=1.0,
            judge="openai:/loopback-judge",
        )
