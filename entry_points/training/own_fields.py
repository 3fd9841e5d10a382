"""Trains the ranker of fields on a user's own documents, and scores it on those left out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from entry_points.scoring.counts import Numbers
from entry_points.scoring.fields import FieldTruth
from entry_points.training.field_calibration import adapt, fit_odds, judged
from entry_points.training.field_lessons import Lesson, lessons_of
from entry_points.training.field_ranker import Features, Rows, fit_trees, save_trees
from entry_points.training.figures import read_row
from entry_points.training.stacking import fold_of
from entry_points.training.trees import Growth
from ocr_extractor.engines.local.engine import BUNDLED_WEIGHTS
from ocr_extractor.engines.local.fields.feature_names import NAMES
from ocr_extractor.engines.local.fields.own import (
    OWN_NAMES,
    Example,
    example_of,
    own_rows,
    save_own,
)
from ocr_extractor.engines.local.fields.own_words import OwnWords
from ocr_extractor.engines.local.fields.ranker import OWN_TREES, TREES, Calibration, Ranker

if TYPE_CHECKING:
    from collections.abc import Callable

    from data.fields import FieldDocument
    from entry_points.training.field_lessons import FieldPage
    from ocr_extractor.engines.local.learned.columns import Floats
    from ocr_extractor.fields.schema import Schema

T = TypeVar("T")

# The more like the other documents, the better.
_TRENDS = (*(0 for _ in NAMES), *(1 for _ in OWN_NAMES), 0)
_GROWTH = Growth(rounds=200, leaves=6, rate=0.08, share=0.5, least=8)


@dataclass(frozen=True)
class OwnDocument:
    """A document to learn from.

    Attributes:
        truth: Its true values.
        pages: Its pages that hold words.
        lessons: What they teach.
        scores: The general ranker's scores of each lesson.
    """

    truth: FieldDocument
    pages: tuple[FieldPage, ...]
    lessons: tuple[Lesson, ...]
    scores: tuple[Floats, ...]

    @cached_property
    def examples(self) -> dict[str, list[Example]]:
        """Where each field stands."""
        found: dict[str, list[Example]] = {}
        for lesson, scores in zip(self.lessons, self.scores, strict=True):
            if (best := _best(lesson, scores)) is not None:
                true = lesson.leaf.text(dict(self.truth.values))
                example = example_of(lesson.asked, best, true)
                found.setdefault(lesson.leaf.path, []).append(example)
        return found

    @cached_property
    def words(self) -> dict[str, OwnWords]:
        """The words at each field's candidates, of the pages whose truth is known."""
        found: dict[str, list[OwnWords]] = {}
        for lesson, scores in zip(self.lessons, self.scores, strict=True):
            if lesson.right.any():
                words = OwnWords.of(lesson.asked, _best(lesson, scores))
                found.setdefault(lesson.leaf.path, []).append(words)
        return {path: OwnWords.sum(of) for path, of in found.items()}


def _best(lesson: Lesson, scores: Floats) -> int | None:
    """Return the true candidate that scores best, None where the page has none."""
    right = lesson.right[:-1]
    return int(np.where(right, scores[:-1], -np.inf).argmax()) if right.any() else None


def taught(
    documents: Sequence[OwnDocument],
) -> tuple[dict[str, list[Example]], dict[str, OwnWords]]:
    """Return the examples of each field, and the words at its values, by its path."""
    examples: dict[str, list[Example]] = {}
    words: dict[str, list[OwnWords]] = {}
    for each in documents:
        for path, found in each.examples.items():
            examples.setdefault(path, []).extend(found)
        for path, counted in each.words.items():
            words.setdefault(path, []).append(counted)
    return examples, {path: OwnWords.sum(parts) for path, parts in words.items()}


def taught_by_others(
    documents: Sequence[OwnDocument],
) -> dict[tuple[str, str], tuple[list[Example], OwnWords]]:
    """Return what the other documents teach a document, by its id and a field's path."""
    _, words = taught(documents)
    return {
        (each.truth.form_id, path): (
            [
                example
                for other in documents
                if other is not each
                for example in other.examples.get(path, ())
            ],
            words[path].without(counted),
        )
        for each in documents
        for path, counted in each.words.items()
    }


class OwnTrainer:
    """Learns from documents of one schema."""

    def __init__(self, schema: Schema, seed: int) -> None:
        """Start from the bundled weights.

        Args:
            schema: The documents' schema.
            seed: Deals documents, draws candidates and features.
        """
        self._schema, self._seed = schema, seed
        self._general = Ranker(BUNDLED_WEIGHTS)

    def prepare(self, truth: FieldDocument, pages: Sequence[FieldPage]) -> OwnDocument:
        """Look up a document's true values on its pages."""
        lessons = lessons_of(self._schema, truth.values, pages)
        scores = self._general.scores([lesson.asked for lesson in lessons])
        return OwnDocument(truth, tuple(pages), tuple(lessons), tuple(scores))

    def train(
        self, documents: Sequence[OwnDocument], calibration: Calibration, folder: Path
    ) -> Ranker:
        """Fit the ranker on documents, and write its weights into a folder."""
        examples, words = taught(documents)
        others = taught_by_others(documents)
        base = {
            id(lesson): scores
            for each in documents
            for lesson, scores in zip(each.lessons, each.scores, strict=True)
        }

        def describe(lesson: Lesson) -> tuple[Features, Numbers]:
            scores = base[id(lesson)]
            own = own_rows(lesson.asked, *others[lesson.page.document, lesson.leaf.path])
            rows = np.concatenate([lesson.asked.rows, own, scores[:, None]], axis=1)
            return rows.astype(np.float32), scores.astype(np.float64)

        lessons = [lesson for each in documents for lesson in each.lessons]
        data = Rows.of(lessons, np.random.default_rng(self._seed), describe)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(BUNDLED_WEIGHTS / TREES, folder / TREES)
        trees = fit_trees(data, _GROWTH, self._seed, _TRENDS)
        save_trees(trees, folder / OWN_TREES)
        save_own(folder, examples, words)
        calibration.save(folder)
        return Ranker(folder)

    def hold_out(
        self,
        documents: Sequence[OwnDocument],
        folds: int,
        fitted: Callable[[], object],
        most: int | None = None,
    ) -> tuple[dict[str, dict[str, Any]], Calibration]:
        """Read each document by a ranker that has not seen it.

        Args:
            documents: All of them.
            folds: Parts, from 2.
            fitted: Called after each fit.
            most: Documents to learn from; None learns from all of the other folds.

        Returns:
            The rows of the output by document, and the calibration that all of them give.
        """
        fold = fold_of([each.truth.form_id for each in documents], folds, self._seed)
        rankers, scored = [], {}
        for number in range(folds):
            kept = [each for each in documents if fold[each.truth.form_id] != number][:most]
            with tempfile.TemporaryDirectory() as folder:
                rankers.append(self.train(kept, Calibration(), Path(folder)))
            fitted()
            for each in documents:
                if fold[each.truth.form_id] == number:
                    scores = rankers[-1].scores([lesson.asked for lesson in each.lessons])
                    scored[each.truth.form_id] = [*zip(each.lessons, scores, strict=True)]

        def others(by_document: Mapping[str, Sequence[T]], number: int | None) -> list[T]:
            return [each for name, of in by_document.items() if fold[name] != number for each in of]

        def read() -> dict[str, dict[str, Any]]:
            numbered = ((each, fold[each.truth.form_id]) for each in documents)
            return {
                each.truth.form_id: read_row(self._schema, each.pages, rankers[number])
                for each, number in numbered
            }

        curves = self._general.calibration.curves
        for number, ranker in enumerate(rankers):
            ranker.calibration = replace(fit_odds(others(scored, number)), curves=curves)
        truths = {each.truth.form_id: FieldTruth.of(each.truth) for each in documents}
        values = {name: judged(self._schema, truths[name], row) for name, row in read().items()}
        for number, ranker in enumerate(rankers):
            own = adapt(curves, others(values, number))
            ranker.calibration = replace(ranker.calibration, own=own)
        own = adapt(curves, others(values, None))
        return read(), replace(fit_odds(others(scored, None)), curves=curves, own=own)
