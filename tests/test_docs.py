"""The README tells the truth about commands and settings."""

from __future__ import annotations

import re

from entry_points import ROOT
from ocr_extractor.config import ExtractorConfig
from ocr_extractor.contract import OUTPUT_COLUMNS

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_first_screen_has_exactly_two_commands():
    first_screen = "\n".join(TEXT.splitlines()[:40])
    blocks = re.findall(r"```bash\n(.*?)\n```", first_screen, re.DOTALL)
    assert blocks == [
        'pip install "mlflow==3.17.2" uv && mlflow run . --env-manager uv -P engine=local',
        "mlflow run . -e test --env-manager uv",
    ]


def test_ci_runs_the_very_commands():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'pip install --quiet "mlflow==3.17.2" uv' in script
    assert "mlflow run . --env-manager uv -P engine=local" in script
    assert "\nmlflow run . -e test --env-manager uv\n" in script


def test_columns_table_is_the_models():
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", TEXT.partition("| output column |")[2], re.M)
    columns = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert columns[: len(OUTPUT_COLUMNS)] == list(OUTPUT_COLUMNS)


def test_settings_table_is_the_extractors():
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| .+ \|$", TEXT.partition("## Settings")[2], re.M)
    fields = ExtractorConfig.model_fields
    assert [name for name, _ in rows] == list(fields)
    for name, default in rows:
        if not fields[name].is_required():
            assert default == f"`{fields[name].default}`", name
