"""README and docs tell the truth about commands, settings, error codes, columns and links."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from mlflow.cli import cli as mlflow_cli

from docs import make_reference
from entry_points import ROOT
from entry_points.command_line.flags import read_settings
from ocr_extractor.config import ExtractorConfig
from ocr_extractor.contract import OUTPUT_COLUMNS
from tests.documentation import PATHS, blocks, inline_code, page, section, slugs

ENTRY_POINTS = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"]

every_page = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)


def commands(path: Path) -> Iterator[str]:
    """Yield every command of a page: the lines of its shell blocks, and what stands in a line."""
    text = path.read_text(encoding="utf-8")
    for block in blocks(text, "bash"):
        yield from block.replace("\\\n", " ").splitlines()
    yield from inline_code(text)


def test_the_readme_is_short():
    assert len(page("README.md").splitlines()) <= 200


def test_first_screen_has_exactly_two_commands():
    first_screen = "\n".join(page("README.md").splitlines()[:40])
    assert blocks(first_screen, "bash") == [
        'pip install "mlflow==3.17.2" uv && mlflow run . --env-manager uv -P engine=local\n',
        "mlflow run . -e test --env-manager uv\n",
    ]


def test_ci_runs_the_very_commands():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'pip install --quiet "mlflow==3.17.2" uv' in script
    assert "mlflow run . --env-manager uv -P engine=local" in script
    assert "\nmlflow run . -e test --env-manager uv | tee " in script
    assert "mlflow run . -e test --env-manager uv -P tier=rest | tee " in script


def test_the_workflow_calls_ci_and_nothing_else():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    [job] = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]


@every_page
def test_every_mlflow_run_has_an_entry_point_and_parameters_that_exist(path: Path):
    for command in commands(path):
        if "mlflow run ." not in command or "<" in command:
            continue
        words = shlex.split(command.partition("mlflow run .")[2], comments=True)
        options = list(zip(words[::2], words[1::2], strict=True))
        assert {option for option, _ in options} <= {
            "-e",
            "-P",
            "--env-manager",
            "--experiment-name",
        }, command
        entry_point = dict(options).get("-e", "main")
        flags = []
        for _, parameter in filter(lambda each: each[0] == "-P", options):
            name, _, value = parameter.partition("=")
            flags.append(f"--{name.replace('_', '-')}={value}")
        parser = importlib.import_module(f"entry_points.{entry_point}").build_parser()
        try:
            parsed = parser.parse_args(flags)
        except SystemExit:
            pytest.fail(f"{entry_point} refuses {command!r}")
        if "settings" in parsed:
            known_settings(parsed.settings)


def known_settings(text: str) -> None:
    """Fail for settings that the extractor does not take."""
    required = {"engine": "openai", "prompt_uri": "prompts:/p/1"}
    ExtractorConfig.from_model_config(required | read_settings(text))


@every_page
def test_every_parameter_and_setting_that_is_mentioned_exists(path: Path):
    parameters = {name for each in ENTRY_POINTS.values() for name in each.get("parameters", {})}
    for command in commands(path):
        named = set(re.findall(r"-P (\w+)=", command)) - {"name"}
        assert named <= parameters, command
        for settings in re.findall(r"(?:settings|SERVING_MODEL_CONFIG)='(\{.+?\})'", command):
            known_settings(settings)


@every_page
def test_every_module_and_file_that_a_command_names_exists(path: Path):
    for command in commands(path):
        for module in re.findall(r"python -m ((?:entry_points|data|docs)(?:\.\w+)+)", command):
            assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), command
        for file in re.findall(
            r"\b((?:tests|docs|data|model|entry_points)/[\w/.-]+\.\w+)", command
        ):
            assert (ROOT / file).is_file() or file.startswith("data/funsd"), command


@every_page
def test_mlflow_takes_every_other_command(path: Path):
    for block in blocks(path.read_text(encoding="utf-8"), "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] != ["mlflow"] or words[1] == "run":
                continue
            command: click.Command = mlflow_cli
            names = words[1:]
            while isinstance(command, click.Group):
                command = command.commands[names.pop(0)]
            command.make_context(line, names)


@every_page
def test_python_can_be_compiled(path: Path):
    for block in blocks(path.read_text(encoding="utf-8"), "python"):
        compile(block, path.name, "exec")


@every_page
def test_every_link_and_picture_leads_somewhere(path: Path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), target
        if anchor:
            assert anchor in slugs(file.read_text(encoding="utf-8")), target


def test_every_page_is_linked_from_the_readme():
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)", page("README.md")))
    assert linked == {path.name for path in PATHS if path.parent == ROOT / "docs"}


@pytest.mark.parametrize("name", make_reference.PAGES)
def test_the_reference_is_what_the_code_says(name: str):
    assert page(name) == make_reference.PAGES[name](), "run python -m docs.make_reference"


def test_every_error_code_is_documented():
    documented = {code["name"] for part in make_reference.error_sections() for code in part["code"]}
    assert documented == make_reference.raised_codes()


def test_columns_table_is_the_models():
    table = page("python-api.md").partition("| output column |")[2]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", table, re.MULTILINE)
    columns = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert columns[: len(OUTPUT_COLUMNS)] == list(OUTPUT_COLUMNS)


def test_a_room_has_one_row_in_the_architecture():
    rows = re.findall(
        r"^\| (`?[a-z].*?) \|", section("architecture.md", "## Rooms and modules"), re.M
    )
    assert [each for each in rows if rows.count(each) > 1 and each != "topic"] == []


def test_the_room_of_every_module_is_in_the_architecture():
    told = section("architecture.md", "## Rooms and modules")
    for room in ("model/ocr_extractor", "entry_points", "data"):
        for path in sorted((ROOT / room).iterdir()):
            name = path.stem if path.suffix == ".py" else f"{path.name}/"
            if (path.suffix == ".py" or (path / "__init__.py").exists()) and name != "__init__":
                assert f"`{name}`" in told, f"{room}/{name}"
