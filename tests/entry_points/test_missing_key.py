"""Without a key nothing is logged by a command that goes on to read with what it logs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from entry_points.command_line.cli import UsageError
from entry_points.comparing.processes import require_key
from tests.entry_points.conftest import Done, Project

NEEDS_KEY = "error: The openai engine needs an API key: set OPENAI_API_KEY; or set"
ACCESS = ("OPENAI_API_KEY", "OPENAI_API_KEY_FILE", "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT")


@pytest.fixture
def keyless(project: Project) -> Project:
    environment = {k: v for k, v in project.environment.items() if k not in ACCESS}
    return replace(project, environment=environment | {"MLFLOW_TRACKING_URI": project.tracking_uri})


def stored(project: Project) -> tuple[set[str], set[str], set[str]]:
    """Return what the store has: logged models, model and prompt versions, runs that go on."""
    client = project.client
    versions = {str(each) for each in client.search_model_versions()}
    prompts = {str(e.version) for e in client.search_prompt_versions("ocr-question-answer")}
    running = client.search_runs(["0"], "status = 'RUNNING'")
    return (
        {each.model_id for each in client.search_logged_models(["0"])},
        versions | prompts,
        {each.info.run_id for each in running},
    )


@pytest.mark.parametrize(
    "command",
    [
        ("main", "--engine", "openai"),
        ("compare", "--candidates", "local,openai"),
        ("compare", "--candidates", "local,models:/ocr-extractor/1"),
        ("improve", "--split", "all", "--template"),
    ],
    ids=["main", "compare", "compare what is logged", "improve"],
)
def test_nothing_is_logged(
    command: tuple[str, ...], keyless: Project, main_run: Done, tmp_path: Path
):
    if command[-1] == "--template":
        (tmp_path / "new.md").write_text("Another template.")
        command = (*command, str(tmp_path / "new.md"))
    before = stored(keyless)
    done = keyless.run("-m", f"entry_points.{command[0]}", *command[1:])
    assert done.returncode == 2, done.stdout
    assert done.stdout.startswith(NEEDS_KEY)
    assert done.stdout.count("\n") == 1
    assert stored(keyless) == before


def test_log_alone_needs_no_key(keyless: Project, empty_store: Path, tmp_path: Path):
    shutil.copy(empty_store, tmp_path)
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    own = replace(keyless, folder=tmp_path)
    done = own.run("-m", "entry_points.log", "--engine", "openai", MLFLOW_TRACKING_URI=store)
    assert done.returncode == 0, done.stdout
    assert "Logged models:/ocr-extractor/1" in done.stdout


def test_what_the_engine_would_refuse_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in ACCESS:
        monkeypatch.delenv(name, raising=False)
    require_key({"engine": "local"})
    require_key({"engine": "auto"})
    require_key({"engine": "openai", "base_url": "http://127.0.0.1:1/v1"})
    with pytest.raises(UsageError, match=r"base_url is localhost, which is not a URL"):
        require_key({"engine": "openai", "base_url": "localhost"})
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"OPENAI_API_KEY_FILE names .*none, which cannot be read"):
        require_key({"engine": "auto"})
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    require_key({"engine": "openai"})
