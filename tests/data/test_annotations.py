"""What is written as an annotation is read back as the same pairs."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from data.annotations import LabelledPair, to_annotation
from data.forms import Form
from data.funsd import read_form

TEXTS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=12)
BOXES = st.tuples(*[st.integers(0, 50)] * 2, *[st.integers(51, 99)] * 2) | st.none()
PAIRS = st.builds(LabelledPair, TEXTS, TEXTS | st.none(), st.integers(1, 2), BOXES, BOXES)


def written(folder: Path, pairs: list[LabelledPair], page_count: int) -> Form:
    file = folder / "form.json"
    file.write_text(json.dumps(to_annotation(pairs, page_count)), encoding="utf-8")
    return read_form(file, folder / "form.png")


@given(st.lists(PAIRS, max_size=6))
def test_pairs_and_blanks_come_back(tmp_path_factory, pairs: list[LabelledPair]):
    form = written(tmp_path_factory.mktemp("form"), pairs, page_count=2)
    assert sorted((pair.question, pair.answer, pair.page) for pair in form.pairs()) == sorted(
        (pair.question, pair.answer, pair.page) for pair in pairs if pair.answer is not None
    )
    assert sorted(entity.text for entity in form.blank_questions()) == sorted(
        pair.question for pair in pairs if pair.answer is None
    )


def test_boxes_come_back_and_pairs_without_them_keep_their_order(tmp_path: Path):
    box, below = (10, 60, 40, 70), (10, 80, 40, 90)
    pairs = [
        LabelledPair("Date", "May 5"),
        LabelledPair("Date", "May 6"),
        LabelledPair("To", "J. Poe", 1, box, below),
    ]
    found = written(tmp_path, pairs, page_count=1).pairs()
    assert [pair.answer for pair in found] == ["May 5", "May 6", "J. Poe"]
    assert (found[2].question_box, found[2].answer_box) == (box, below)
