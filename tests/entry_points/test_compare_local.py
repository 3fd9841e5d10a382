"""The local engine's settings as candidates, on FUNSD's training forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.entry_points.conftest import Project


def test_a_quicker_reader_that_reads_worse_is_held_back(
    project: Project, funsd_training: Path, tmp_path: Path
):
    own = replace(project, folder=tmp_path, timeout_s=1200)
    done = own.command(
        "compare",
        candidates="local,local;ocr_quality=fast,local;seed=1",
        dataset=funsd_training,
        limit=8,
    )
    assert done.returncode == 0, done.stdout
    fast, same = done.stdout.split(") against local (models:/ocr-extractor/1): 8 forms")[1:]
    assert "The gate would hold it back:\n  - pair_f1 may be worse by " in fast
    # The local engine has no use for a seed.
    assert "Forms won 0, lost 0, tied 8 (pair_f1)." in same
    assert "The gate would let it through." in same
    assert "-e promote -P model_uri=models:/ocr-extractor/3" in same
