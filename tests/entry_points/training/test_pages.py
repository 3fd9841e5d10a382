"""The pages that training learns from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data.fields import load_folder
from entry_points import ROOT
from entry_points.training.pages import PageReader
from ocr_extractor.errors import DocumentError

RECEIPTS = ROOT / "data" / "samples-fields" / "receipts"


def test_a_damaged_document_is_named(tmp_path: Path):
    folder = tmp_path / "receipts"
    shutil.copytree(RECEIPTS, folder)
    [damaged] = [each for each in load_folder(folder) if each.form_id == "receipt-02"]
    damaged.image_path.write_bytes(damaged.image_path.read_bytes()[:3000])
    with pytest.raises(DocumentError, match=rf"^{damaged.image_path}: Page 1 cannot be decoded"):
        PageReader(tmp_path / "words").read_fields([damaged], finished=list)
