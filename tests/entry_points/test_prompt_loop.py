"""The prompt loop as a prompt engineer runs it, with an LLM that reads as well as it is told to."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from data.funsd import load_folder
from data.splits import split_of
from entry_points import ROOT, improve
from tests.conftest import copy_project
from tests.entry_points.conftest import SAMPLES, Done, Project
from tests.llm_servers.prompted import RULES, PromptedLlm

CARELESS = "Return the form's questions and answers."
CAREFUL = "\n".join([CARELESS, *RULES])
# What the shipped prompt tells the LLM, and CARELESS does not.
SHIPPED = (ROOT / "model/prompts/ocr-question-answer.md").read_text("utf-8").partition("\n")[0]


@dataclass(frozen=True)
class Loop:
    """What the commands printed, by what they were run for, and what was in force after each."""

    project: Project
    printed: dict[str, Done] = field(default_factory=dict)
    in_force: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take(self, step: str, entry_point: str, **parameters: object) -> str:
        self.printed[step] = self.project.command(entry_point, **parameters)
        self.in_force[step] = in_force(self.project)
        return self.printed[step].stdout

    def template(self, name: str, text: str) -> Path:
        path = self.project.folder / f"{name}.md"
        path.write_text(text)
        return path


@pytest.fixture(scope="module")
def own(
    main_job: Path, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    yield from another_user(main_job, project, tmp_path_factory.mktemp("loop"), RULES)


@pytest.fixture(scope="module")
def other(
    main_job: Path, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A project whose LLM reads better with the shipped prompt than with a careless one."""
    rules = (SHIPPED, *RULES)
    yield from another_user(main_job, project, tmp_path_factory.mktemp("back"), rules)


def another_user(
    main_job: Path, project: Project, folder: Path, rules: Sequence[str]
) -> Iterator[Project]:
    """Another user's store after the main job, and forms, about as many in each split."""
    copy_project(main_job / "project", folder)
    shutil.rmtree(folder / "forms")
    images = sorted((SAMPLES / "images").glob("*.png"))
    for number, image in enumerate(images):
        copy(image, folder / f"forms/images/form-{number}.png")
        annotation = SAMPLES / "annotations" / f"{image.stem}.json"
        copy(annotation, folder / f"forms/annotations/form-{number}.json")
    before = project.llm.answer
    project.llm.answer = PromptedLlm(load_folder(folder / "forms"), rules)
    yield replace(project, folder=folder, dataset=folder / "forms", timeout_s=1200)
    project.llm.answer = before


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def in_force(project: Project) -> tuple[int, int]:
    champion = project.client.get_model_version_by_alias("ocr-extractor", "champion")
    prompt = project.client.get_prompt_version_by_alias("ocr-question-answer", "production")
    return int(champion.version), int(prompt.version)


@pytest.fixture(scope="module")
def loop(own: Project) -> Loop:
    """Improve the shipped prompt on the half that judges, promote."""
    loop = Loop(own, in_force={"main": in_force(own)})
    careful = loop.template("careful", CAREFUL)
    judge: dict[str, object] = {"split": "validation", "dataset": own.dataset}
    printed = loop.take("improve", "improve", template=careful, **judge)
    [candidate] = re.findall(r"^Next: .* -e promote -P model_uri=(.+)$", printed, re.M)
    loop.take("promote", "promote", model_uri=candidate)
    return loop


@pytest.fixture(scope="module")
def way_back(other: Project) -> Loop:
    """Try a worse prompt, promote it by force, roll back."""
    loop = Loop(other)
    careless = loop.template("careless", CARELESS)
    judge: dict[str, object] = {"split": "validation", "dataset": other.dataset}
    loop.take("worse", "improve", template=careless, **judge)
    loop.take("promote worse", "promote", model_uri="models:/ocr-extractor/2")
    loop.take("force", "promote", model_uri="models:/ocr-extractor/2", force="true")
    for step in ("rollback", "rollback at the end"):
        loop.take(step, "rollback")
    return loop


def test_the_better_prompt_wins_and_is_promoted(loop: Loop):
    assert loop.in_force["main"] == loop.in_force["improve"] == (1, 1)
    assert_second_wins(loop.printed["improve"].stdout)
    assert loop.printed["promote"].returncode == 0
    assert loop.in_force["promote"] == (2, 2)


def assert_second_wins(printed: str) -> None:
    [numbers] = re.findall(r"^  pair_f1 +(.+)$", printed, re.M)
    first, this = map(float, numbers.split()[:2])
    assert (first < 0.6, this) == (True, 1.0)
    assert "The gate would let it through." in printed
    assert re.search(r"^Forms won \d+, lost 0, tied [01] ", printed, re.M)
    assert "found '" in printed.partition("Most changed forms")[2]


def test_promotion_leaves_its_evidence_on_both_versions(own: Project, loop: Loop):
    model = own.client.get_model_version("ocr-extractor", "2")
    prompt = own.client.get_prompt_version("ocr-question-answer", "2")
    evidence = model.tags["promotion.evidence"]
    assert prompt.tags["promotion.evidence"] == evidence
    assert f"Evidence: runs {evidence}." in loop.printed["promote"].stdout
    ours, theirs = (own.client.get_run(run_id) for run_id in evidence.split(", "))
    assert ours.data.tags["dataset_digest"] == theirs.data.tags["dataset_digest"]
    assert {run.data.tags["split"] for run in (ours, theirs)} == {"validation"}
    assert ours.data.tags["mlflow.parentRunId"] == theirs.data.tags["mlflow.parentRunId"]


def test_a_worse_prompt_is_held_back(way_back: Loop):
    assert "The gate would hold it back:" in way_back.printed["worse"].stdout
    assert "Next: mlflow run . --env-manager uv -e improve" in way_back.printed["worse"].stdout
    refused = way_back.printed["promote worse"]
    assert refused.returncode != 0
    assert "pair_f1 may be worse by" in refused.stdout
    assert "champion stays version 1" in refused.stdout
    assert way_back.in_force["promote worse"] == (1, 1)


def test_force_records_who(other: Project, way_back: Loop):
    assert way_back.in_force["force"] == (2, 2)
    tags = other.client.get_model_version("ocr-extractor", "2").tags
    assert tags["promotion.forced_by"]
    assert "pair_f1 may be worse by" in tags["promotion.objections"]


def test_rollback_returns_and_ends_where_nothing_is_left(way_back: Loop):
    assert way_back.in_force["rollback"] == (1, 1)
    at_the_end = way_back.printed["rollback at the end"]
    assert at_the_end.returncode != 0
    assert "nothing to go back to" in at_the_end.stdout


def test_each_candidate_is_a_nested_run_with_its_own_model(own: Project, loop: Loop):
    [parent] = re.findall(r"^Run (\w{32}) ", loop.printed["improve"].stdout, re.M)
    query = f"tags.mlflow.parentRunId = '{parent}' AND tags.model_uri LIKE 'models:%'"
    nested = own.client.search_runs(["0"], query, order_by=["start_time"])
    assert [run.data.tags["model_uri"] for run in nested] == [
        "models:/ocr-extractor/1",
        "models:/ocr-extractor/2",
    ]
    artifacts = {each.path for each in own.client.list_artifacts(parent)}
    assert artifacts >= {"comparison.json", "comparison_forms.json", "comparison.html"}


def test_the_half_that_does_not_judge_leads_to_the_one_that_does(other: Project, way_back: Loop):
    template = way_back.template("shown", f"{SHIPPED}\n{CAREFUL}\n{{{{ examples }}}}")
    [shown, *others] = [
        form.form_id
        for form in load_folder(other.dataset)
        if split_of(form.form_id) == "development"
    ]

    first = way_back.take(
        "shown", "improve", template=template, examples=shown, dataset=other.dataset
    )

    assert_second_wins(first)
    assert f"(models:/ocr-extractor/1): {len(others)} forms" in first
    assert first.count(f"Estimate: {len(others)} pages, input tokens ") == 2
    newest = other.client.search_prompt_versions("ocr-question-answer")
    assert shown in {version.tags.get("examples") for version in newest}
    [(both, dataset)] = re.findall(
        r'^Next: .* -P candidates="(.+)" -P dataset=(\S+) -P split=validation$', first, re.M
    )
    second = way_back.take(
        "judged", "compare", candidates=both, dataset=dataset, split="validation"
    )
    assert_second_wins(second)
    assert "-e promote -P model_uri=models:/ocr-extractor/3" in second
    assert way_back.in_force["judged"] == (1, 1)


def test_a_form_of_the_half_that_judges_is_no_example(own: Project, capsys):
    template = own.folder / "shown.md"
    template.write_text("{{ examples }}")
    judge = next(
        form.form_id for form in load_folder(own.dataset) if split_of(form.form_id) == "validation"
    )
    flags = ["--template", str(template), "--dataset", str(own.dataset), "--examples", judge]
    assert improve.main(flags) == 2
    assert "choose forms of the development split" in capsys.readouterr().err
