"""The trained models on disk: a folder of ONNX files, a table of n-grams and a JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ocr_extractor.engines.local.learned.cascade import TREES
from ocr_extractor.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from ocr_extractor.engines.local.learned.cascade import Ask
    from ocr_extractor.engines.local.learned.columns import Floats, Whole

TEXT = "text.npz"
DECISION = "decision.json"


@dataclass(frozen=True)
class Decision:
    """How probabilities become pairs.

    Attributes:
        least: Candidates less likely than this are not pairs, [0, 1].
        scores: Probabilities as the model gives them, rising.
        confidences: What share of the pairs of such a probability was right, not falling.
    """

    least: float
    scores: tuple[float, ...]
    confidences: tuple[float, ...]

    def confidence(self, score: float) -> float:
        """Return the probability in [0, 1] that a pair of this score is right."""
        return float(np.interp(score, self.scores, self.confidences))

    def save(self, folder: Path) -> None:
        """Write it into a folder of weights."""
        text = json.dumps(asdict(self), indent=1) + "\n"
        (folder / DECISION).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Decision:
        """Read it from a folder of weights."""
        raw = json.loads((folder / DECISION).read_text(encoding="utf-8"))
        return cls(raw["least"], tuple(raw["scores"]), tuple(raw["confidences"]))


@dataclass(frozen=True)
class TextTable:
    """A linear model of a text's n-grams: (n-grams, labels) weights and (labels,) bias."""

    weights: Floats
    bias: Floats

    def predict(self, grams: Whole) -> Floats:
        """Return (texts, labels) probabilities for the rows of `gram_numbers`."""
        there = grams >= 0
        sums = np.where(there[:, :, None], self.weights[grams].astype(np.float32), 0).sum(axis=1)
        logits = sums / np.sqrt(there.sum(axis=1))[:, None] + self.bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)

    def save(self, folder: Path) -> None:
        """Write it into a folder of weights."""
        np.savez_compressed(folder / TEXT, weights=self.weights.astype(np.float16), bias=self.bias)

    @classmethod
    def load(cls, folder: Path) -> TextTable:
        """Read it from a folder of weights."""
        with np.load(folder / TEXT, allow_pickle=False) as arrays:
            return cls(arrays["weights"].astype(np.float32), arrays["bias"])


class Weights:
    """Answers the questions of all stages; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Load a folder of weights.

        Raises:
            ConfigError: The folder lacks one of its files.
        """
        files = [folder / f"{stage}.onnx" for stage in TREES]
        missing = [f.name for f in (*files, folder / TEXT, folder / DECISION) if not f.is_file()]
        if missing:
            raise ConfigError(
                f"The local engine's weights in {folder} lack {', '.join(missing)}: train them "
                "again, or log the extractor without local_weights."
            )
        self.decision = Decision.load(folder)
        self._text = TextTable.load(folder)
        self._trees = {stage: load_trees(file) for stage, file in zip(TREES, files, strict=True)}

    def answer(self, ask: Ask) -> Floats:
        """Return (rows,) probabilities, or (rows, labels) for "text" and "label"."""
        if ask.stage == "text":
            return self._text.predict(ask.rows)  # type: ignore[arg-type]
        [found] = self._trees[ask.stage].run(["probabilities"], {"rows": ask.rows})
        return np.asarray(found if ask.stage == "label" else found[:, 1], np.float32)


def load_trees(file: Path) -> Any:
    """Return ONNX Runtime's session of a file, on one core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # Its warnings only repeat that the converter declares one row and gets many.
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options)
