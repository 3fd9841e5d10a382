"""The stages' figures."""

from __future__ import annotations

import numpy as np
import pytest

from entry_points.training.figures import Answers
from ocr_extractor.engines.local.learned.cascade import Ask


def test_labels_that_float32_has_rounded_are_judged_without_a_warning():
    answers = Answers()
    ask = Ask("label", np.zeros((1, 1), np.float32), ("x",), [None])
    answers.add(ask, np.array([[0.7, 0.1, 0.1, 0.1001]], np.float32), np.array([0]))
    assert answers.metrics()["label_accuracy"] == 1.0


def test_stages_are_judged_on_all_their_answers_together():
    answers = Answers()
    for chance, truth in ((0.9, 1), (0.2, 0), (0.6, 0)):
        ask = Ask("link", np.zeros((1, 1), np.float32), ("x",), [None])
        answers.add(ask, np.array([chance], np.float32), np.array([truth]))
    assert answers.stages() == ["link"]
    assert answers.confusion("link").tolist() == [[1, 1], [0, 1]]
    assert answers.metrics()["link_average_precision"] == 1.0
    expected = -np.log([0.9, 0.8, 0.4]).mean()
    assert answers.metrics()["link_log_loss"] == pytest.approx(expected, abs=1e-6)
