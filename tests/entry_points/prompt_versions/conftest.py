"""A registry for each module, a name that only one test uses, and schema files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stores import own_store

TEMPLATE = "Read {{ fields }}."
RECEIPT: dict[str, Any] = {
    "title": "Receipt",
    "type": "object",
    "properties": {
        "total": {"type": "number", "x-labels": ["Total", "合計"]},
        "date": {"type": "string", "format": "date"},
    },
}
EXPERIMENT = "prompts"


@pytest.fixture(scope="module")
def registry(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store, with an experiment whose artifacts lie beside it."""
    folder = tmp_path_factory.mktemp("registry")
    with own_store(empty_store, folder, EXPERIMENT):
        yield folder


@pytest.fixture
def name(registry: Path, request: pytest.FixtureRequest) -> str:
    """A prompt's name that only one test uses."""
    return str(request.node.name).translate(str.maketrans("[] ", "---"))[-60:]


@pytest.fixture
def schema_file(tmp_path: Path) -> Path:
    """The receipt's schema."""
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(RECEIPT), encoding="utf-8")
    return file
