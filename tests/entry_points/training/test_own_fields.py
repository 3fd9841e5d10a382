"""The ranker of fields learns from a user's own documents what it cannot know in general."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.field_schema import parse_schema
from data.fields import FieldDocument
from entry_points.training.field_calibration import fit_odds
from entry_points.training.field_lessons import FieldPage, lessons_of
from entry_points.training.field_ranker import softmax
from entry_points.training.figures import curve_sizes, read_row, score_fields
from entry_points.training.general_fields import drawn_pages
from entry_points.training.own_fields import OwnDocument, OwnTrainer, taught_by_others
from ocr_extractor.engines.local.engine import BUNDLED_WEIGHTS
from ocr_extractor.engines.local.fields.ranker import Calibration, Ranker
from ocr_extractor.fields.schema import Schema
from tests.true_words import read_words

# Nothing tells in general which of the figures the field is.
PLAIN = {
    "type": "object",
    "properties": {
        "zorp": {"type": ["number", "null"], "description": "What we call it here"},
        "day": {"type": ["string", "null"], "format": "date", "description": "printed day first"},
    },
}
DOCUMENTS = 14


def own_document(
    number: int, labels: Sequence[str] = ("Foss", "Kessel", "Brill", "Tand")
) -> tuple[FieldDocument, FieldPage]:
    """Return a document whose amount has the second label, among others of the same look."""
    rng = np.random.default_rng(number)
    amounts = [f"{value:.2f}" for value in rng.uniform(100, 900, 4)]
    lines = [((60, 40), "Works sheet"), ((60, 80), f"{number + 1:02}.03.2026")]
    for row, at in enumerate(rng.permutation(4)):
        lines += [((60, 140 + 40 * row), labels[at]), ((400, 140 + 40 * row), amounts[at])]
    values = {"zorp": float(amounts[1]), "day": f"2026-03-{number + 1:02}"}
    name = f"sheet-{number}"
    truth = FieldDocument(name, Path(), (), parse_schema(PLAIN, "schema"), values)
    return truth, FieldPage(name, 1, read_words(lines))


@pytest.fixture(scope="module")
def trainer() -> OwnTrainer:
    return OwnTrainer(Schema.parse(PLAIN), 0)


@pytest.fixture(scope="module")
def documents(trainer: OwnTrainer) -> list[OwnDocument]:
    return [trainer.prepare(truth, [page]) for truth, page in map(own_document, range(DOCUMENTS))]


def test_a_label_that_only_a_users_documents_have_is_learned(
    trainer: OwnTrainer, documents: list[OwnDocument]
):
    fits: list[None] = []
    rows, _ = trainer.hold_out(documents, 3, lambda: fits.append(None))
    learned = score_fields([each.truth for each in documents], rows)
    general = Ranker(BUNDLED_WEIGHTS)
    before = score_fields(
        [each.truth for each in documents],
        {
            each.truth.form_id: read_row(Schema.parse(PLAIN), each.pages, general)
            for each in documents
        },
    )
    assert len(fits) == 3
    assert learned.metrics["field_f1/zorp"] >= 0.9
    assert before.metrics["field_f1/zorp"] < 0.6
    assert learned.metrics["field_f1/day"] >= 0.9


def test_a_blank_scan_among_the_documents_is_read_as_nothing(
    trainer: OwnTrainer, documents: list[OwnDocument]
):
    blank = trainer.prepare(own_document(DOCUMENTS)[0], [])
    rows, _ = trainer.hold_out([*documents, blank], 3, list)
    assert rows[blank.truth.form_id]["values"] is None
    assert sum(row["values"] is not None for row in rows.values()) == DOCUMENTS


def test_a_document_learns_from_the_others_only(trainer: OwnTrainer):
    labels = [["Foss", f"Kessel {name}", "Brill", "Tand"] for name in ("alder", "birch", "cedar")]
    documents = [
        trainer.prepare(truth, [page])
        for truth, page in (own_document(number, of) for number, of in enumerate(labels))
    ]
    learned = taught_by_others(documents)
    for number, name in enumerate(("alder", "birch", "cedar")):
        examples, words = learned[f"sheet-{number}", "zorp"]
        texts = " ".join(text for each in examples for text in each.slots)
        counted = {word.split()[-1] for word in words.of_values}
        others = {"alder", "birch", "cedar"} - {name}
        assert {each for each in ("alder", "birch", "cedar") if each in texts} == others
        assert counted & {"alder", "birch", "cedar"} == others


def test_weights_are_a_folder_that_the_engine_loads(
    trainer: OwnTrainer, documents: list[OwnDocument], tmp_path: Path
):
    trainer.train(documents, Calibration(sharpness=0.7), tmp_path)
    truth, page = own_document(DOCUMENTS)
    row = read_row(Schema.parse(PLAIN), [page], Ranker(tmp_path))
    assert json.loads(row["values"]) == truth.values
    assert Ranker(tmp_path).calibration.sharpness == 0.7


def test_a_value_is_looked_up_on_every_page_and_may_stand_at_several_places():
    schema = Schema.parse({"type": "object", "properties": {"total": {"type": "number"}}})
    pages = [
        FieldPage(
            "a", number, read_words([((10, 10 + 30 * at), text) for at, text in enumerate(texts)])
        )
        for number, texts in enumerate([["5.00", "5.00 EUR", "6.00"], ["7.00"]], 1)
    ]

    def right(total: float | None) -> list[list[bool]]:
        return [each.right.tolist() for each in lessons_of(schema, {"total": total}, pages)]

    assert right(5.0) == [[True, True, False, False], [False, True]]
    assert right(None) == [[False, False, False, True], [False, True]]
    assert right(9.0) == [[False] * 4, [False] * 2]


def test_drawn_documents_teach_most_of_their_fields():
    lessons = [each for seed in range(3) for each in drawn_pages("invoices", seed).lessons()]
    assert sum(each.right.any() for each in lessons) >= 0.8 * len(lessons)


def test_odds_add_up_to_one_in_each_lesson():
    odds = softmax(np.array([1.0, 2.0, 500.0, 3.0]), np.array([0, 2]))
    assert odds[:2].sum() == pytest.approx(1)
    assert odds[2:].tolist() == pytest.approx([1, 0])


def test_scores_that_are_too_sure_are_made_less_so(documents: list[OwnDocument]):
    rng = np.random.default_rng(0)
    lessons = [lesson for each in documents for lesson in each.lessons]
    scored = [(lesson, 9.0 * (rng.random(len(lesson.right)) < 0.5)) for lesson in lessons]
    assert fit_odds(scored).sharpness == 0.4


def test_a_field_that_no_document_has_is_learned_to_be_absent():
    schema = json.loads(json.dumps(PLAIN))
    schema["properties"]["fax"] = {"type": ["string", "null"]}
    trainer = OwnTrainer(Schema.parse(schema), 0)
    documents = []
    for truth, page in map(own_document, range(6)):
        values = {**truth.values, "fax": None}
        fields = parse_schema(schema, "schema")
        documents.append(trainer.prepare(replace(truth, schema=fields, values=values), [page]))
    rows, _ = trainer.hold_out(documents, 2, lambda: None)
    read = [json.loads(row["values"])["fax"] for row in rows.values()]
    assert read == [None] * 6


@pytest.mark.parametrize(
    ("documents", "folds", "sizes"), [(40, 5, [5, 10, 20]), (12, 4, [5]), (4, 2, [])]
)
def test_a_learning_curve_doubles_until_all_documents(documents: int, folds: int, sizes: list[int]):
    assert curve_sizes(documents, folds) == sizes
