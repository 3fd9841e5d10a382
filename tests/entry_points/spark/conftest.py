"""What the tests of Spark share: they are skipped where it is not installed."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="session")
def spark() -> None:
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17")
