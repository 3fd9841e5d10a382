"""An annotation answers what the stages ask."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.forms import Entity, Form, Word
from entry_points.training.truth import PageTruth
from ocr_extractor.engines.local.learned.candidates import PairCandidate
from ocr_extractor.engines.local.learned.cascade import Ask
from ocr_extractor.engines.local.learned.segmentation import Atom, LearnedSegment
from ocr_extractor.ocr import words as ocr

QUESTION = Entity(
    1,
    "question",
    "Ship to",
    (0, 0, 60, 10),
    (Word("Ship", (0, 0, 30, 10)), Word("to", (40, 0, 60, 10))),
)
ANSWER = Entity(2, "answer", "Leeds", (100, 0, 150, 10), (Word("Leeds", (100, 0, 150, 10)),))
HEADER = Entity(3, "header", "ORDER", (0, 50, 60, 60), (Word("ORDER", (0, 50, 60, 60)),))
TRUTH = PageTruth(
    Form("form", Path("f.png"), Path("f.json"), (QUESTION, ANSWER, HEADER), ((QUESTION, ANSWER),)),
    1,
)


def atom(text: str, x: int, y: int = 1) -> Atom:
    return Atom(ocr.Word(text, (x, y, x + 10 * len(text), y + 9), 0), 0, False, (0.0, 0.0, 0.0))


def segment(*atoms: Atom) -> LearnedSegment:
    return LearnedSegment(atoms, 1.0, 1.0)


SHIP, TO, LEEDS, ORDER = atom("Shlp", 0), atom("to", 40), atom("Leeds", 100), atom("ORDER", 0, 51)
STRAY = atom("stray", 300, 300)


def targets(stage, *about):
    rows = np.zeros((len(about), 1), np.float32)
    return TRUTH.targets(Ask(stage, rows, ("x",), about)).tolist()


def test_a_line_is_cut_where_another_entity_begins():
    assert targets("cut", (SHIP, TO), (TO, LEEDS)) == [0, 1]


def test_a_piece_has_the_label_of_most_of_its_characters():
    assert targets("label", segment(SHIP, TO), segment(TO, LEEDS), segment(ORDER)) == [0, 1, 2]


def test_what_nobody_annotated_is_other():
    assert targets("text", segment(STRAY)) == [3]


def test_links_lead_from_question_to_answer():
    question, answer = segment(SHIP, TO), segment(LEEDS)
    assert targets("link", (question, answer), (answer, question)) == [1, 0]


def test_pieces_of_one_entity_are_joined_and_strays_are_not():
    assert targets("join", (segment(SHIP), segment(TO)), (segment(TO), segment(LEEDS))) == [1, 0]
    assert targets("join", (segment(STRAY), segment(STRAY))) == [0]


def test_a_candidate_is_a_pair_when_both_texts_are_nearly_right():
    def candidate(question: str, answer: str) -> PairCandidate:
        nowhere = ((0, 0, 1, 1), (0, 0, 1, 1))
        one, other = frozenset({0}), frozenset({1})
        return PairCandidate(one, other, (question, answer), nowhere, frozenset())

    found = targets("pair", candidate("SHlP TO:", "Leeds"), candidate("Ship", "Leeds"))
    assert found == [1, 0]
    assert TRUTH.pairs == 1


def test_a_page_on_which_no_candidate_was_found_has_no_right_one():
    assert TRUTH.are_pairs([]).tolist() == []
