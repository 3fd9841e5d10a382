"""The form generator: exact truth, the same forms every time, samples that load."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.funsd import load_folder
from data.generate import main

SAMPLES = Path(__file__).parents[2] / "data" / "samples"


@pytest.fixture(scope="module")
def remade(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    assert main(["--output", str(folder)]) == 0
    return folder


def test_the_shipped_samples_are_what_the_generator_makes(remade):
    shipped = sorted(p.relative_to(SAMPLES) for p in SAMPLES.glob("*/*"))
    assert shipped == sorted(p.relative_to(remade) for p in remade.glob("*/*"))
    for path in SAMPLES.glob("annotations/*.json"):
        assert json.loads(path.read_bytes()) == json.loads(
            (remade / "annotations" / path.name).read_bytes()
        )
    for path in [*SAMPLES.glob("images/*.png"), *SAMPLES.glob("images/*.tif")]:
        with Image.open(path) as old, Image.open(remade / "images" / path.name) as new:
            assert np.array_equal(np.asarray(old), np.asarray(new)), path.name


def test_every_sample_loads():
    forms = load_folder(SAMPLES)
    assert len(forms) >= 16
    assert sum(len(form.pairs()) for form in forms) > 200
