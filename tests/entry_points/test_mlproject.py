"""MLproject and the entry points' flags say the same."""

from __future__ import annotations

import importlib
import shlex
from argparse import ArgumentParser
from typing import Any

import pytest
import yaml

from entry_points import ROOT

ENTRY_POINTS: dict[str, dict[str, Any]] = yaml.safe_load(
    (ROOT / "MLproject").read_text(encoding="utf-8")
)["entry_points"]


def build_parser(name: str) -> ArgumentParser:
    parser = importlib.import_module(f"entry_points.{name}").build_parser()
    assert isinstance(parser, ArgumentParser)
    return parser


@pytest.mark.parametrize("name", ENTRY_POINTS)
class TestEveryEntryPoint:
    def test_has_the_flags_of_its_parameters(self, name: str):
        parameters = ENTRY_POINTS[name].get("parameters", {})
        flags = {action.dest for action in build_parser(name)._actions} - {"help"}
        assert flags == set(parameters)

    def test_has_the_same_defaults(self, name: str):
        parser = build_parser(name)
        for parameter, spec in ENTRY_POINTS[name].get("parameters", {}).items():
            assert str(parser.get_default(parameter)) == spec["default"], parameter

    def test_command_passes_every_parameter_to_its_flag(self, name: str):
        parameters = ENTRY_POINTS[name].get("parameters", {})
        words = shlex.split(ENTRY_POINTS[name]["command"])
        assert words[:3] == ["python", "-m", f"entry_points.{name}"]
        passed = dict(zip(words[3::2], words[4::2], strict=True))
        assert passed == {f"--{key.replace('_', '-')}": f"{{{key}}}" for key in parameters}

    def test_explains_every_flag(self, name: str):
        for action in build_parser(name)._actions:
            assert action.help, action.dest


def test_every_verb_is_an_entry_point():
    modules = {path.stem for path in (ROOT / "entry_points").glob("*.py")}
    assert modules - {
        "__init__",
        "ceiling",
        "cli",
        "llm_access",
        "loading",
        "tiny_ocr",
    } == set(ENTRY_POINTS)


def test_the_environment_names_no_python_so_that_the_default_manager_finds_one():
    environment = yaml.safe_load((ROOT / "python_env.yaml").read_text(encoding="utf-8"))
    assert set(environment) == {"build_dependencies", "dependencies"}
