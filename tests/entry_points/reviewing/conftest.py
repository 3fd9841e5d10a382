"""A tracking store for reviews."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stores import own_store


@pytest.fixture
def experiment(tmp_path: Path, empty_store: Path):
    with own_store(empty_store, tmp_path, "reviews") as experiment_id:
        yield experiment_id
