"""The stages are trained in order, the same way every time, and what they learned is what runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from entry_points.training.pages import TrainingPage
from entry_points.training.stacking import Trained, fits_of, fold_of, train_stages
from ocr_extractor.engines.local.learned.candidates import select
from ocr_extractor.engines.local.learned.cascade import STAGES
from ocr_extractor.engines.local.learned.weights import Weights

FOLDS = 2


@pytest.fixture(scope="module")
def trained(pages: list[TrainingPage]) -> Trained:
    fitted: list[int] = []
    trained = train_stages(pages, FOLDS, 7, lambda: fitted.append(1))
    assert len(fitted) == fits_of(FOLDS)
    return trained


def test_forms_are_dealt_evenly_and_the_same_way_every_time():
    forms = [f"form-{n}" for n in range(11)]
    dealt = fold_of(forms, 3, seed=1)
    assert sorted(np.bincount([*dealt.values()])) == [3, 4, 4]
    assert fold_of(forms[::-1], 3, seed=1) == dealt
    assert fold_of(forms, 3, seed=2) != dealt


def test_trained_stages_find_most_pairs_of_the_forms_they_have_seen(pages, trained):
    found = 0
    for page in pages:
        scored = trained.score(page, lambda *_: None)
        candidates = [candidate for candidate, _ in scored]
        chosen = select(candidates, [score for _, score in scored], trained.decision.least)
        found += int(page.truth.are_pairs([candidates[n] for n in chosen]).sum())
    assert found > 0.6 * sum(page.truth.pairs for page in pages)


def test_observer_is_told_of_every_stage_with_the_right_answers(pages, trained):
    seen = {}

    def observe(ask, answer, targets):
        assert len(ask.rows) == len(ask.about) == len(answer) == len(targets)
        seen[ask.stage] = targets

    trained.score(pages[0], observe)
    assert tuple(seen) == STAGES
    assert all(targets.any() for targets in seen.values())


def test_weights_answer_as_the_models_they_were_written_from(pages, trained, tmp_path: Path):
    trained.save(tmp_path)
    weights = Weights(tmp_path)
    assert weights.decision == trained.decision

    def compare(ask, answer, targets):
        # float16 n-grams and float32 trees
        np.testing.assert_allclose(weights.answer(ask), answer, atol=2e-3)

    trained.score(pages[0], compare)


def test_same_seed_gives_the_same_weights(pages, trained, tmp_path: Path):
    again = train_stages(pages, FOLDS, 7, lambda: None)
    for name, each in (("one", trained), ("two", again)):
        (tmp_path / name).mkdir()
        each.save(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    # What differs between two processes: the order of the converter's sets.
    domains = [each.domain for each in onnx.load(tmp_path / "one" / "cut.onnx").opset_import]
    assert domains == sorted(domains)
