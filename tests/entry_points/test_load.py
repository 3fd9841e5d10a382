"""The logged model in other people's code: the documented lines, run in a process of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.documentation import block
from tests.entry_points.conftest import Done, Project


def test_the_documented_snippets_run_beside_another_package_called_model(
    project: Project, main_run: Done, tmp_path: Path
):
    read = block("python", ".read(")
    load = block("python", "extractor.predict(pd")
    in_async_code = block("python", "asyncio")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "__init__.py").write_text("NAME = 'theirs'\n")
    shutil.copy(project.dataset / "images" / "invoice-01.png", tmp_path)
    script = f"import model\n{read}\n{load}\n{in_async_code}\nassert model.NAME == 'theirs'\n"
    (tmp_path / "theirs.py").write_text(script)
    code = f"import os, runpy; os.chdir({str(tmp_path)!r}); runpy.run_path('theirs.py')"

    done = project.run(
        "-c",
        code,
        PYTHONPATH=str(tmp_path),  # their folder, and not this project's
        MLFLOW_TRACKING_URI=project.tracking_uri,
    )

    assert done.returncode == 0, done.stdout
    assert "None [('" in done.stdout
    assert "Left blank -> None" in done.stdout
    assert "2 documents" in done.stdout


def test_a_loaded_extractor_is_left_out_of_garbage_collections(project: Project, main_run: Done):
    code = """
import gc, weakref
from entry_points.logged_models.loading import load_extractor

def load():
    return load_extractor("models:/ocr-extractor@champion")

model = load()
model.itself = model
gone = weakref.ref(model)
print("left out:", not any(each is model for each in gc.get_objects()))
del model
again = load()
print("dead ones left out:", gone() is not None)
"""
    done = project.run("-c", code, MLFLOW_TRACKING_URI=project.tracking_uri)

    assert done.returncode == 0, done.stdout
    assert "left out: True\ndead ones left out: False" in done.stdout
