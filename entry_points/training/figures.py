"""Metrics and figures of the trained stages on held-out forms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, average_precision_score, confusion_matrix, log_loss

from ocr_extractor.engines.local.learned.page_features import LABELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from entry_points.training.truth import Targets
    from ocr_extractor.engines.local.learned.cascade import Ask, Stage
    from ocr_extractor.engines.local.learned.columns import Floats

_MOST_SHOWN = 20


class Answers:
    """Collects the answers of the stages on held-out forms, and the right answers."""

    def __init__(self) -> None:
        self._answers: dict[Stage, list[Floats]] = defaultdict(list)
        self._targets: dict[Stage, list[Targets]] = defaultdict(list)

    def add(self, ask: Ask, answer: Floats, targets: Targets) -> None:
        """Take the answers to one question."""
        self._answers[ask.stage].append(answer)
        self._targets[ask.stage].append(targets)

    def metrics(self) -> dict[str, float]:
        """Return `<stage>_log_loss`, and the stage's accuracy or average precision, [0, 1]."""
        found = {}
        for stage, parts in self._answers.items():
            answers, targets = np.concatenate(parts).astype(np.float64), self._right(stage)
            classes = [*range(len(LABELS))] if answers.ndim == 2 else [0, 1]
            if answers.ndim == 2:
                answers /= answers.sum(axis=1, keepdims=True)  # they were rounded to float32
            found[f"{stage}_log_loss"] = float(log_loss(targets, answers, labels=classes))
            if answers.ndim == 2:
                accuracy = accuracy_score(targets, answers.argmax(axis=1))
                found[f"{stage}_accuracy"] = float(accuracy)
            elif targets.any():
                precision = average_precision_score(targets, answers)
                found[f"{stage}_average_precision"] = float(precision)
        return found

    def stages(self) -> list[Stage]:
        """Return the stages that have answered questions."""
        return [*self._answers]

    def confusion(self, stage: Stage) -> NDArray[np.int64]:
        """Return (true, answered) counts of a stage: of labels, or of no and yes."""
        answers, targets = np.concatenate(self._answers[stage]), self._right(stage)
        labelled = answers.ndim == 2
        answered = answers.argmax(axis=1) if labelled else (answers >= 0.5).astype(np.intp)
        classes = range(len(LABELS) if labelled else 2)
        return np.asarray(confusion_matrix(targets, answered, labels=classes))

    def _right(self, stage: Stage) -> Targets:
        return np.concatenate(self._targets[stage])


def draw_confusion(counts: NDArray[np.int64], names: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix."""
    figure, axes = _figure()
    axes.imshow(counts / np.maximum(1, counts.sum(axis=1, keepdims=True)), cmap="Blues", vmin=0)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, f"{count:,}", ha="center", va="center")
    axes.set(xticks=range(len(names)), xticklabels=names, yticks=range(len(names)))
    axes.set(yticklabels=names, xlabel="answered", ylabel="true", title=title)
    return figure


def draw_importances(importances: Mapping[str, float], title: str) -> Figure:
    """Draw the features with the largest gain."""
    top = sorted(importances.items(), key=lambda item: item[1])[-_MOST_SHOWN:]
    figure, axes = _figure()
    axes.barh([name for name, _ in top], [share for _, share in top])
    axes.set(xlabel="share of the gain", title=title)
    return figure


def _figure() -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 6), layout="constrained")
    return figure, figure.add_subplot()
