"""MLproject is made from the entry points' parsers, and their flags say what they take."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from mlflow.exceptions import ExecutionException
from mlflow.projects import _project_spec  # MLflow has no public reader of MLproject

from docs.make_reference import ENTRY_POINTS, build_parser, flags_of, mlproject
from entry_points import ROOT
from entry_points.monitoring import records

every_entry_point = pytest.mark.parametrize("name", ENTRY_POINTS)


def compute_command(name: str, parameters: dict[str, Any]) -> list[str]:
    """Return the words of the command that `mlflow run` starts."""
    project = _project_spec.load_project(str(ROOT))
    return shlex.split(project.get_entry_point(name).compute_command(parameters, None))


def required(name: str) -> dict[str, str]:
    return {
        flag.dest: "models:/m/1" if flag.dest == "model_uri" else "x"
        for flag in flags_of(build_parser(name))
        if flag.required
    }


def test_mlproject_is_what_the_parsers_say():
    text = (ROOT / "MLproject").read_text(encoding="utf-8")
    assert text == mlproject(), "run python -m docs.make_reference"
    assert max(map(len, text.splitlines())) <= 100


def test_every_verb_is_an_entry_point():
    verbs = {
        path.stem
        for path in (ROOT / "entry_points").glob("*.py")
        if "\ndef build_parser(" in path.read_text(encoding="utf-8")
    }
    assert verbs == set(ENTRY_POINTS)


@every_entry_point
def test_what_mlflow_starts_by_default_is_what_the_parser_takes_by_default(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    now = datetime(2026, 11, 29, tzinfo=UTC)
    monkeypatch.setattr(records, "datetime", Mock(wraps=datetime, now=lambda zone: now))
    python, option, module, *words = compute_command(name, required(name))
    assert [python, option, module] == ["python", "-m", f"entry_points.{name}"]
    parser = build_parser(name)
    given = [f"--{key.replace('_', '-')}={value}" for key, value in required(name).items()]
    assert parser.parse_args(words) == parser.parse_args(given)


@every_entry_point
def test_no_flag_takes_an_empty_value(name: str, capsys: pytest.CaptureFixture[str]):
    for flag in flags_of(build_parser(name)):
        assert flag.default != ""
        with pytest.raises(SystemExit) as exited:
            build_parser(name).parse_args([f"{flag.option_strings[0]}="])
        assert exited.value.code == 2
        assert f"argument {flag.option_strings[0]}: " in capsys.readouterr().err


@every_entry_point
def test_every_flag_is_explained(name: str):
    for flag in flags_of(build_parser(name)):
        assert flag.help, flag.dest


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        pytest.param("compare", {}, "missing parameters: 'candidates'", id="candidates"),
        pytest.param("improve", {}, "missing parameters: 'template'", id="template"),
        pytest.param("promote", {}, "missing parameters: 'model_uri'", id="model_uri"),
        pytest.param("serve", {"model_uri": "forms/3"}, "Expected URI .* got forms/3", id="no-uri"),
    ],
)
def test_mlflow_refuses_before_it_builds_the_environment(
    name: str, parameters: dict[str, str], message: str
):
    with pytest.raises(ExecutionException, match=message):
        compute_command(name, parameters)


def test_the_environment_names_no_python_so_that_the_default_manager_finds_one():
    environment = yaml.safe_load((ROOT / "python_env.yaml").read_text(encoding="utf-8"))
    assert set(environment) == {"build_dependencies", "dependencies"}
