"""The bundled ranker of fields comes out the same whenever it is trained."""

from __future__ import annotations

from pathlib import Path

from entry_points.training.general_fields import drawn_pages, train_general
from ocr_extractor.engines.local.fields.ranker import SETTINGS, TREES, Ranker


def test_the_same_documents_give_the_same_weights_which_tell_candidates_apart(tmp_path: Path):
    for name in ("one", "other"):
        train_general(tmp_path / name, 16, ["receipts"], 3)
    for file in (TREES, SETTINGS):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()
    asked = [lesson.asked for lesson in drawn_pages("receipts", 20).lessons()]
    found = Ranker(tmp_path / "one").probabilities(asked)
    assert any(len(set(odds)) > 1 for odds in found)
