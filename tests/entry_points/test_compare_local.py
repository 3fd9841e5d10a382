"""The local engine's settings as candidates, on FUNSD's training forms."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.entry_points.conftest import Project

pytestmark = pytest.mark.slow


def test_a_setting_that_costs_forms_is_held_back(
    project: Project, funsd_training: Path, tmp_path: Path
):
    own = replace(project, folder=tmp_path)
    # FUNSD's pages are 754 to 863 px wide and 1000 px high.
    done = own.mlflow_run(
        "compare",
        candidates="local,local;max_page_pixels=770000,local;trace_content=metadata",
        dataset=funsd_training,
        limit=10,
    )
    assert done.returncode == 0, done.stdout
    strict, quiet = done.stdout.split(") against local (models:/ocr-extractor/1): 10 forms")[1:]
    assert re.search(r"^  coverage +1\.000 +0\.\d00 +-0\.\d00 ", strict, re.M)
    assert "The gate would hold it back:" in strict
    assert re.search(r"- it fails on more forms \(coverage -0\.\d00\)$", strict, re.M)
    assert "Forms won 0, lost 0, tied 10 (pair_f1)." in quiet
    assert "The gate would let it through." in quiet
    assert "-e promote -P model_uri=models:/ocr-extractor/3" in quiet
