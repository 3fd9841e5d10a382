"""The trained ranker: how likely each candidate of a field, and its absence, is the truth."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ocr_extractor.engines.local.fields.feature_names import NAMES
from ocr_extractor.engines.local.fields.features import pool_of
from ocr_extractor.engines.local.fields.own import OWN_NAMES, load_own, own_rows
from ocr_extractor.engines.local.learned.weights import load_trees
from ocr_extractor.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ocr_extractor.engines.local.fields.features import Asked
    from ocr_extractor.engines.local.learned.columns import Floats, Values
    from ocr_extractor.fields.schema import Field

TREES, SETTINGS, OWN_TREES = "fields.onnx", "fields.json", "fields_own.onnx"

_VERSION = zlib.crc32(" ".join((*NAMES, *OWN_NAMES, "curves")).encode())
"""Trees know features by their place only: those of other features would give nonsense."""

CELL = "cell"
"""The curve of the cells of tables. Among the general ones it is missing: their evidence counts as
it is, because the tables of drawn documents are easier to read than real ones."""

_LEAST = 0.01
"""Probabilities and confidences nearer to 0 or 1 are more than is known."""


@dataclass(frozen=True)
class Curve:
    """What share of the values of a probability is right: never 0 or 1, and it never falls.

    Beta calibration (Kull, Silva Filho, Flach 2017,
    https://proceedings.mlr.press/v54/kull17a.html): the logit of the share is
    rise * log(p) - fall * log(1 - p) + shift. With 1, 1, 0 it is p.

    Attributes:
        rise: From 0.
        fall: From 0; less of it keeps the share below 1 for the surest values.
        shift: Of the whole curve.
    """

    rise: float = 1.0
    fall: float = 1.0
    shift: float = 0.0

    @staticmethod
    def terms(probabilities: Values) -> Values:
        """Return (n, 3): what rise, fall and shift are multiplied by."""
        within = np.clip(probabilities, _LEAST, 1 - _LEAST)
        return np.stack([np.log(within), -np.log1p(-within), np.ones_like(within)], axis=1)

    def share(self, probability: float) -> float:
        """Return the share of a probability."""
        [terms] = self.terms(np.array([probability]))
        logit = float(terms @ (self.rise, self.fall, self.shift))
        return float(np.clip(1 / (1 + np.exp(-logit)), _LEAST, 1 - _LEAST))

    def scaled(self, slope: float, shift: float) -> Curve:
        """Return the curve whose logit is this one's, times a slope, plus a shift."""
        parts = (slope * self.rise, slope * self.fall, slope * self.shift + shift)
        return Curve(*(round(part, 4) for part in parts))


@dataclass(frozen=True)
class Calibration:
    """How the trees' scores become probabilities.

    Attributes:
        sharpness: What scores are multiplied by before they become odds.
        absent: What the odds of "absent" on a page are multiplied by: the value may stand there
            although nothing tells for sure.
        curves: What share of the values of a probability is right, by kind, see `curve_of`.
        own: Likewise, by the path of a leaf in the schema, `items[].amount`; these come first.
    """

    sharpness: float = 1.0
    absent: float = 1.0
    curves: Mapping[str, Curve] = field(default_factory=dict)
    own: Mapping[str, Curve] = field(default_factory=dict)

    def odds(self, scores: Floats) -> Floats:
        """Return (n + 1,) probabilities of a field's candidates and, last, of "absent"."""
        sharp = scores.astype(np.float64) * self.sharpness
        odds = np.exp(sharp - sharp.max())
        odds[-1] *= self.absent
        return np.asarray(odds / odds.sum())

    def confidence(self, path: str, kind: str, probability: float) -> float:
        """Return the share, [0, 1], of a leaf's values of this probability that are right."""
        return (self.own.get(path) or self.curves.get(kind, Curve())).share(probability)

    def save(self, folder: Path) -> None:
        """Write it into a folder of weights."""
        stored = asdict(self) | {"features": _VERSION}
        (folder / SETTINGS).write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Calibration:
        """Read it from a folder of weights.

        Raises:
            ConfigError: The weights are those of another version of the features.
        """
        raw: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if raw.pop("features") != _VERSION:
            raise ConfigError(
                f"The weights for fields in {folder} are of another version: train them again."
            )
        for curves in ("curves", "own"):
            raw[curves] = {name: Curve(**each) for name, each in raw[curves].items()}
        return cls(**raw)


def curve_of(field: Field) -> str:
    """Return which of the general curves is a field's: a text may be misread in one letter."""
    return "text" if pool_of(field) == "texts" else "typed"


class Ranker:
    """Scores the candidates of fields; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Load a folder of weights: general ones, or those of a user's own documents.

        Raises:
            ConfigError: The weights are those of another version of the features.
        """
        self.calibration = Calibration.load(folder)
        self.examples, self._words = load_own(folder)
        self._trees = load_trees(folder / TREES)
        self._own = load_trees(folder / OWN_TREES) if self.examples else None

    def probabilities(self, asked: Sequence[Asked]) -> list[Floats]:
        """Return (n + 1,) of each field: of its candidates and, last, of "absent"."""
        return [self.calibration.odds(scores) for scores in self.scores(asked)]

    def scores(self, asked: Sequence[Asked]) -> list[Floats]:
        """Return (n + 1,) of each field: the logarithms of odds, not calibrated."""
        if not asked:
            return []
        rows = np.concatenate([each.rows for each in asked])
        [scores] = self._trees.run(None, {"rows": rows})
        if self._own is not None:
            own = [
                own_rows(each, self.examples.get(each.path, ()), self._words.get(each.path))
                for each in asked
            ]
            both = np.concatenate([rows, np.concatenate(own), scores], axis=1)
            scores = scores + self._own.run(None, {"rows": both})[0]
        ends = np.cumsum([len(each.rows) for each in asked])[:-1]
        return list(np.split(scores.ravel(), ends))
