"""A schema is read from a file or from a class, or the message says what to correct."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from entry_points import ROOT
from entry_points.command_line.cli import UsageError
from entry_points.prompt_versions.prompt_files import read_schema
from ocr_extractor.prompts.prompt import check_template_and_schema
from tests.entry_points.prompt_versions.conftest import RECEIPT

CLASSES = """
from datetime import date
from decimal import Decimal
from typing import Callable, Literal

from pydantic import BaseModel, Field


class Item(BaseModel):
    name: str
    amount: Decimal | None = None


class Receipt(BaseModel):
    total: Decimal = Field(description="What was paid")
    issued: date | None
    currency: Literal["EUR", "USD"] | None = None
    items: list[Item] = []


class Deep(BaseModel):
    receipts: list[Receipt]


class Wrong(BaseModel):
    call: Callable[[int], int]


NUMBER = 1
"""


@pytest.fixture
def classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's own."""
    module = f"schemas_of_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{module}.py").write_text(CLASSES, encoding="utf-8")
    (tmp_path / f"{module}_broken.py").write_text("1 / 0", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return module


def test_without_one_there_is_no_schema() -> None:
    assert read_schema("") is None


@pytest.mark.parametrize("suffix", ["json", "yaml", "yml"])
def test_a_file_is_json_or_yaml(tmp_path: Path, suffix: str) -> None:
    text = json.dumps(RECEIPT) if suffix == "json" else yaml.safe_dump(RECEIPT, sort_keys=False)
    (tmp_path / f"receipt.{suffix}").write_text(text, encoding="utf-8")
    schema = read_schema(str(tmp_path / f"receipt.{suffix}"))
    assert schema
    assert schema.document == RECEIPT


def test_a_pydantic_class_has_a_schema(classes: str) -> None:
    schema = read_schema(f"{classes}:Receipt")
    assert schema
    assert schema.title == "Receipt"
    assert {path: field.type for path, field in schema.leaves().items()} == {
        "total": "number",
        "issued": "date",
        "currency": "string",
        "items[].name": "string",
        "items[].amount": "number",
    }
    assert schema.leaves()["total"].description == "What was paid"
    check_template_and_schema("{{ fields }}", schema)


def test_a_class_in_the_working_directory_is_found_by_a_command(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CLASSES, encoding="utf-8")
    code = "from entry_points.prompt_versions.prompt_files import read_schema as r; "
    done = subprocess.run(
        [sys.executable, "-c", f"{code}print(r('mine:Receipt').title)"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "Receipt\n", done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("{}:Gone", "not a pydantic model", id="no such class"),
        pytest.param("{}:NUMBER", "not a pydantic model", id="no class"),
        pytest.param("{}:Wrong", "has no JSON Schema", id="a type without JSON"),
        pytest.param("{}:Deep", "#/properties/receipts/", id="nested too deeply"),
        pytest.param("{}_gone:Receipt", "ModuleNotFoundError.*PYTHONPATH", id="no such module"),
        pytest.param("{}_broken:Receipt", "ZeroDivisionError", id="a module that fails"),
        pytest.param("..{}:Receipt", "cannot be imported", id="a relative module"),
        pytest.param("{}", "give a .json, .yaml or .yml file", id="no class is named"),
        pytest.param("schema.txt", "give a .json, .yaml or .yml file", id="another suffix"),
        pytest.param("no-such.json", "cannot be read .*No such file", id="no such file"),
    ],
)
def test_what_is_no_schema_is_named(classes: str, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"--schema .*{message}"):
        read_schema(name.format(classes))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"{", "not valid JSON: line 1", id="broken"),
        pytest.param(b"[1]", "write a JSON Schema", id="a list"),
        pytest.param(b"\xff\xfe", "not UTF-8", id="not UTF-8"),
        pytest.param(
            b'{"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}}',
            "#/properties/a of the schema has pattern: leave it out",
            id="an unsupported construct",
        ),
        pytest.param(
            json.dumps(RECEIPT | {"description": "ä" * 20_000}).encode(),
            "100,000: a tag",
            id="larger than a tag, as JSON",
        ),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "wrong.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=message) as refused:
        read_schema(str(file))
    assert "wrong.json" in str(refused.value)
    assert len(str(refused.value)) < 600
