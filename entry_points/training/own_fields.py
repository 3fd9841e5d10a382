"""Trains the ranker of fields on a user's own documents, and scores it on those left out."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from entry_points.training.field_lessons import Lesson, lessons_of
from entry_points.training.field_ranker import (
    Features,
    Growth,
    Rows,
    Scored,
    Values,
    calibrate,
    fit_trees,
    save_trees,
)
from entry_points.training.stacking import fold_of
from ocr_extractor.engines.base import PageReading
from ocr_extractor.engines.local.engine import BUNDLED_WEIGHTS
from ocr_extractor.engines.local.fields.features import NAMES
from ocr_extractor.engines.local.fields.own import (
    OWN_NAMES,
    Example,
    example_of,
    own_rows,
    save_examples,
)
from ocr_extractor.engines.local.fields.ranker import OWN_TREES, TREES, Calibration, Ranker
from ocr_extractor.engines.local.fields.search import find_fields
from ocr_extractor.fields.assembly import assemble

if TYPE_CHECKING:
    from collections.abc import Callable

    from data.fields import FieldDocument
    from entry_points.training.field_lessons import FieldPage
    from ocr_extractor.engines.local.learned.columns import Floats
    from ocr_extractor.fields.schema import Schema

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

    def examples(self) -> dict[str, list[Example]]:
        """Return where each field stands; of several places the one that scores best."""
        found: dict[str, list[Example]] = {}
        for lesson, scores in zip(self.lessons, self.scores, strict=True):
            if lesson.right[:-1].any():
                best = int(np.where(lesson.right[:-1], scores[:-1], -np.inf).argmax())
                found.setdefault(lesson.leaf.path, []).append(example_of(lesson.asked, best))
        return found


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
        scores = self._general.scores([lesson.asked for lesson in lessons]) if lessons else []
        return OwnDocument(truth, tuple(pages), tuple(lessons), tuple(scores))

    def train(
        self, documents: Sequence[OwnDocument], calibration: Calibration, folder: Path
    ) -> Ranker:
        """Fit the ranker on documents, and write its weights into a folder.

        The examples of a document are not shown to its own lessons.
        """
        by_document = {each.truth.form_id: each.examples() for each in documents}
        paths = {path for of in by_document.values() for path in of}
        examples = {
            path: [each for of in by_document.values() for each in of.get(path, ())]
            for path in sorted(paths)
        }
        others = {
            (name, path): [
                each
                for other, of in by_document.items()
                if other != name
                for each in of.get(path, ())
            ]
            for name in by_document
            for path in paths
        }
        base = {
            id(lesson): scores
            for each in documents
            for lesson, scores in zip(each.lessons, each.scores, strict=True)
        }

        def describe(lesson: Lesson) -> tuple[Features, Values]:
            scores = base[id(lesson)]
            own = own_rows(lesson.asked, others[lesson.page.document, lesson.leaf.path])
            rows = np.concatenate([lesson.asked.rows, own, scores[:, None]], axis=1)
            return rows.astype(np.float32), scores.astype(np.float64)

        lessons = [lesson for each in documents for lesson in each.lessons]
        data = Rows.of(lessons, np.random.default_rng(self._seed), describe)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(BUNDLED_WEIGHTS / TREES, folder / TREES)
        trees = fit_trees(data, _GROWTH, self._seed, _TRENDS)
        save_trees(trees, folder / OWN_TREES)
        save_examples(folder, examples)
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
        scored: dict[str, list[Scored]] = {}
        with tempfile.TemporaryDirectory() as temporary:
            rankers = []
            for number in range(folds):
                kept = [each for each in documents if fold[each.truth.form_id] != number][:most]
                folder = Path(temporary) / str(number)
                rankers.append(self.train(kept, Calibration(), folder))
                fitted()
                for each in documents:
                    if fold[each.truth.form_id] == number:
                        scores = rankers[-1].scores([lesson.asked for lesson in each.lessons])
                        scored[each.truth.form_id] = [*zip(each.lessons, scores, strict=True)]
            rows = {}
            for number, ranker in enumerate(rankers):
                others = [of for name, of in scored.items() if fold[name] != number]
                ranker.calibration = calibrate(others)
                for each in documents:
                    if fold[each.truth.form_id] == number:
                        rows[each.truth.form_id] = read_row(self._schema, each.pages, ranker)
        return rows, calibrate(list(scored.values()))


def read_row(schema: Schema, pages: Sequence[FieldPage], ranker: Ranker) -> dict[str, Any]:
    """Return what the local engine gives for a document: a row of the output."""
    read: Mapping[int, PageReading] = {
        page.number: PageReading((), raw_fields=tree, evidence=evidence)
        for page in pages
        for tree, evidence in [find_fields(schema, page.words, (), page.number, ranker)]
    }
    found = assemble(schema, read, None)
    if found is None:
        return {"values": None, "fields": None, "error_code": None}
    leaves = [leaf.to_dict() for leaf in found.leaves]
    return {"values": json.dumps(found.values), "fields": leaves, "error_code": None}
