"""The main job, as `mlflow run` runs it, with a real client and a real server on loopback."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import mlflow
from mlflow.models import get_model_info
from PIL import Image

from tests.documentation import inline_code, page
from tests.entry_points.conftest import FORMS, Done, Project, answer_invoice, run_id_of, told
from tests.llm_servers.checking import picture
from tests.llm_servers.completions import KEY

METRICS = {
    "pair_f1",
    "pair_precision",
    "pair_recall",
    "pair_f1_exact",
    "pair_f1_nospace",
    "pair_f1_macro",
    "question_f1",
    "anls",
    "key_value_accuracy",
    "coverage",
    "seconds_per_page",
    "input_tokens",
    "output_tokens",
}


def champion_version(project: Project) -> int:
    return int(project.client.get_model_version_by_alias("ocr-extractor", "champion").version)


def first_model_id() -> str:
    model_id = get_model_info("models:/ocr-extractor/1").model_id
    assert model_id
    return model_id


def test_logs_every_metric_of_the_contract(project: Project, main_run: Done):
    run = project.client.get_run(run_id_of(main_run))
    assert set(run.data.metrics) >= METRICS
    assert run.data.metrics["coverage"] == 1.0
    assert run.data.metrics["input_tokens"] == 3 * 1300
    assert run.data.metrics["output_tokens"] == 3 * 42
    assert run.info.status == "FINISHED"


def test_the_docs_name_every_metric(project: Project, main_run: Done):
    logged = project.client.get_run(run_id_of(main_run)).data.metrics
    told = set(inline_code(page("evaluation.md")))
    names = {name.partition("/")[0].removesuffix("_low").removesuffix("_high") for name in logged}
    assert names <= told


def test_scores_what_the_llm_answered(project: Project, main_run: Done):
    run = project.client.get_run(run_id_of(main_run))
    table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/predictions.json")
    rows = {row[0]: dict(zip(table["columns"], row, strict=True)) for row in table["data"]}
    assert sorted(rows) == sorted(FORMS)
    assert rows["invoice-01"]["pair_f1"] == 1.0
    assert rows["fax-01"]["pair_f1"] < 0.5
    blank = json.loads(rows["fax-01"]["pairs"])[-1]
    assert (blank["question"], blank["answer"]) == ("Left blank", None)


def test_registers_prompt_and_champion(project: Project, main_run: Done):
    prompt = project.client.get_prompt_version_by_alias("ocr-question-answer", "production")
    assert int(prompt.version) == 1
    assert champion_version(project) == 1
    model = project.client.get_logged_model(first_model_id())
    assert model.params["engine"] == "openai"
    assert model.params["prompt_uri"] == "prompts:/ocr-question-answer/1"
    assert json.loads(model.tags["mlflow.linkedPrompts"]) == [
        {"name": "ocr-question-answer", "version": "1"}
    ]
    assert {metric.key for metric in model.metrics or []} >= METRICS


def test_the_model_has_a_card_with_the_scores(project: Project, main_run: Done):
    run = project.client.get_run(run_id_of(main_run))
    described = project.client.get_model_version("ocr-extractor", "1").description or ""
    assert "the LLM `loopback-vision`" in described
    assert "`prompts:/ocr-question-answer/1`" in described
    assert f"| 3 of forms@{run.data.tags['dataset_digest'][:8]} | pair_f1 " in described
    assert str(project.folder) not in described
    assert project.llm.base_url not in described
    report = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/report.html")
    assert "<h3>Trained on</h3>" in report


def test_sends_the_page_and_the_registered_prompt(main_job: Path):
    requests = told(main_job)["requests"]
    assert len(requests) == 3
    for request in requests:
        assert request["model"] == "loopback-vision"
        assert request["messages"][0]["content"].startswith("You read scanned business forms")
        page = picture(request)
        assert page is not None
        assert page.height == 1000
    assert told(main_job)["keys"] == [f"Bearer {KEY}"] * 3


def test_traces_every_form_with_page_prompt_model_and_scores(project: Project, main_run: Done):
    run = project.client.get_run(run_id_of(main_run))
    traces = mlflow.search_traces(run_id=run.info.run_id, return_type="list")
    assert {trace.info.request_preview for trace in traces} == set(FORMS)
    for trace in traces:
        assert trace.data.spans[0].name == "extract"
        assert trace.data.spans[0].inputs["document"].startswith("mlflow-attachment://")
        assert trace.info.token_usage == {
            "input_tokens": 1300,
            "output_tokens": 42,
            "total_tokens": 1342,
        }
        assert "ocr-question-answer" in trace.info.tags["mlflow.linkedPrompts"]
        assert trace.info.trace_metadata["mlflow.modelId"] == first_model_id()
        assert {"pair_f1", "anls"} <= {each.name for each in trace.info.assessments}


def test_tells_what_happened_in_25_lines(main_run: Done):
    # `mlflow run` itself logs before and after; what is slow on a busy machine shows its progress.
    ours = [
        line
        for line in main_run.stdout.splitlines()
        if " INFO mlflow." not in line and " elapsed, " not in line
    ]
    assert len(ours) <= 25, main_run.stdout
    for expected in (
        "models:/ocr-extractor/1: 3 forms, 0 failed",
        "  pair_f1 ",
        "  pair_f1_exact ",
        "  coverage ",
        "  seconds_per_page ",
        "  worst forms ",
        "champion is now models:/ocr-extractor/1: there was none.",
        "mlflow ui --backend-store-uri",
        "-e predict -P model_uri=models:/ocr-extractor/1",
        "-e serve -P model_uri=models:/ocr-extractor/1",
        "-e evaluate -P model_uri=models:/ocr-extractor/1",
    ):
        assert [line for line in ours if expected in line], expected


def test_shows_five_pairs_beside_a_picture_of_the_page(main_run: Done):
    [pairs] = re.findall(r"^  question on .*\n((?:  .*\n)+?)  all ", main_run.stdout, re.M)
    assert "  DATE  " in pairs
    assert len(pairs.splitlines()) == 5
    [picture] = re.findall(
        r"^  all 19 pairs on the page: (.+\.png)$", main_run.stdout, re.MULTILINE
    )
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert image.width == 1400


def test_runs_datasets_and_traces_have_names_that_tell(project: Project, main_run: Done):
    run = project.client.get_run(run_id_of(main_run))
    assert run.info.run_name == "evaluate ocr-extractor/1 on forms (loopback-vision)"
    digest = run.data.tags["dataset_digest"]
    assert run.inputs
    datasets = {each.dataset.name for each in run.inputs.dataset_inputs}
    assert datasets == {f"forms@{digest[:8]}"}
    traces = mlflow.search_traces(run_id=run.info.run_id, return_type="list")
    assert {trace.info.tags["mlflow.traceName"] for trace in traces} == {
        f"extract {form}" for form in FORMS
    }


def test_keeps_the_key_out_of_everything(project: Project, main_run: Done):
    assert KEY not in main_run.stdout
    for path in project.folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


def test_writes_no_base64_into_the_store(project: Project, main_run: Done):
    with sqlite3.connect(project.folder / "mlflow.db") as store:
        [[longest]] = store.execute("select max(length(content)) from spans").fetchall()
    # The smallest page is 20 KB, its base64 27,000 characters.
    assert longest < 15_000


def test_the_champion_stays_where_too_little_is_known(project: Project, main_run: Done):
    project.llm.answer = None
    again = project.command("main", dataset=project.dataset, engine="openai", verbose="true")
    other = project.command("main", dataset=project.dataset, engine="openai", limit=1)
    answer_invoice(project.llm)
    assert again.returncode == other.returncode == 0
    for expected in ("question_f1", "slowest forms", "Logged models:/", "Evaluation completed"):
        assert expected in again.stdout
    assert "3 forms are too few to judge by: at least 8" in again.stdout
    assert "the forms of forms changed between their evaluations" in other.stdout
    for done in (again, other):
        assert "champion stays version 1: see above." in done.stdout
    assert champion_version(project) == 1
