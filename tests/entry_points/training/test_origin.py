"""Weights know the documents that they have learned from, and so does the extractor with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from data.funsd import load_folder
from entry_points.logged_models.loading import LEARNED_FROM, learned_from
from entry_points.training.origin import learned_hashes, note_origin
from tests.entry_points.conftest import SAMPLES


def test_own_weights_name_the_documents_of_both_kinds(tmp_path: Path):
    forms = load_folder(SAMPLES, limit=4)
    note_origin(tmp_path, "pairs", "samples", forms[:2])
    note_origin(tmp_path, "fields", "samples", forms[1:3])
    hashes = learned_hashes(tmp_path)
    assert len(hashes) == 3
    assert hashes == sorted(set(hashes))
    assert learned_hashes(tmp_path / "nothing") == []


@pytest.mark.parametrize("known", [0, 2])
def test_an_extractor_names_the_forms_that_its_weights_have_learned_from(
    known: int, tmp_path: Path, track_at: Callable[[str], None], empty_store: Path
):
    forms = load_folder(SAMPLES, limit=4)
    note_origin(tmp_path, "pairs", "samples", forms[:known])
    (tmp_path / "mlflow.db").write_bytes(empty_store.read_bytes())
    track_at(f"sqlite:///{tmp_path / 'mlflow.db'}")
    script = tmp_path / "model.py"
    script.write_text(
        "import mlflow\n"
        "class Empty(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input: list[str]):\n"
        "        return model_input\n"
        "mlflow.models.set_model(Empty())\n"
    )
    info = mlflow.pyfunc.log_model(
        name="extractor",
        python_model=str(script),
        metadata={LEARNED_FROM: learned_hashes(tmp_path)},
        pip_requirements=["mlflow"],
    )
    assert learned_from(info.model_uri, forms) == [form.form_id for form in forms[:known]]
