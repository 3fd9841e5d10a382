"""The entry point optimize finds a better prompt by itself, and says so only if it is one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from data.dataset import load_documents
from data.funsd import load_folder
from data.splits import in_split
from tests.entry_points.conftest import SAMPLES, Done, Project
from tests.llm_servers.prompted import RULES, PromptedLlm

FIELDS = SAMPLES.parent / "samples-fields" / "receipts"
PROMPT = "ocr-optimised"
MODEL = "ocr-optimised-extractor"
# The share of the pairs that the LLM reads is one quarter with no rule and all with three.
WORST = "Read the form. {{ additional_rules }}"
PRICES = '{"input_price": 1.0, "output_price": 10.0, "max_retries": 0}'


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample forms of one page in a format that the LLM's stand-in opens."""
    folder = tmp_path_factory.mktemp("optimised")
    for part in ("images", "annotations"):
        (folder / part).mkdir()
    for image in (SAMPLES / "images").glob("*.png"):
        shutil.copy(image, folder / "images")
        shutil.copy(SAMPLES / "annotations" / f"{image.stem}.json", folder / "annotations")
    return folder


@pytest.fixture(scope="module")
def llm(project: Project, dataset: Path) -> Iterator[PromptedLlm]:
    before = project.llm.answer
    project.llm.answer = PromptedLlm(load_folder(dataset))
    yield project.llm.answer
    project.llm.answer = before


@pytest.fixture(scope="module")
def model_uri(project: Project, llm: PromptedLlm) -> str:
    mlflow.genai.register_prompt(PROMPT, WORST)
    prompt = f"prompts:/{PROMPT}/1"
    done = project.command("log", engine="openai", prompt=prompt, model_name=MODEL, settings=PRICES)
    assert done.returncode == 0, done.stdout
    return f"models:/{MODEL}/1"


def optimize(project: Project, dataset: Path, model_uri: str, **parameters: object) -> Done:
    given: dict[str, object] = {"model_uri": model_uri, "dataset": dataset}
    given["cache"] = project.folder / "optimized.sqlite"
    return project.command("optimize", **given | parameters)


@pytest.fixture(scope="module")
def optimized(project: Project, dataset: Path, model_uri: str) -> Done:
    done = optimize(project, dataset, model_uri, max_calls=160)
    assert done.returncode == 0, done.stdout
    return done


def versions(project: Project) -> list[Any]:
    found = project.client.search_prompt_versions(PROMPT)
    return sorted(found, key=lambda version: int(version.version))


def test_registers_the_prompt_that_states_every_rule(project: Project, optimized: Done):
    first, second = versions(project)
    assert first.template == WORST
    assert second.template == "\n".join([WORST, *RULES])
    assert second.tags["optimized_from"] == f"prompts:/{PROMPT}/1"
    assert re.fullmatch(
        r"pair_f1 0\.\d+ -> 1\.000 on 6 forms, \+0\.\d+ \[\+0\.\d+, \+0\.\d+\], p 0\.0\d+",
        second.tags["gain"],
    )
    run = project.client.get_run(second.tags["optimized_in_run"])
    assert run.data.metrics["gain_low"] > 0.4
    assert run.data.metrics["initial_eval_score"] < 0.5
    assert run.data.metrics["final_eval_score"] == 1.0


def test_promotes_nothing_and_names_the_candidate(project: Project, optimized: Done):
    assert f"Candidate for promotion: prompts:/{PROMPT}/2." in optimized.stdout
    assert f'candidates="models:/{MODEL}/1,prompts:/{PROMPT}/2;engine=openai' in optimized.stdout
    assert versions(project)[1].aliases == []


def test_keeps_the_candidates_with_their_scores(project: Project, optimized: Done):
    run = project.client.get_run(versions(project)[1].tags["optimized_in_run"])
    table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/candidates.json")
    assert table["columns"] == ["template", "score", "examples"]
    scores = [score for _, score, _ in table["data"]]
    assert table["data"][0][0] == WORST
    assert scores == sorted(scores)
    assert scores[-1] == 1.0


def test_the_search_never_sees_a_validation_form(project: Project, dataset: Path, optimized: Done):
    questions = [
        request["messages"][0]["content"]
        for request in project.llm.requests
        if isinstance(request["messages"][-1]["content"], str)
    ]
    assert questions
    forms = load_folder(dataset)
    for form in in_split(forms, "validation"):
        assert not any(form.form_id in question for question in questions)
    assert any(f.form_id in q for f in in_split(forms, "development") for q in questions)
    assert "base64" not in "".join(questions)


def test_traces_nothing(project: Project, optimized: Done):
    run_id = versions(project)[1].tags["optimized_in_run"]
    assert mlflow.search_traces(run_id=run_id, return_type="list") == []


def test_goes_on_where_it_was_and_registers_nothing_twice(
    project: Project, dataset: Path, model_uri: str, optimized: Done
):
    sent = len(project.llm.requests)
    again = optimize(project, dataset, model_uri, max_calls=160)
    assert again.returncode == 0, again.stdout
    assert f"Candidate for promotion: prompts:/{PROMPT}/2." in again.stdout
    assert ": 0 prompts proposed" in again.stdout
    assert len(project.llm.requests) == sent
    assert len(versions(project)) == 2


def test_fields_are_searched_by_their_own_metric(
    project: Project, tmp_path: Path, request: pytest.FixtureRequest
):
    folder = tmp_path / "receipts"
    for part in ("images", "fields"):
        (folder / part).mkdir(parents=True)
    shutil.copy(FIELDS / "schema.json", folder)
    for number in range(16):
        name = f"receipt-0{1 + number % 4}"
        [image] = (FIELDS / "images").glob(f"{name}.*")
        shutil.copy(image, folder / "images" / f"{number}{image.suffix}")
        shutil.copy(FIELDS / "fields" / f"{name}.json", folder / "fields" / f"{number}.json")
    before = project.llm.answer
    request.addfinalizer(lambda: setattr(project.llm, "answer", before))
    project.llm.answer = PromptedLlm(load_documents(folder))
    schema = json.loads((folder / "schema.json").read_text())
    mlflow.genai.register_prompt("receipts", "Copy. {{ fields }}", response_format=schema)
    done = project.command(
        "log",
        engine="openai",
        prompt="prompts:/receipts/1",
        model_name="of-fields",
        settings=PRICES,
    )
    assert done.returncode == 0, done.stdout
    refused = optimize(project, folder, "models:/of-fields/1", max_calls=120, examples=1)
    assert refused.returncode != 0
    assert "examples show question-answer pairs, and the prompt's schema asks" in refused.stdout
    done = optimize(project, folder, "models:/of-fields/1", max_calls=120)
    assert done.returncode == 0, done.stdout
    assert "Development forms: value_f1 0." in done.stdout
    assert "Validation forms: value_f1 0." in done.stdout
    assert "Candidate for promotion: prompts:/receipts/2." in done.stdout
    found = mlflow.genai.load_prompt("prompts:/receipts/2")
    assert found.response_format == schema
    assert RULES[0] in found.template
    asked = [
        request["messages"][0]["content"]
        for request in project.llm.requests
        if isinstance(request["messages"][-1]["content"], str)
    ]
    assert "returns the texts of named fields as JSON" in asked[-1]
    assert "receipt_number -> " in asked[-1]
