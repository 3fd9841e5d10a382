"""A template and its schema are one version, and one alias moves both."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import mlflow
import pytest

from entry_points.command_line.cli import UsageError
from entry_points.prompt_versions.registration import (
    find_prompt,
    list_versions,
    point_alias,
    register_prompt,
)
from entry_points.register_prompt import main
from ocr_extractor.errors import PromptError
from ocr_extractor.fields.schema import Schema
from tests.entry_points.prompt_versions.conftest import RECEIPT, TEMPLATE

FIRST = Schema.parse(RECEIPT)
OTHER = Schema.parse(RECEIPT | {"title": "Other"})
REORDERED = Schema.parse(
    RECEIPT | {"properties": dict(reversed(list(RECEIPT["properties"].items())))}
)


def test_the_oldest_of_many_versions_is_found(name: str) -> None:
    first = register_prompt(name, "Read.")
    client = mlflow.MlflowClient()
    for number in range(101):
        client.create_prompt_version(name, f"Read page {number}.")
    assert register_prompt(name, "Read.").version == first.version


@pytest.mark.parametrize(
    ("template", "schema", "version"),
    [
        pytest.param(TEMPLATE, FIRST, 1, id="both are the same"),
        pytest.param(TEMPLATE, Schema.load(json.dumps(RECEIPT, indent=9)), 1, id="another layout"),
        pytest.param(TEMPLATE, OTHER, 3, id="another schema"),
        pytest.param(TEMPLATE, REORDERED, 3, id="another order of the fields"),
        pytest.param(f"{TEMPLATE} All.", FIRST, 3, id="another template"),
        pytest.param("Read.", None, 2, id="without a schema"),
    ],
)
def test_a_version_is_the_same_only_if_template_and_schema_are(
    name: str, template: str, schema: Schema | None, version: int
) -> None:
    register_prompt(name, TEMPLATE, schema=FIRST)
    register_prompt(name, "Read.")
    assert int(register_prompt(name, template, schema=schema).version) == version
    assert len(list_versions(name)) == max(2, version)


def test_the_registry_gives_both_back_by_one_alias(name: str) -> None:
    register_prompt(name, TEMPLATE, schema=FIRST)
    point_alias("production", register_prompt(name, f"Slowly. {TEMPLATE}", schema=OTHER))
    loaded = mlflow.genai.load_prompt(f"prompts:/{name}@production", cache_ttl_seconds=0)
    assert loaded.template == f"Slowly. {TEMPLATE}"
    assert json.dumps(loaded.response_format) == json.dumps(OTHER.document)


@pytest.mark.parametrize(
    ("template", "schema", "message"),
    [
        pytest.param(TEMPLATE, None, "-P schema=", id="fields without a schema"),
        pytest.param("Read.", FIRST, "put {{ fields }} where", id="a schema without fields"),
    ],
)
def test_one_without_the_other_is_refused(
    name: str, template: str, schema: Schema | None, message: str
) -> None:
    with pytest.raises(PromptError, match=re.escape(message)):
        register_prompt(name, template, schema=schema)
    assert list_versions(name) == []


def test_the_command_registers_the_template_for_fields(
    name: str, schema_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--prompt-name", name, "--schema", str(schema_file)]
    assert main(flags) == 0
    assert main(flags) == 0
    printed = capsys.readouterr().out
    assert f"Prompt prompts:/{name}/1 already registered" in printed
    assert ", 2 fields of Receipt." in printed
    [version] = list_versions(name)
    assert "{{ fields }}" in str(version.template)
    assert version.response_format == RECEIPT


@pytest.mark.parametrize(
    ("template", "flags", "message"),
    [
        pytest.param(TEMPLATE, [], "-P schema=<file>", id="no schema"),
        pytest.param("Read.", ["--schema", "{}"], "put {{ fields }}", id="no place"),
        pytest.param(TEMPLATE, ["--schema", "gone.yaml"], "cannot be read", id="no file"),
        pytest.param(
            TEMPLATE + "{{ examples }}",
            ["--schema", "{}", "--examples", "memo-01"],
            "examples show question-answer pairs",
            id="examples of pairs",
        ),
    ],
)
def test_the_command_says_what_does_not_fit(
    name: str,
    schema_file: Path,
    capsys: pytest.CaptureFixture[str],
    template: str,
    flags: list[str],
    message: str,
) -> None:
    file = schema_file.with_name("template.md")
    file.write_text(template, encoding="utf-8")
    given = [each.format(schema_file) for each in flags]
    assert main(["--prompt-name", name, "--template", str(file), *given]) == 2
    assert message in capsys.readouterr().err
    assert list_versions(name) == []


def test_a_schema_finds_its_version_or_makes_one(name: str) -> None:
    def found(schema: Schema | None) -> tuple[int, str, Any]:
        version = find_prompt("", name, schema)
        return int(version.version), str(version.template), version.response_format

    number, shipped, document = found(FIRST)
    assert (number, "{{ fields }}" in shipped, document) == (1, True, RECEIPT)
    assert found(None) == (1, shipped, RECEIPT)
    assert found(OTHER) == (2, shipped, OTHER.document)
    own = f"Slowly. {TEMPLATE}"
    point_alias("production", register_prompt(name, own, schema=FIRST))
    assert found(FIRST) == (3, own, RECEIPT)
    assert found(OTHER) == (4, own, OTHER.document)
    point_alias("production", register_prompt(name, "Pairs."))
    assert found(None) == (5, "Pairs.", None)
    assert found(FIRST) == (1, shipped, RECEIPT)


def test_a_named_version_takes_no_other_schema(name: str) -> None:
    register_prompt(name, TEMPLATE, schema=FIRST)
    with pytest.raises(UsageError, match="not both"):
        find_prompt(f"prompts:/{name}/1", name, OTHER)


def test_a_version_whose_schema_is_none_of_ours_is_not_pinned(name: str) -> None:
    mlflow.genai.register_prompt(name, TEMPLATE, response_format={"type": "json_object"})
    with pytest.raises(PromptError, match=f"prompts:/{name}/1 cannot be used. Its schema"):
        find_prompt(f"prompts:/{name}/1", name)
