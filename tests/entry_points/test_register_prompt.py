"""The entry points register_prompt and log: versions, aliases, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from entry_points.command_line.cli import UsageError
from entry_points.command_line.flags import read_settings
from entry_points.log import log, resolve_engine
from entry_points.prompt_versions.registration import (
    find_prompt,
    list_versions,
    point_alias,
    register_prompt,
)
from entry_points.register_prompt import main
from ocr_extractor.errors import PromptError
from tests.entry_points.conftest import Done, Project


@pytest.fixture
def name(project: Project, main_run: Done, request: pytest.FixtureRequest) -> str:
    """A prompt's name that only one test uses, in a store that exists."""
    return str(request.node.name).translate(str.maketrans("[]", "--"))


def test_an_identical_template_makes_no_new_version(name: str, capsys):
    first = register_prompt(name, "Read the form.", commit_message="first", tags={"by": "me"})
    second = register_prompt(name, "Read the form. Twice.")
    again = register_prompt(name, "Read the form.")
    assert [int(each.version) for each in (first, second, again)] == [1, 2, 1]
    assert len(list_versions(name)) == 2
    assert list_versions(name)[-1].commit_message == "first"
    assert list_versions(name)[-1].tags["by"] == "me"
    assert f"Prompt prompts:/{name}/1 already registered" in capsys.readouterr().out


def test_the_first_version_is_production_and_later_ones_only_when_asked(name: str):
    register_prompt(name, "One.")
    register_prompt(name, "Two.")
    assert int(find_prompt("", name).version) == 1
    point_alias("production", register_prompt(name, "Two."))
    assert int(find_prompt("", name).version) == 2


@pytest.mark.parametrize(
    ("template", "message"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param(" \n\t", "empty", id="blank"),
        pytest.param("Read {{ page }}.", "uses page", id="unknown-variable"),
        pytest.param("{% if page %}x{% endif %}", "uses page", id="unknown-in-jinja"),
        pytest.param("{% if %}", "not valid Jinja", id="broken"),
        pytest.param("Read\n{% for c in ocr_text %}{% endfor %}", "Line 2 .* a loop", id="loop"),
    ],
)
def test_refuses_what_the_extractor_cannot_fill_in(name: str, template: str, message: str):
    with pytest.raises(PromptError, match=message):
        register_prompt(name, template)
    assert list_versions(name) == []


def test_the_shipped_template_is_registered_where_there_is_none(name: str):
    version = find_prompt("", name)
    assert "additional_rules" in str(version.template)
    assert int(find_prompt("", name).version) == 1


def test_a_missing_version_is_named_with_what_to_do(name: str):
    with pytest.raises(UsageError, match="register_prompt -P alias=production"):
        find_prompt(f"prompts:/{name}/7", name)


def test_a_missing_template_file_is_named(project: Project, capsys):
    assert main(["--template", "no-such-file.md"]) == 2
    assert "no-such-file.md, which cannot be read" in capsys.readouterr().err


def test_a_template_that_is_not_utf_8_is_named(project: Project, tmp_path: Path, capsys):
    (tmp_path / "latin.md").write_bytes("Größe".encode("latin-1"))
    assert main(["--template", str(tmp_path / "latin.md")]) == 2
    assert "latin.md, which is not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    "tags", ["{", "[1]", '"a"', "[" * 10**5], ids=["no", "list", "text", "deep"]
)
def test_tags_that_are_no_object_are_refused_and_nothing_is_registered(
    project: Project, name: str, tags: str, capsys
):
    assert main(["--prompt-name", name, "--tags", tags]) == 2
    assert 'write {"author": "..."}' in capsys.readouterr().err
    assert list_versions(name) == []


@pytest.mark.parametrize(
    ("environment", "engine"),
    [
        pytest.param({}, "local", id="nothing"),
        pytest.param({"OPENAI_API_KEY": "sk-x"}, "openai", id="key"),
        pytest.param({"OPENAI_API_KEY_FILE": "/key"}, "openai", id="key-file"),
        pytest.param({"OPENAI_BASE_URL": "http://127.0.0.1/v1"}, "openai", id="server"),
        pytest.param({"AZURE_OPENAI_ENDPOINT": "https://x"}, "openai", id="azure"),
    ],
)
def test_auto_says_which_engine_it_takes(monkeypatch, capsys, environment, engine: str):
    for variable in ("API_KEY", "API_KEY_FILE", "BASE_URL"):
        monkeypatch.delenv(f"OPENAI_{variable}", raising=False)
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert resolve_engine("auto") == engine
    assert f"Engine: {engine} (auto:" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["[1]", "{", "1"])
def test_settings_must_be_an_object(text: str):
    with pytest.raises(UsageError, match="--settings is"):
        read_settings(text)


def test_a_wrong_setting_fails_the_command_and_lists_the_known_ones(
    project: Project, main_run: Done
):
    done = project.command("log", engine="openai", settings='{"max_sise": 1000}')
    assert done.returncode != 0
    assert "max_sise" in done.stdout
    assert "max_size" in done.stdout


def test_a_model_must_not_have_its_prompts_name(name: str):
    prompt = register_prompt(name, "Read the form.")
    with pytest.raises(UsageError, match="another --model-name"):
        log(engine="local", prompt=prompt, model_name=name, settings={})


def test_examples_stand_in_the_version(project: Project, main_run: Done, tmp_path: Path, capsys):
    template = tmp_path / "shots.md"
    template.write_text("Read. {{ additional_rules }} {{ examples }}", encoding="utf-8")
    flags = ["--prompt-name", "with-examples", "--template", str(template)]
    assert main(flags) == 2
    assert "needs -P examples=" in capsys.readouterr().err
    assert main([*flags, "--examples", "invoice-01,no-such-form"]) == 2
    assert "no form is named 'no-such-form'" in capsys.readouterr().err
    assert main([*flags, "--examples", "invoice-01, memo-01"]) == 0
    [version] = list_versions("with-examples")
    text = str(version.template)
    assert text.startswith("Read. {{ additional_rules }} <examples>")
    assert text.count("Text on the form:") == 2
    assert '{"pairs": [{"question": ' in text
    assert version.tags["examples"] == "invoice-01,memo-01"
