"""A logged model carries template and schema, and what replaces it keeps the schema."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from mlflow.entities.model_registry import PromptVersion
from mlflow.models import get_model_info
from mlflow.models.model import ModelInfo

from entry_points import ROOT, improve
from entry_points.comparing.gate import Gate
from entry_points.comparing.promotion import promote
from entry_points.log import log
from entry_points.log import main as log_main
from entry_points.optimizing.result import (
    OptimizationResult,
    PromptCandidate,
    Verdict,
    register_winner,
)
from entry_points.prompt_versions.registration import list_versions, register_prompt
from entry_points.scoring.bootstrap import Difference
from ocr_extractor.contract import signature
from ocr_extractor.fields.schema import Schema
from ocr_extractor.prompts.prompt import SNAPSHOT_ARTIFACT, load_prompt
from tests.entry_points.prompt_versions.conftest import EXPERIMENT, RECEIPT, TEMPLATE

MODEL = "receipts"
PROMPT = "receipts-prompt"


@dataclass(frozen=True)
class Logged:
    """A champion that was logged for an LLM, and its prompt."""

    info: ModelInfo
    prompt: PromptVersion


def start_run() -> mlflow.ActiveRun:
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    assert experiment
    return mlflow.start_run(experiment_id=experiment.experiment_id)


@pytest.fixture(scope="module")
def logged(registry: Path) -> Logged:
    prompt = register_prompt(PROMPT, TEMPLATE, schema=Schema.parse(RECEIPT))
    with start_run():
        info = log(engine="openai", prompt=prompt, model_name=MODEL, settings={})
    mlflow.MlflowClient().set_registered_model_alias(MODEL, "champion", "1")
    return Logged(info, prompt)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> None:
    """An LLM that is configured, and not asked."""
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")


def test_the_model_says_which_schema_it_has_and_keeps_its_signature(logged: Logged) -> None:
    model = mlflow.get_logged_model(logged.info.model_id)
    assert (model.params["schema_title"], model.params["schema_fields"]) == ("Receipt", "2")
    assert model.params["prompt_uri"] == f"prompts:/{PROMPT}/1"
    assert get_model_info(logged.info.model_uri).signature == signature()


def test_the_copy_that_travels_has_template_and_schema(logged: Logged, tmp_path: Path) -> None:
    uri = logged.info.model_uri
    model = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path)))
    prompt = load_prompt("prompts:/gone/1", model / "artifacts" / SNAPSHOT_ARTIFACT)
    assert prompt.source == "snapshot"
    assert prompt.version.template == TEMPLATE
    assert prompt.schema
    assert json.dumps(prompt.schema.document) == json.dumps(RECEIPT)


@pytest.mark.parametrize(
    "schema", [pytest.param(None, id="the champion's"), pytest.param("Other", id="another")]
)
def test_improve_keeps_the_schema_unless_another_is_given(
    logged: Logged, server: None, tmp_path: Path, schema: str | None
) -> None:
    document = RECEIPT | {"title": schema} if schema else RECEIPT
    template = tmp_path / "edited.md"
    template.write_text(f"{tmp_path.name}: {TEMPLATE}", encoding="utf-8")
    flags = ["--model-name", MODEL, "--template", str(template)]
    if schema:
        (tmp_path / "other.json").write_text(json.dumps(document), encoding="utf-8")
        flags += ["--schema", str(tmp_path / "other.json")]
    champion, candidate = improve.candidates_of(improve.build_parser().parse_args(flags))
    newest = list_versions(PROMPT)[0]
    assert champion.model_uri == f"models:/{MODEL}@champion"
    assert candidate.log_flags["prompt"] == newest.uri
    assert (newest.template, newest.response_format) == (template.read_text("utf-8"), document)


def test_improve_needs_a_place_for_the_champions_fields(
    logged: Logged, server: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pairs.md").write_text("Read.", encoding="utf-8")
    assert improve.main(["--model-name", MODEL, "--template", str(tmp_path / "pairs.md")]) == 2
    assert "put {{ fields }} where" in capsys.readouterr().err


def test_what_optimize_finds_keeps_the_schema_and_is_registered_once(logged: Logged) -> None:
    gain = Difference(0.5, 0.4, 0.6, 0.01)
    best = PromptCandidate(f"Optimized. {TEMPLATE}", 1.0)
    outcome = OptimizationResult([best], best, Verdict("value_f1", 6, 0.5, 1.0, gain))
    register_prompt(PROMPT, best.template, schema=Schema.parse(RECEIPT | {"title": "Other"}))
    first = register_winner(logged.prompt, outcome)
    assert register_winner(logged.prompt, outcome) == first
    newest = list_versions(PROMPT)[0]
    assert (newest.uri, newest.template, newest.response_format) == (first, best.template, RECEIPT)
    assert newest.tags["optimized_from"] == f"prompts:/{PROMPT}/1"


def test_the_local_engine_is_logged_with_a_schema_and_promotes_it(
    registry: Path, schema_file: Path
) -> None:
    flags = ["--engine", "local", "--model-name", "local-receipts", "--prompt-name", "local-prompt"]
    register_prompt("local-prompt", "Pairs.")
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
        "MLFLOW_EXPERIMENT_NAME": EXPERIMENT,
    }
    environment.pop("MLFLOW_EXPERIMENT_ID", None)  # MLflow sets it with an active experiment
    done = subprocess.run(
        [sys.executable, "-m", "entry_points.log", *flags, "--schema", str(schema_file)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    logged = "Logged models:/local-receipts/1 with prompts:/local-prompt/2, 2 fields of Receipt.\n"
    assert logged in done.stdout, done.stderr
    mlflow.pyfunc.load_model("models:/local-receipts/1")
    with start_run() as run:
        result = promote(run, "models:/local-receipts/1", Gate())
    assert result.after.production == "prompts:/local-prompt/2"
    production = mlflow.MlflowClient().get_prompt_version_by_alias("local-prompt", "production")
    assert production.response_format == RECEIPT


def test_a_wrong_schema_is_refused_before_anything_is_logged(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.yaml").write_text("type: array", encoding="utf-8")
    flags = ["--schema", str(tmp_path / "wrong.yaml"), "--prompt-name", "never"]
    assert log_main(flags) == 2
    assert "wrong.yaml: #" in capsys.readouterr().err
    assert list_versions("never") == []
